"""`compare`: gains at thresholds, ground truth, repeats, budgets, and whether random is beaten."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_runs import Halves, answer, first_analog, made_up_problem, priced_problem, search
from typer.testing import CliRunner

from lionheart_opt.cli.comparison_tables import WIDTH, print_comparison
from lionheart_opt.cli.main import app
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.results.comparison import (
    beats,
    check_same_question,
    compare,
    comparison,
    ground_truth,
    names,
)
from lionheart_opt.results.history import final_hypervolume
from lionheart_opt.results.result import SearchResult
from lionheart_opt.strategies.fixed import Fixed
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import brute_force, tiny_problem


def run(label, strategy, seed=0, trials=None, problem=None) -> SearchResult:
    problem = problem or tiny_problem()
    record = Record(problem)
    Search(record, strategy, seed, Budget(trials=trials)).run()
    return SearchResult(label=label, seed=seed, problem=problem, evaluations=record.evaluations())


def rows(*runs: SearchResult, truth: SearchResult | None = None) -> dict[str, dict]:
    data = comparison(runs, truth)
    json.dumps(data)
    return {row["strategy"]: row for row in data["strategies"]}


def test_gains_at_thresholds_worked_out_by_hand():
    problem = made_up_problem()
    first = search("x", answer(problem, 1, 0.004), answer(problem, 3, 0.02), problem=problem)
    second = search(
        "x", answer(problem, 2, 0.009), answer(problem, 4, 0.2), problem=problem, seed=1
    )
    thresholds = {row["max_drop"]: row for row in rows(first, second)["x"]["thresholds"]}
    assert list(thresholds) == [0.005, 0.01, 0.03, 0.05, 0.1]
    # k units analog: 1 / (1 - k / 10) times as fast, 1 / (1 - 0.15 k) times less energy
    assert thresholds[0.005]["seeds_found"] == 1, "the second seed has nothing: all-digital"
    assert thresholds[0.005]["speedup"]["median"] == pytest.approx((1 + 1 / 0.9) / 2)
    assert thresholds[0.005]["energy_gain"]["median"] == pytest.approx((1 + 1 / 0.85) / 2)
    assert thresholds[0.01]["seeds_found"] == 2
    assert thresholds[0.01]["speedup"]["median"] == pytest.approx((1 / 0.9 + 1 / 0.8) / 2)
    low, high = thresholds[0.03]["speedup"]["quartiles"]
    assert low == pytest.approx(0.75 / 0.8 + 0.25 / 0.7) and high == pytest.approx(
        0.25 / 0.8 + 0.75 / 0.7
    )
    assert thresholds[0.1] == {**thresholds[0.03], "max_drop": 0.1}
    assert thresholds[0.1]["speedup_gap"] is None


def test_a_mapping_slower_than_all_digital_is_no_gain():
    problem = made_up_problem(cost_model=Halves(analog=(2.0, 2.0)))
    [slow] = rows(search("x", answer(problem, 1, 0.0), problem=problem))["x"]["thresholds"][:1]
    assert slow["seeds_found"] == 1
    assert slow["speedup"]["median"] == slow["energy_gain"]["median"] == 1.0


def table_problem(**changes):
    """The made-up problem on a table of all 32 mappings: k units analog drop by 0.39 k^2 points."""
    problem = made_up_problem()
    limit = replace(problem.accuracy_limit, draws=(4,))
    whole = problem.oracle
    analog = np.array([name == "tile" for name in whole.targets])
    counts = analog[whole.assignments].sum(axis=1)
    drops = np.broadcast_to(0.0039 * counts[:, None, None] ** 2, whole.samples.shape)
    table = replace(whole, samples=0.9 - drops, baseline=0.9, **changes)
    return replace(problem, oracle=table, accuracy_limit=limit)


def test_the_ground_truth_worked_out_by_hand():
    problem = table_problem()
    truth = ground_truth(problem, problem.oracle)
    assert len(truth.evaluations) == 32
    # (1 - k / 10, 0.39 k^2 points) for k up to 5, as strips of the dominated area
    drops = [0.0039 * k**2 for k in range(1, 6)]
    above = [*drops[1:], 0.1]
    area = sum(k / 10 * (above[k - 1] - drops[k - 1]) for k in range(1, 6))
    assert final_hypervolume(truth) == pytest.approx(area / 0.1)
    four = problem.evaluate(problem.pretrained(first_analog(problem, 4)))
    half = search("half", four, problem=problem)
    everything = search("all", *brute_force(problem), problem=problem)
    data = comparison([half, everything], truth)
    by_label = {row["strategy"]: row for row in data["strategies"]}
    assert by_label["half"]["hypervolume_share"] == pytest.approx(0.4 * (0.1 - 0.0624) / area)
    assert by_label["all"]["hypervolume_share"] == pytest.approx(1.0)
    best = [row["speedup"] for row in data["ground_truth"]["thresholds"]]
    # at most 0.5, 1, 3, 5 and 10 points: 1, 1, 2, 3 and 5 units
    assert best == pytest.approx([1 / 0.9, 1 / 0.9, 1 / 0.8, 1 / 0.7, 1 / 0.5])
    gaps = [row["speedup_gap"] for row in by_label["half"]["thresholds"]]
    assert gaps == pytest.approx([0.1, 0.1, 0.2, 0.3, 1 - 0.5 / 0.6])
    assert [row["speedup_gap"] for row in by_label["all"]["thresholds"]] == pytest.approx([0] * 5)


def test_there_is_no_ground_truth_without_every_mapping():
    problem = table_problem()
    whole = problem.oracle
    of_study = np.flatnonzero(np.array(whole.trainings) == problem.training)
    kept = np.delete(np.arange(len(whole.trainings)), of_study[3])
    fields = ("assignments", "samples", "training_s", "draw_s")
    part = replace(
        whole,
        trainings=tuple(whole.trainings[k] for k in kept),
        **{name: getattr(whole, name)[kept] for name in fields},
    )
    assert isinstance(part, AccuracyTable)
    assert ground_truth(replace(problem, oracle=part), part) is None
    assert ground_truth(problem, object()) is None


def test_a_table_with_too_few_rows_is_only_counted():
    """Listing the mappings of a large table takes longer than reading the record."""

    class Few:
        trainings = ("none", "full", "none")

        def mappings(self, training):
            raise AssertionError("they are not needed")

    assert ground_truth(table_problem(), Few()) is None


def test_whether_a_strategy_beats_another_is_a_test_over_seeds():
    # four against four, apart: 2 of the 70 ways to rank them are as extreme
    assert beats([5, 6, 7, 8], [1, 2, 3, 4]) == {"verdict": "yes", "p_value": pytest.approx(2 / 70)}
    assert beats([1, 2, 3, 4], [5, 6, 7, 8])["verdict"] == "no"
    # three against three cannot be shown: 2 of 20
    assert beats([4, 5, 6], [1, 2, 3]) == {"verdict": "not shown", "p_value": pytest.approx(0.1)}
    assert beats([1, 4, 5, 8], [2, 3, 6, 7])["verdict"] == "not shown"
    assert beats([2, 2], [2, 2]) == {"verdict": "not shown", "p_value": 1.0}


def test_every_strategy_is_held_against_random():
    problem = made_up_problem()

    def seeds(label, ks, **fields):
        return [
            search(label, answer(problem, k, 0.01 * s), problem=problem, seed=s, **fields)
            for s, k in enumerate(ks)
        ]

    everyone = [*seeds("good", [4] * 5), *seeds("dice", [1] * 5, strategy="random")]
    data = comparison(everyone)
    good, dice = data["strategies"]
    assert data["random"] == "dice" and dice["beats_random"] is None
    assert good["beats_random"]["verdict"] == "yes" and good["beats_random"]["p_value"] < 0.05
    without = comparison(everyone[:5])
    assert without["random"] is None and without["strategies"][0]["beats_random"] is None


def test_compare_gives_one_row_a_strategy():
    by_label = rows(
        run("all-analog", Fixed("all-analog")),
        *(run("random", Random(), seed, 8) for seed in range(3)),
    )
    assert {label: row["seeds"] for label, row in by_label.items()} == {
        "all-analog": 1,
        "random": 3,
    }
    low, high = by_label["random"]["hypervolume"]["quartiles"]
    assert low <= by_label["random"]["hypervolume"]["median"] <= high


@dataclass(frozen=True)
class Stubborn:
    """Proposes the same again and again."""

    def search(self, problem, rng):
        a, b, c = (problem.pretrained(first_analog(problem, k)) for k in (0, 1, 2))
        yield [a]
        yield [a]
        yield [b, a, a]
        yield [a, c]
        yield [a]


def test_the_frame_of_a_comparison_is_numbers():
    """Without a ground truth and anything feasible, columns used to hold None."""
    problem = made_up_problem()
    nothing = search("x", answer(problem, 5, 0.5), problem=problem)
    frame = compare([nothing]).to_frame()
    kinds = frame.dtypes.astype(str).to_dict()
    assert kinds.pop("strategy") == "str"
    counts = ("seeds", "seeds_feasible", "seeds_beating_all_digital")
    assert {kinds.pop(count) for count in counts} == {"int64"}
    assert set(kinds.values()) == {"float64"} and "speedup_at_0.1" in kinds
    assert frame[["drop", "speedup", "repeats", "hypervolume_share"]].isna().all(axis=None)
    with pytest.raises(InputError, match="no results"):
        compare([])


def test_gains_have_medians_of_their_ends():
    problem = priced_problem()
    runs = [
        search("x", answer(problem, k, 0.02), problem=problem, seed=k, strategy="x")
        for k in (2, 3, 4)
    ]
    [row] = compare(runs).to_json()["strategies"]
    for name in ("speedup", "energy_gain"):
        value, low, high = np.median([run.best_estimates[name] for run in runs], axis=0)
        assert (row[f"{name}_low"], row[name], row[f"{name}_high"]) == (low, value, high)
        assert low < value < high
    frame = compare(runs).to_frame()
    assert frame["speedup_low"].item() == row["speedup_low"]


def test_repeated_proposals_are_counted_until_the_last_new_one():
    problem = tiny_problem()
    record = Record(problem)
    few = Search(record, Stubborn(), 0, Budget(trials=2))
    assert few.run() == "budget"
    # a; a again; b and a twice again; a again: c is not paid for
    assert record.keeper.proposals == 6
    for _ in range(2):  # resumed, and replayed
        Search(record, Stubborn(), 0, Budget(trials=9)).run()
        assert record.keeper.proposals == 7
    evaluations = record.evaluations()
    done = search("x", *evaluations, problem=problem, proposals=7)
    assert done.repeats == pytest.approx(4 / 7)
    assert rows(done)["x"]["repeats"] == pytest.approx(4 / 7)
    assert rows(replace(done, proposals=None))["x"]["repeats"] is None


def test_different_budgets_are_said(capsys):
    problem = made_up_problem()
    first = search("a", answer(problem, 1, 0.01), problem=problem, budget=Budget(trials=9))
    same = replace(first, label="b")
    assert comparison([first, same])["budgets_differ"] is False
    data = comparison([first, replace(same, budget=Budget(trials=10))])
    assert data["budgets_differ"] is True
    print_comparison(data)
    assert "budgets differ" in capsys.readouterr().out


def test_a_file_of_the_same_name_elsewhere_is_another_question(tmp_path: Path):
    def study(name, objectives=("latency_s",)):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True, parents=True)
        (folder / "table.npz").touch()
        question = {"oracle": {"kind": "table", "file": "table.npz"}, "objectives": objectives}
        return SimpleNamespace(name=folder.name, folder=folder, path=folder, question=question)

    check_same_question([study("a"), study("a", objectives=("drop",))])
    with pytest.raises(InputError, match=r"different questions.*oracle\.file: a .*b"):
        check_same_question([study("a"), study("b")])
    twins = [study("x/a"), study("y/a")]
    assert names([study("b"), *twins]) == ["b", str(twins[0].path), str(twins[1].path)]


def test_names_of_files_are_told_from_other_texts(tmp_path: Path):
    def study(name, **oracle):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for file in ("one.npz", "two.npz"):
            (folder / file).touch()
        return SimpleNamespace(
            name=name, folder=folder, path=folder, question={"oracle": {**oracle}}
        )

    for text in ("x" * 5_000, "a\0b", "", "no such file"):  # no names that a file could have
        check_same_question([study("a", note=text), study("b", note=text)])
    with pytest.raises(InputError, match=r"oracle\.files: a \["):
        files = ["one.npz", "two.npz"]
        check_same_question([study("a", files=files), study("b", files=files)])


def test_the_tables_fit_into_120_columns_and_say_what_matters(capsys):
    problem = table_problem()
    runs = [
        search(
            f"a rather long strategy {k:02d}",
            *brute_force(problem)[: 10 + k + seed],
            problem=problem,
            seed=seed,
            proposals=99,
            strategy="random" if k == 0 else "",
        )
        for k in range(14)
        for seed in range(5)
    ]
    print_comparison(comparison(runs, ground_truth(problem, problem.oracle)))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= WIDTH == 120
    for words in ("ground truth", "beats random", "10 points", "a rather long strategy 13", "32"):
        assert words in out


STUDY = """
question = "Does the table know best?"
system = "lionheart"
objectives = ["latency_s", "drop"]
training = "none"
[model]
name = "mlp"
[oracle]
kind = "table"
file = "table.npz"
[limits]
max_drop = 0.1
draws = [3]
[[run]]
strategy = "random"
seeds = [0, 1]
[[run]]
strategy = "fixed"
arguments = { mapping = "all-analog" }
"""


def test_a_study_on_a_table_is_compared_with_its_ground_truth(tmp_path: Path):
    (tmp_path / "study.toml").write_text(STUDY)
    drops = np.array([0.0, 0.02, 0.03, 0.06])
    noise = 0.001 * np.arange(5)
    AccuracyTable(
        units=("fc1", "fc2"),
        targets=("core", "tile"),
        times_s=(86_400.0,),
        baseline=0.9,
        trainings=("none",) * 4,
        assignments=np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.uint8),
        samples=0.9 - (drops[:, None] + np.outer(drops > 0, noise))[:, :, None],
        training_s=np.zeros(4),
        draw_s=np.full(4, 2.0),
    ).save(tmp_path / "table.npz")
    assert CliRunner().invoke(app, ["run", str(tmp_path)]).exit_code == 0
    data = json.loads(CliRunner().invoke(app, ["compare", str(tmp_path), "--json"]).stdout)
    assert data["ground_truth"]["mappings"] == 4 and data["random"] == "random"
    random, fixed = data["strategies"]
    assert random["hypervolume_share"] == pytest.approx(1.0), "it has found all four"
    assert fixed["hypervolume_share"] < 1 and fixed["trials"] == 1
    at_ten = fixed["thresholds"][-1]
    assert at_ten["speedup_gap"] == pytest.approx(0.0), "nothing is faster than all-analog"
    fresh = at_ten["checks"]["fresh draws"]  # the table's fourth and fifth: 6.3 and 6.4 points
    assert fresh["drop"]["median"] == pytest.approx(0.0635)
    assert fresh["seeds_within"] == fresh["seeds"] == 1
    figures = tmp_path / "figures"
    assert CliRunner().invoke(app, ["plot", str(tmp_path)]).exit_code == 0
    assert len(list(figures.glob("*.png"))) == 8


def test_rows_and_frame_have_costs_beside_the_best():
    problem = priced_problem()
    few, many = (
        search(label, answer(problem, k, 0.02), problem=problem, strategy=label)
        for label, k in (("few", 2), ("many", 3))
    )
    truth = search("ground truth", answer(problem, 3, 0.0), problem=problem)
    made = compare([few, many], truth)
    row, best = made.to_json()["strategies"]
    frame = made.to_frame()
    for name, column in (("latency_s", "latency_over_best"), ("energy_j", "energy_over_best")):
        costs = row["costs_over_best"][name]
        assert costs["told_apart"] and costs["ratio"] > 1.0
        assert frame[column].tolist() == [costs["ratio"], 1.0]
        assert frame[[f"{column}_low", f"{column}_high"]].iloc[0].tolist() == costs["interval"]
        assert best["costs_over_best"][name]["told_apart"] is False
    at_ten, ceiling = best["thresholds"][-1], made.data["ground_truth"]["thresholds"][-1]
    low, high = many.best_estimates["speedup"][1:]
    assert at_ten["speedup"]["interval"] == pytest.approx([low, high])
    assert (ceiling["speedup_low"], ceiling["speedup_high"]) == pytest.approx((low, high))
    assert frame["speedup_at_0.1_low"].tolist()[1] == pytest.approx(low)
    assert at_ten["speedup_gap_interval"] == [0.0, 0.0]
    lossy = search("ground truth", answer(problem, 3, 0.4), problem=problem)
    nothing = compare([few], lossy).data["ground_truth"]["thresholds"][0]
    assert set(nothing.values()) == {None, 0.005}

"""The profile: right numbers, paid for once, and copied by every search that asks for the same."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from cli_setup import STUDY, call, make_study
from counted_study import COUNTED, counted, measure, searched
from counting_oracle import BASELINE, asked

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.plots.sensitivity import sensitivity as profile_figure
from lionheart_opt.results.profiling import profile_search, read_profile
from lionheart_opt.space import analog_moves
from lionheart_opt.strategies.one_at_a_time import OneAtATime
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import tiny_problem

UNITS = ("0", "2", "4")


def outcome(evaluations: list[Evaluation]) -> list[tuple]:
    return [
        (
            evaluation.candidate.digest,
            evaluation.violations,
            evaluation.accuracy and evaluation.accuracy.samples.tolist(),
        )
        for evaluation in evaluations
    ]


def tiny_profile(problem, pairs=True):
    record = Record(problem)
    Search(record, OneAtATime("none", pairs), seed=0, budget=Budget()).run()
    return read_profile(record, "none")


def test_drops_and_deviations_are_those_of_the_oracles_draws():
    problem = tiny_problem()
    limit = problem.accuracy_limit
    problem = replace(problem, accuracy_limit=replace(limit, draws=limit.draws[-1:]))
    profile = tiny_profile(problem)
    fidelity = Fidelity(draws=(0, limit.draws[-1]))

    def drops(*units: str) -> np.ndarray:
        mapping = problem.mapping(dict.fromkeys(units, "tile"))
        return problem.oracle.accuracy(Candidate(mapping, training="none"), fidelity, 0).drops_at(
            limit.time_s
        )

    assert [row.unit for row in profile.sensitivities] == [unit.name for unit in problem.units]
    for row in profile.sensitivities:
        assert row.drop == pytest.approx(np.mean(drops(row.unit)))
        assert row.deviation == pytest.approx(np.std(drops(row.unit), ddof=1))
    assert profile.interactions
    for pair in profile.interactions:
        a, b = pair.producer, pair.consumer
        beyond = drops(a, b) - drops(a) - drops(b)
        assert pair.interaction == pytest.approx(np.mean(beyond))
        assert pair.deviation == pytest.approx(np.std(beyond, ddof=1))
    assert profile.n_draws == limit.draws[-1]
    macs = {unit.name: problem.workload.unit_macs(unit) for unit in problem.units}
    assert profile.proxies == {"macs": macs}
    json.dumps(profile.to_json())


def test_every_analog_target_of_a_unit_is_measured():
    problem = tiny_problem(targets=("cpu", "tile", "sram", "npu"))
    measured = [(row.unit, row.target) for row in tiny_profile(problem).sensitivities]
    assert measured == analog_moves(problem)
    assert {target for _, target in measured} == {"tile", "sram"}


def test_what_was_not_measured_is_missing_not_zero():
    profile = tiny_profile(tiny_problem(latency_limit_s=1e-12))
    assert all(row.drop is None for row in profile.sensitivities)
    assert profile.interactions == () and profile.drops == {} and profile.baseline is None
    assert profile.correlations() == {"macs": None}
    profile_figure(profile)


def test_nothing_analog_gives_an_empty_profile():
    profile = tiny_profile(tiny_problem(targets=("cpu", "npu")))
    assert profile.sensitivities == ()


def test_a_frame_has_a_row_for_each_unit_and_target(tmp_path):
    problem = tiny_problem(targets=("cpu", "tile", "sram"))
    profile = tiny_profile(problem)
    frame = profile.to_frame()
    assert list(frame.columns) == [
        "unit",
        "target",
        "drop",
        "drop_deviation",
        "drop_standard_error",
        "macs",
    ]
    assert list(zip(frame.unit, frame.target, strict=True)) == analog_moves(problem)
    assert frame["drop"].tolist() == [row.drop for row in profile.sensitivities]
    assert frame.drop_deviation.tolist() == [row.deviation for row in profile.sensitivities]
    errors = [row.deviation / np.sqrt(profile.n_draws) for row in profile.sensitivities]
    assert frame.drop_standard_error.tolist() == pytest.approx(errors)
    macs = [problem.workload.unit_macs(problem.workload.unit(unit)) for unit in frame.unit]
    assert frame.macs.tolist() == macs
    measured = measure(counted(tmp_path / "s"), proxies=True).to_frame()
    assert {"right", "flat"} < set(measured.columns)


def test_a_frame_leaves_out_what_was_not_measured():
    profile = tiny_profile(tiny_problem(latency_limit_s=1e-12))
    frame = profile.to_frame()
    assert len(frame) == 5 and frame["drop"].isna().all() and frame.drop_deviation.isna().all()
    assert repr(profile).startswith("Profile(0 of 5 units measured, training='none'")
    empty = tiny_profile(tiny_problem(targets=("cpu", "npu"))).to_frame()
    assert len(empty) == 0 and list(empty.columns)[:2] == ["unit", "target"]


def test_a_profile_shows_itself():
    profile = tiny_profile(tiny_problem())
    worst = max(profile.drops, key=lambda unit: profile.drops[unit])
    text = repr(profile)
    assert text.startswith("Profile(5 of 5 units measured, largest drop ")
    assert f"({worst})" in text and "n_draws=8" in text and len(text) < 200
    html = profile._repr_html_()
    assert html.count("<tr") == 6 and "drop_deviation" in html


def test_candidates_are_those_of_earlier_records(tmp_path):
    """Also with the study's own training: records name it, so that they can be resumed."""
    file = counted(tmp_path / "s")
    assert file.problem.training == "full"
    for training in ("full", "none"):
        search = profile_search(file, training, pairs=True)
        search.run()
        expected = [("0",), ("2",), ("4",), ("0", "2"), ("2", "4")]
        assert [answer.candidate for answer in search.record.evaluations()] == [
            Candidate(file.problem.analog(units), training=training) for units in expected
        ]
    names = optuna.get_all_study_names(file.storage)
    assert sorted(names) == ["s/profile/full", "s/profile/none"]


def test_correlations_of_a_profile(tmp_path):
    correlations = measure(counted(tmp_path / "s"), proxies=True).correlations()
    assert correlations["right"].rho == pytest.approx(1)
    assert correlations["flat"] is None


def test_measured_at_the_latest_time_with_all_draws(tmp_path):
    profile = measure(counted(tmp_path / "s"))
    assert (profile.time_s, profile.n_draws, profile.baseline) == (86400.0, 4, BASELINE)
    for k, row in enumerate(profile.sensitivities):
        assert row.drop == pytest.approx(0.01 * (k + 1), abs=0.004)
    assert profile.oracle_s == pytest.approx(3 * (7 + 4 * 2))


def test_the_second_time_costs_nothing(tmp_path):
    first = measure(counted(tmp_path / "s"), pairs=True, proxies=True)
    questions = asked(tmp_path / "s")
    assert questions == [
        *(f"none {unit}" for unit in UNITS),
        *("none 0 2", "none 2 4"),
        "proxies",
    ]
    second = measure(counted(tmp_path / "s"), pairs=True, proxies=True)
    assert asked(tmp_path / "s") == questions
    assert second.to_json() == first.to_json()


def test_pairs_are_added_to_what_is_there(tmp_path):
    alone = measure(counted(tmp_path / "s"))
    assert alone.interactions == ()
    both = measure(counted(tmp_path / "s"), pairs=True)
    assert asked(tmp_path / "s")[3:] == ["none 0 2", "none 2 4"]
    assert both.sensitivities == alone.sensitivities
    for pair in both.interactions:
        assert pair.interaction == pytest.approx(0.05)
        assert pair.deviation == pytest.approx(0, abs=1e-12)


def test_levels_of_training_have_profiles_of_their_own(tmp_path):
    file = counted(tmp_path / "s")
    none, full = measure(file, "none"), measure(file, "full")
    for a, b in zip(none.sensitivities, full.sensitivities, strict=True):
        assert b.drop == pytest.approx(a.drop / 10)


@pytest.mark.parametrize("label", ["one_at_a_time", "harmonica", "knapsack", "greedy"])
def test_a_search_copies_what_the_profile_has_measured_and_pays_for_it(label, tmp_path):
    without = searched(counted(tmp_path / "without"), label)
    measure(counted(tmp_path / "with"))
    before = len(asked(tmp_path / "with"))
    copied = searched(counted(tmp_path / "with"), label)
    assert outcome(copied) == outcome(without)
    assert [evaluation.oracle_s for evaluation in copied] == pytest.approx(
        [evaluation.oracle_s for evaluation in without]
    )
    new = asked(tmp_path / "with")[before:]
    assert new == [q for q in asked(tmp_path / "without") if q not in {f"none {u}" for u in UNITS}]
    assert len(new) < len(asked(tmp_path / "without"))


def test_only_the_draws_that_are_there_are_copied(tmp_path):
    measure(counted(tmp_path / "s"))
    file = counted(tmp_path / "s")
    candidate = Candidate(file.problem.all_digital.move("0", "tile"), training="none")
    before = len(asked(tmp_path / "s"))

    def ask(first, last, seed=0, asked_for=candidate):
        return file.problem.oracle.accuracy(asked_for, Fidelity(draws=(first, last)), seed)

    parts, whole = [ask(0, 1), ask(1, 4)], ask(0, 4)
    assert len(asked(tmp_path / "s")) == before
    np.testing.assert_array_equal(np.concatenate([p.samples for p in parts]), whole.samples)
    assert sum(part.evaluation_s for part in parts) == pytest.approx(whole.evaluation_s)
    np.testing.assert_array_equal(whole.samples, file.oracle.accuracy(
        candidate, Fidelity(draws=(0, 4)), 0).samples)  # fmt: skip
    before += 1
    for other in (
        lambda: ask(0, 5),
        lambda: ask(0, 4, seed=1),
        lambda: ask(0, 4, asked_for=candidate.with_training("full")),
        lambda: ask(0, 4, asked_for=replace(candidate, parent=candidate)),
    ):
        other()
        before += 1
        assert len(asked(tmp_path / "s")) == before


def test_thresholds_and_cost_limits_are_no_other_question(tmp_path):
    first = measure(counted(tmp_path / "s"))
    limits = "max_drop = 0.3\nlatency_s = 1e-9\nenergy_j = 1e-9"
    changed = counted(tmp_path / "s", COUNTED.replace("max_drop = 0.02", limits))
    assert measure(changed).sensitivities == first.sensitivities
    assert len(asked(tmp_path / "s")) == 3
    answers = searched(changed, "one_at_a_time")
    assert all(answer.accuracy is None for answer in answers), "broken cost limits spare the oracle"


def test_a_profile_of_another_question_is_refused_and_answers_nothing(tmp_path):
    measure(counted(tmp_path / "s"))
    before = len(asked(tmp_path / "s"))
    changed = counted(tmp_path / "s", COUNTED.replace("training", "seed = 5\ntraining", 1))
    with pytest.raises(InputError, match="seed: recorded 0, now 5"):
        measure(changed)
    searched(changed, "one_at_a_time")
    assert len(asked(tmp_path / "s")) > before


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path):
    whole = measure(counted(tmp_path / "whole"), pairs=True)
    stopped = COUNTED.replace("Counting", "StopsAtTwo")
    with pytest.raises(KeyboardInterrupt):
        measure(counted(tmp_path / "s", stopped), pairs=True)
    assert len(asked(tmp_path / "s")) == 2
    # the same settings, so that the record answers the same question
    (tmp_path / "s" / "go on").touch()
    resumed = measure(counted(tmp_path / "s", stopped), pairs=True)
    assert resumed.to_json() == whole.to_json()
    assert asked(tmp_path / "s") == asked(tmp_path / "whole")


def test_the_figure_shows_every_drop():
    profile = tiny_profile(tiny_problem(targets=("cpu", "tile", "sram")))
    bars, ranks = profile_figure(profile).axes[:2]
    heights = {round(bar.get_height(), 9) for group in bars.containers if hasattr(group, "patches")
               for bar in group.patches}  # fmt: skip
    assert heights == {round(100 * row.drop, 9) for row in profile.sensitivities}
    units = [unit.name for unit in tiny_problem().units]
    assert [label.get_text() for label in ranks.get_xticklabels()] == units
    assert ranks.get_yticklabels()[0].get_text() == "measured drop"


def test_the_figure_shows_what_pairs_lose_together():
    profile = tiny_profile(tiny_problem())
    axes = profile_figure(profile).axes[2]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([100 * pair.interaction for pair in profile.interactions])
    assert len(axes.get_xticklabels()) == len(profile.interactions) > 0
    without = tiny_profile(tiny_problem(), pairs=False)
    assert len(profile_figure(without).axes) == 2


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    """A study whose real oracle has been profiled."""
    folder = make_study(tmp_path_factory.mktemp("profiled") / "tiny", STUDY)
    code, out, err = call("profile", folder, "--pairs", "--proxies", "--json")
    assert code == 0, err
    return folder, json.loads(out)


def test_the_verb_measures_prints_and_draws(profiled):
    folder, printed = profiled
    assert [(row["unit"], row["target"]) for row in printed["sensitivities"]] == [
        ("1", "tile"),
        ("3", "tile"),
    ]
    assert all(row["deviation"] > 0 for row in printed["sensitivities"])
    assert [(row["producer"], row["consumer"]) for row in printed["interactions"]] == [("1", "3")]
    assert set(printed["proxies"]) == set(printed["correlations"])
    assert {"macs", "hessian_trace", "max_activation"} < set(printed["proxies"])
    figures = folder / "figures"
    assert {path.name for path in figures.iterdir()} == {"profile-none.pdf", "profile-none.png"}


def test_the_verb_again_gives_the_same(profiled, tmp_path):
    folder, printed = profiled
    code, out, _ = call("profile", folder, "--pairs", "--json", "--out", tmp_path)
    assert code == 0 and json.loads(out) == printed
    code, out, _ = call("profile", folder, "--out", tmp_path)
    assert code == 0 and "rank correlation" in out and "hessian trace" in out


def test_an_unknown_training_is_one_clear_line(profiled):
    code, _, err = call("profile", profiled[0], "--training", "nome")
    assert code == 2 and err.startswith("error: ") and "'none'" in err
    assert len(err.strip().splitlines()) == 1


def test_proxies_are_not_computed_unasked(tmp_path):
    """Second derivatives took 286 s of a profile of 294 s; what is recorded is shown."""
    file = counted(tmp_path / "s")
    assert set(measure(file).proxies) == {"macs"}
    assert "proxies" not in asked(tmp_path / "s")
    assert "right" in measure(file, proxies=True).proxies
    assert asked(tmp_path / "s").count("proxies") == 1
    assert "right" in measure(file).proxies
    assert asked(tmp_path / "s").count("proxies") == 1


def test_proxies_that_the_oracle_does_not_have_are_refused():
    problem = tiny_problem()
    record = Record(replace(problem, oracle=SimpleNamespace(accuracy=problem.oracle.accuracy)))
    assert set(read_profile(record, "none").proxies) == {"macs"}
    with pytest.raises(InputError, match="proxies: the study's oracle has none"):
        read_profile(record, "none", proxies=True)

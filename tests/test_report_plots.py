"""Rows, hypervolume and figures, from records of the tiny problem."""

import json
from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lionheart_opt import plots, report
from lionheart_opt.protocols import Accuracy, oracle_seconds
from lionheart_opt.record import Record
from lionheart_opt.study import Budget, Study
from lionheart_opt.testing import brute_force, tiny_problem
from strategies.fixed import Fixed
from strategies.mac_greedy import MacGreedy
from strategies.random import Random


def run(label, strategy, seed=0, trials=None, problem=None) -> report.Run:
    problem = problem or tiny_problem()
    record = Record.open(problem, "s", optuna.storages.InMemoryStorage(), {})
    Study(record, strategy, seed, Budget(trials=trials)).run()
    return report.Run(label=label, seed=seed, problem=problem, evaluations=record.evaluations())


@pytest.fixture(scope="module")
def runs() -> list[report.Run]:
    return [
        run("greedy", MacGreedy()),
        *(run("random", Random(), seed, 8) for seed in range(3)),
        run("all-analog", Fixed("all-analog")),
    ]


def test_show_has_exactly_the_promised_keys(runs):
    promised = (
        "strategy seed trials oracle_seconds feasible mapping drop latency_s energy_j speedup "
        "energy_gain analog_mac_ratio"
    ).split()
    for one in runs:
        row = report.show_row(one)
        assert list(row) == promised
        json.dumps(row)


def test_the_incumbent_is_the_best_feasible_mapping():
    problem = tiny_problem()
    everything = run("all", Random(), problem=problem)
    best = min(one.cost.latency_s for one in brute_force(problem) if one.feasible)
    assert report.show_row(everything)["latency_s"] == pytest.approx(best)


def test_nothing_feasible_is_said_not_hidden():
    hopeless = run("x", Fixed("all-analog"), problem=tiny_problem(max_drop=0.0))
    row = report.show_row(hopeless)
    assert row["feasible"] is False and row["mapping"] is None and row["drop"] is None
    assert report.binding(hopeless) == "drop in 1 of 1"


def test_hypervolume_of_known_corners():
    assert report.hypervolume(np.empty((0, 2))) == 0
    assert report.hypervolume(np.array([[1.0, 0.0]])) == 0  # all-digital is worth nothing
    assert report.hypervolume(np.array([[0.0, 0.0]])) == pytest.approx(1)
    assert report.hypervolume(np.array([[0.5, 0.05]])) == pytest.approx(0.25)
    assert report.hypervolume(np.array([[0.5, 0.05], [0.25, 0.075]])) == pytest.approx(0.3125)
    assert report.hypervolume(np.array([[0.5, -0.3]])) == pytest.approx(0.5)  # luck gains nothing


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(-0.1, 0.3)), max_size=12), st.randoms())
def test_hypervolume_grows_with_points_and_ignores_their_order(pairs, dice):
    array = np.array(pairs).reshape(-1, 2)
    volume = report.hypervolume(array)
    assert 0 <= volume <= 1 + 1e-12
    assert report.hypervolume(array[:-1]) <= volume + 1e-12
    shuffled = list(pairs)
    dice.shuffle(shuffled)
    assert report.hypervolume(np.array(shuffled).reshape(-1, 2)) == pytest.approx(volume, abs=1e-12)


def test_hypervolume_agrees_with_optunas(runs):
    from optuna._hypervolume import compute_hypervolume

    for one in runs:
        pairs = np.clip(report.points(one), 0, None)
        reference = np.array([1.0, report.REFERENCE_DROP])
        inside = pairs[(pairs < reference).all(axis=1)]
        theirs = (
            compute_hypervolume(inside, reference) / report.REFERENCE_DROP if len(inside) else 0
        )
        assert report.hypervolume(report.points(one)) == pytest.approx(theirs)


def test_compare_gives_one_row_a_strategy(runs):
    rows = report.compare_rows(runs)
    assert [row["strategy"] for row in rows] == ["greedy", "random", "all-analog"]
    assert [row["seeds"] for row in rows] == [1, 3, 1]
    low, high = rows[1]["hypervolume_quartiles"]
    assert low <= rows[1]["hypervolume"] <= high
    json.dumps(rows)


def test_pareto_info_keeps_the_feasible_front(runs):
    for info in plots.pareto_info(runs):
        assert info.feasible[info.front].all()
        assert (np.diff(info.speedup[info.front]) >= 0).all()
        assert (np.diff(info.drop[info.front]) >= 0).all()
        for k in np.flatnonzero(info.feasible):
            assert any(
                info.speedup[f] >= info.speedup[k] and info.drop[f] <= info.drop[k]
                for f in info.front
            )


def test_hypervolume_history_never_falls(runs):
    for info in plots.hypervolume_info(runs):
        assert (np.diff(info.quartiles, axis=1) >= 0).all()
        assert (np.diff(info.oracle_s) > 0).all()


def test_every_figure_is_written_as_pdf_and_png(runs, tmp_path):
    paths = plots.draw_study(runs, tmp_path / "figures")
    names = {"pareto", "mappings", "hypervolume", "drift"}
    assert {path.name for path in paths} == {
        f"{n}.{kind}" for n in names for kind in ("pdf", "png")
    }
    for path in paths:
        head = path.read_bytes()[:5]
        assert head.startswith(b"%PDF-" if path.suffix == ".pdf" else b"\x89PNG")


def test_figures_survive_runs_without_a_feasible_mapping(tmp_path):
    hopeless = run("x", Fixed("all-analog"), problem=tiny_problem(max_drop=0.0))
    assert len(plots.draw_study([hopeless], tmp_path)) == 8


def test_the_cost_figure_shows_every_second_and_joule(runs, tmp_path):
    problem = tiny_problem()
    costs = {
        "all-digital": problem.cost(problem.all_digital),
        "all-analog": problem.cost(problem.all_analog),
    }
    figure = plots.costs_figure(costs, "tiny")
    for row, total in enumerate(("latency_s", "energy_j")):
        for column in range(2):
            axes = figure.axes[2 * row + column]
            for k, cost in enumerate(costs.values()):
                height = sum(bars[k].get_height() for bars in axes.containers)
                assert height == pytest.approx(1e3 * getattr(cost, total))
    assert plots.draw_costs(costs, tmp_path, "tiny")


def test_a_search_is_charged_with_a_shared_training_once():
    problem = tiny_problem()
    one = problem.evaluate(problem.pretrained(problem.all_analog))
    shared = replace(one, accuracy=replace(one.accuracy, shared_s=500.0))
    assert oracle_seconds([shared, shared]) == pytest.approx(2 * one.oracle_s + 500)
    run = report.Run(label="x", seed=0, problem=problem, evaluations=[shared, shared])
    seconds, _ = report.hypervolume_history(run)
    assert seconds[-1] == run.oracle_s == pytest.approx(2 * one.oracle_s + 500)


def drifting(problem, times_s, n_draws=40):
    """A run whose incumbent, all-analog, loses more the later it is."""
    rng = np.random.default_rng(0)
    drops = 0.002 * np.arange(len(times_s)) + 0.001 * rng.normal(size=(n_draws, len(times_s)))
    samples = Accuracy(samples=0.9 - drops, times_s=times_s, baseline=0.9)
    found = problem.evaluation(problem.pretrained(problem.all_analog), samples)
    return report.Run(label="x", seed=0, problem=problem, evaluations=[found])


def test_drift_shows_quantile_bands_from_a_second_to_a_year():
    times_s = (0.0, 1.0, 3600.0, 86_400.0, 31_536_000.0)
    one = drifting(tiny_problem(), times_s)
    [info] = plots.drift_info([one])
    assert info.times_s.tolist() == list(times_s[1:]), "a logarithmic axis has no zero"
    drops = 100 * (0.9 - one.best.accuracy.samples[:, 1:])
    assert info.drop == pytest.approx(drops.mean(axis=0))
    for band, quantile in zip(info.bands, (0.05, 0.25, 0.75, 0.95), strict=True):
        assert band == pytest.approx(np.quantile(drops, quantile, axis=0))
    [axes] = plots.drift_figure([one]).axes
    low, high = axes.get_xlim()
    shown = [
        label.get_text()
        for label, at in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
        if low <= at <= high
    ]
    assert shown == ["1 s", "1 min", "1 h", "1 day", "1 month", "1 year"]
    assert axes.get_xscale() == "log" and len(axes.collections) == 2


def test_the_line_of_a_quantile_limit_is_the_quantile():
    problem = tiny_problem()
    limit = replace(problem.accuracy_limit, quantile=0.8, draws=(40,))
    one = drifting(replace(problem, accuracy_limit=limit), (1.0, 86_400.0))
    [info] = plots.drift_info([one])
    drops = 100 * (0.9 - one.best.accuracy.samples)
    assert info.drop == pytest.approx(np.sort(drops, axis=0)[31])


def test_compare_says_whether_strategies_differ_in_drop_beyond_chance():
    problem = tiny_problem(max_drop=0.5)
    fast = run("fast", Fixed("all-analog"), problem=problem)
    same = run("same", Fixed("all-analog"), problem=problem)
    careful = run("careful", Fixed("all-digital"), problem=problem)
    rows = {row["strategy"]: row for row in report.compare_rows([fast, same, careful])}
    assert rows["fast"]["drop_above_best"] is rows["same"]["drop_above_best"] is None
    low, high = rows["careful"]["drop_above_best"]["interval"]
    assert low < high < 0, "all-digital surely drops less than the fastest mapping"
    elsewhere = run("elsewhere", Fixed("all-digital"), problem=replace(problem))
    assert report.compare_rows([fast, elsewhere])[1]["drop_above_best"] is None


def test_the_draws_that_decisions_took_are_counted():
    problem = tiny_problem()
    record = Record.open(problem, "s", optuna.storages.InMemoryStorage(), {})
    Study(record, Random(), 0, Budget(trials=8)).run()
    taken = [trial.user_attrs["draws"] for trial in record.study.trials]
    assert taken == [len(one.accuracy.samples) for one in record.evaluations()]
    assert set(taken) <= set(problem.accuracy_limit.draws)
    one = report.Run(label="x", seed=0, problem=problem, evaluations=record.evaluations())
    assert report.median_draws([one]) == np.median(taken)
    assert report.median_draws([replace(one, evaluations=[])]) is None

"""Rows, hypervolume and figures, from records of the tiny problem."""

import json
from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lionheart_opt import plots, report
from lionheart_opt.protocols import oracle_seconds
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

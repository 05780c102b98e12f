"""Rows, hypervolume and figures, from records of the tiny problem."""

import json
from dataclasses import replace

import numpy as np
import optuna
import pytest
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.mapping import Candidate
from lionheart_opt.plots import cost as cost_plot
from lionheart_opt.plots import drift, figures
from lionheart_opt.plots.pareto import pareto_figure, pareto_info
from lionheart_opt.plots.progress import hypervolume_figure, progress_info
from lionheart_opt.plots.thresholds import threshold_figure, threshold_info
from lionheart_opt.results import report
from lionheart_opt.results.result import SearchResult
from lionheart_opt.strategies.fixed import Fixed
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Budget, Search
from lionheart_opt.testing import brute_force, tiny_problem


def run(label, strategy, seed=0, trials=None, problem=None) -> SearchResult:
    problem = problem or tiny_problem()
    record = Record(problem)
    Search(record, strategy, seed, Budget(trials=trials)).run()
    return SearchResult(label=label, seed=seed, problem=problem, evaluations=record.evaluations())


@pytest.fixture(scope="module")
def runs() -> list[SearchResult]:
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


@pytest.mark.parametrize("gain", ["speed-up", "analog MACs"])
def test_the_front_is_what_no_other_feasible_point_dominates(runs, gain):
    for label in ("greedy", "random", "all-analog"):
        info = pareto_info(label, [one for one in runs if one.label == label], gain)
        assert info.feasible[info.front].all()
        assert (np.diff(info.gain[info.front]) >= 0).all()
        assert (np.diff(info.drop[info.front]) >= 0).all()
        for k in np.flatnonzero(info.feasible):
            assert any(
                info.gain[f] >= info.gain[k] and info.drop[f] <= info.drop[k] for f in info.front
            )


def test_the_axis_of_analog_macs_is_lionhearts():
    problem = tiny_problem()
    info = pareto_info("x", [run("x", Fixed("all-analog"), problem=problem)], "analog MACs")
    assert info.gain.tolist() == [100.0]
    half = problem.all_digital.move(problem.units[0].name, "tile")
    one = SearchResult(
        label="x", seed=0, problem=problem, evaluations=[problem.evaluate(Candidate(half))]
    )
    expected = problem.workload.unit_macs(problem.units[0]) / problem.workload.macs
    assert pareto_info("x", [one], "analog MACs").gain == pytest.approx(100 * expected)


def test_every_figure_is_written_as_pdf_and_png(runs, tmp_path):
    paths = figures.draw_study(runs, None, tmp_path / "figures")
    names = {
        *("pareto", "mac_ratio", "hypervolume_trials", "hypervolume_seconds", "thresholds"),
        *("mappings", "drift"),
    }
    assert {path.name for path in paths} == {
        f"{n}.{kind}" for n in names for kind in ("pdf", "png")
    }
    for path in paths:
        head = path.read_bytes()[:5]
        assert head.startswith(b"%PDF-" if path.suffix == ".pdf" else b"\x89PNG")


def test_figures_survive_runs_without_a_feasible_mapping(tmp_path):
    hopeless = run("x", Fixed("all-analog"), problem=tiny_problem(max_drop=0.0))
    assert len(figures.draw_study([hopeless], None, tmp_path)) == 14
    broken = tiny_problem(latency_limit_s=1e-12)
    nothing_measured = run("x", Fixed("all-analog"), problem=broken)
    assert len(figures.draw_study([nothing_measured], None, tmp_path)) == 14


def test_the_cost_figure_shows_every_second_and_joule(runs, tmp_path):
    problem = tiny_problem()
    costs = {
        "all-digital": problem.cost(problem.all_digital),
        "all-analog": problem.cost(problem.all_analog),
    }
    figure = cost_plot.costs_figure(costs, "tiny")
    for row, total in enumerate(("latency_s", "energy_j")):
        for column in range(2):
            axes = figure.axes[2 * row + column]
            for k, cost in enumerate(costs.values()):
                height = sum(bars[k].get_height() for bars in axes.containers)
                assert height == pytest.approx(1e3 * getattr(cost, total))
    assert cost_plot.draw_costs(costs, tmp_path, "tiny")


def drifting(problem, times_s, n_draws=40):
    """A run whose incumbent, all-analog, loses more the later it is."""
    rng = np.random.default_rng(0)
    drops = 0.002 * np.arange(len(times_s)) + 0.001 * rng.normal(size=(n_draws, len(times_s)))
    samples = Accuracy(samples=0.9 - drops, times_s=times_s, baseline=0.9)
    found = problem.evaluation(problem.pretrained(problem.all_analog), samples)
    return SearchResult(label="x", seed=0, problem=problem, evaluations=[found])


def test_drift_shows_quantile_bands_from_a_second_to_a_year():
    times_s = (0.0, 1.0, 3600.0, 86_400.0, 31_536_000.0)
    one = drifting(tiny_problem(), times_s)
    [info] = drift.drift_info([one])
    assert info.times_s.tolist() == list(times_s[1:]), "a logarithmic axis has no zero"
    drops = 100 * (0.9 - one.best.accuracy.samples[:, 1:])
    assert info.drop == pytest.approx(drops.mean(axis=0))
    for band, quantile in zip(info.bands, (0.05, 0.25, 0.75, 0.95), strict=True):
        assert band == pytest.approx(np.quantile(drops, quantile, axis=0))
    [axes] = drift.drift_figure([one]).axes
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
    [info] = drift.drift_info([one])
    drops = 100 * (0.9 - one.best.accuracy.samples)
    assert info.drop == pytest.approx(np.sort(drops, axis=0)[31])


def test_the_draws_that_decisions_took_are_counted():
    problem = tiny_problem()
    storage = optuna.storages.InMemoryStorage()
    record = Record(problem, OptunaKeeper.open(problem, "s", storage, {}))
    Search(record, Random(), 0, Budget(trials=8)).run()
    taken = [trial.user_attrs["draws"] for trial in record.keeper.study.trials]
    assert taken == [len(one.accuracy.samples) for one in record.evaluations()]
    assert set(taken) <= set(problem.accuracy_limit.draws)
    one = SearchResult(label="x", seed=0, problem=problem, evaluations=record.evaluations())
    assert report.median_draws([one]) == np.median(taken)
    assert report.median_draws([replace(one, evaluations=[])]) is None


def test_progress_is_a_step_function_with_quartiles_over_seeds():
    problem = made_up_problem()
    # hypervolume 0.05 after 1 s and 0.1 after 101 s; 0.1 after 11 s
    slow = search("x", answer(problem, 1, 0.05), answer(problem, 2, 0.05, 99.0), problem=problem)
    fast = search("x", answer(problem, 2, 0.05, 10.0), problem=problem, seed=1)
    [info] = progress_info([slow, fast], "seconds")
    assert info.spent.tolist() == [0, 1, 11, 101]
    assert info.quartiles[1] == pytest.approx([0, 0.025, 0.075, 0.1])
    assert info.quartiles[0] == pytest.approx([0, 0.0125, 0.0625, 0.1])
    assert info.quartiles[2] == pytest.approx([0, 0.0375, 0.0875, 0.1])
    [info] = progress_info([slow, fast], "trials")
    assert info.spent.tolist() == [0, 1, 2]
    assert info.quartiles[1] == pytest.approx([0, 0.075, 0.1]), "a search that has ended keeps it"


def test_thresholds_are_shown_with_quartiles_and_the_ground_truth():
    problem = made_up_problem()
    seeds = [search("x", answer(problem, k, 0.02), problem=problem, seed=k) for k in (1, 2, 3)]
    truth = search("ground truth", answer(problem, 4, 0.02), problem=problem)
    infos = {info.max_drop: info for info in threshold_info(seeds, truth)}
    assert infos[0.03].quartiles[0, 1] == pytest.approx(1 / 0.8)
    assert infos[0.03].quartiles[0, ::2] == pytest.approx(
        np.quantile([1 / 0.9, 1 / 0.8, 1 / 0.7], [0.25, 0.75])
    )
    assert infos[0.03].truth == pytest.approx(1 / 0.6) and infos[0.03].found.all()
    assert infos[0.01].quartiles[0].tolist() == [1, 1, 1] and infos[0.01].truth is None
    assert not infos[0.01].found.any()
    panels = threshold_figure(seeds, truth).axes
    assert [axes.get_title() for axes in panels] == [
        f"drop ≤ {t} points" for t in ("0.5", "1", "3", "5", "10")
    ]


@pytest.mark.parametrize("count", [2, 14])
def test_many_strategies_get_a_panel_each(count):
    problem = made_up_problem()
    many = [
        search(f"s{k}", answer(problem, 1 + k % 4, 0.02), problem=problem) for k in range(count)
    ]
    truth = search("ground truth", answer(problem, 5, 0.02), problem=problem)
    for figure in (
        pareto_figure(many, "speed-up", truth),
        hypervolume_figure(many, "trials", truth),
        drift.drift_figure(many),
    ):
        shown = [axes for axes in figure.axes if axes.get_visible()]
        assert [axes.get_title() for axes in shown] == (
            [""] if count == 2 else [f"s{k}" for k in range(14)]
        )


def test_drops_beyond_the_axis_are_not_left_out():
    problem = made_up_problem()
    far = search("x", answer(problem, 1, 0.02), answer(problem, 5, 0.8), problem=problem)
    [axes] = pareto_figure([far], "speed-up").axes
    assert axes.get_ylim()[1] < 80
    drawn = np.concatenate([points.get_offsets() for points in axes.collections])
    assert sorted(drawn[:, 1]) == pytest.approx([2.0, 20.0]), "at the upper edge"


def test_of_many_incumbents_each_strategy_shows_the_best():
    problem = made_up_problem()
    many = [
        search(label, answer(problem, k, 0.02), problem=problem, seed=k)
        for label in "abcdef"
        for k in (1, 3, 2, 4)
    ]
    [axes] = figures.mapping_figure(many).axes
    labels = [one.get_text() for one in axes.get_yticklabels()]
    assert labels == [f"{label} (seed 4), 1.67x" for label in "abcdef"]

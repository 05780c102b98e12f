"""Costs of strategies' best mappings beside the best of all: numbers and looks."""

import sys

import numpy as np
import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text
from made_up_runs import answer, made_up_problem, priced_problem, search

from lionheart_opt.plots import beside_best
from lionheart_opt.plots.beside_best import beside_best_info
from lionheart_opt.results.beside_best import costs_over_best

INTERVAL = "95 % interval of the ratio (shared constants cancel)"


def some(problem):
    """The best mapping, a dearer one, and none."""
    drops = {"many": (3, 0.02), "few": (2, 0.02), "none": (4, 0.5)}
    return [
        search(label, answer(problem, k, drop), problem=problem)
        for label, (k, drop) in drops.items()
    ]


def test_ratios_are_those_of_the_table():
    results = some(priced_problem())
    info = beside_best_info(results)
    assert info.labels == ["many", "few", "none"]
    assert set(info.ratios) == {"latency_s", "energy_j"}, "the time per inference is the latency"
    few = costs_over_best([results[1]], results)
    for name, rows in info.ratios.items():
        assert rows[0].tolist() == [1.0, 1.0, 1.0]
        assert rows[1].tolist() == [few[name]["ratio"], *few[name]["interval"]]
        assert 1.0 < rows[1, 1] < rows[1, 0] < rows[1, 2]
        assert not info.is_open[name].any()
    figure = beside_best(results)
    check_figure(figure)
    assert INTERVAL in shown_text(figure)
    assert "not told apart from the best" not in shown_text(figure)


def test_what_is_not_told_apart_is_hollow(monkeypatch):
    def open_costs(runs, everyone):
        costs = costs_over_best(runs, everyone)
        if costs is not None and costs["energy_j"]["ratio"] > 1.0:
            costs["energy_j"] = {"ratio": 1.1, "interval": [0.9, 1.3], "told_apart": False}
        return costs

    monkeypatch.setattr(sys.modules[beside_best_info.__module__], "costs_over_best", open_costs)
    results = some(priced_problem())
    info = beside_best_info(results)
    assert info.is_open["energy_j"].tolist() == [False, True, False], "the best is the same mapping"
    assert not info.is_open["latency_s"].any()
    assert "not told apart from the best" in shown_text(beside_best(results))


def test_without_intervals_there_are_dots():
    results = some(made_up_problem())
    info = beside_best_info(results)
    assert info.ratios["latency_s"][1, 0] == pytest.approx(0.8 / 0.7)
    assert np.isnan(info.ratios["latency_s"][1, 1:]).all()
    figure = beside_best(results)
    check_figure(figure)
    assert INTERVAL not in shown_text(figure)


@pytest.mark.parametrize("repeats", [1, 5])
def test_it_can_be_saved_as_it_is(repeats):
    problem = made_up_problem()
    labels = [f"{label}{k or ''}" for k in range(repeats) for label in ODD_LABELS]
    figure = beside_best(
        [search(name, answer(problem, 1, 0.02), problem=problem) for name in labels]
    )
    check_figure(figure)
    assert {"$a_b$", "_hidden", "[/x]"} <= set(shown_text(figure))


def test_nothing_feasible_is_said():
    figure = beside_best(search("x", problem=made_up_problem(cost_limits={"energy_j": 1e-9})))
    check_figure(figure)
    assert "nothing is feasible" in shown_text(figure)

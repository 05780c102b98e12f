"""Best mappings of strategies beside the best of all: what is shared cancels out."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
from made_up_runs import answer, made_up_problem, priced_problem, search

from lionheart_opt.cost import COST_OBJECTIVES
from lionheart_opt.estimates import Estimate
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.results.beside_best import (
    costs_over_best,
    drop_above_best,
    over_best_columns,
)
from lionheart_opt.strategies.fixed import Fixed
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import tiny_problem


def of_units(problem, k, label="x", seed=0):
    """A search whose best mapping has the first k units on tiles."""
    return search(label, answer(problem, k, 0.02), problem=problem, seed=seed, strategy=label)


def test_a_ratio_is_known_better_than_the_gains():
    problem = priced_problem()
    few, many = of_units(problem, 2), of_units(problem, 3, "y")
    costs = costs_over_best([few], [few, many])
    for name, gain in (("interval_s", "speedup"), ("energy_j", "energy_gain")):
        row, (low, high) = costs[name], costs[name]["interval"]
        mine, best = few.best_estimates, many.best_estimates
        assert row["ratio"] == pytest.approx(best[gain].value / mine[gain].value)
        assert low < row["ratio"] < high
        apart = [log(estimate.high / estimate.low) for estimate in (mine[gain], best[gain])]
        assert log(high / low) < np.hypot(*apart)
        assert row["told_apart"] == (low > 1.0 or high < 1.0)


def test_ratios_vary_as_much_as_those_of_systems_that_might_be():
    """Other systems are drawn from the intervals; the ratio of the two mappings is priced on each."""
    system = load_system("lionheart").model_copy(update={"uncertainty": None})
    problem = priced_problem()
    problem = replace(problem, system=system, cost_model=cost_model(system))
    few, many = of_units(problem, 2), of_units(problem, 3, "y")
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(100):
        constants = {
            name: system.constant(name) * (ends.high / ends.low) ** (0.5 * rng.normal() / 1.96)
            for name, ends in system.intervals.items()
        }
        other = cost_model(system.with_constants(constants))
        costs = [other.cost(problem.workload, run.best.mapping) for run in (few, many)]
        ratios.append([costs[0].value(name) / costs[1].value(name) for name in COST_OBJECTIVES])
    half_widths = 1.96 * np.log(ratios).std(axis=0)
    for name, half_width in zip(COST_OBJECTIVES, half_widths, strict=True):
        low, high = costs_over_best([few], [few, many])[name]["interval"]
        assert log(high / low) / 2 == pytest.approx(half_width, rel=0.25), name


def test_the_same_mapping_costs_exactly_as_much():
    problem = priced_problem()
    first, second = of_units(problem, 3), of_units(problem, 3, "y", seed=1)
    for runs in ([first], [second], [first, second]):
        costs = costs_over_best(runs, [first, second])
        assert tuple(costs) == COST_OBJECTIVES
        for row in costs.values():
            assert row == {"ratio": 1.0, "interval": [1.0, 1.0], "told_apart": False}


def test_mappings_of_equal_costs_are_not_told_apart():
    problem = made_up_problem()
    first = of_units(problem, 1)
    other = problem.all_digital.move(problem.units[1].name, "tile")
    second = search(
        "y", problem.evaluation(problem.pretrained(other), first.best.accuracy), problem=problem
    )
    costs = costs_over_best([second], [first, second])
    assert {row["ratio"] for row in costs.values()} == {1.0}
    assert not any(row["told_apart"] for row in costs.values())


def test_without_intervals_there_is_a_ratio_and_no_answer():
    problem = made_up_problem()
    few, many = of_units(problem, 2), of_units(problem, 4, "y")
    costs = costs_over_best([few], [few, many])
    # k of five units cost 1 - k / 10 in time, and 1 - 0.15 k in energy
    assert costs["latency_s"]["ratio"] == pytest.approx(0.8 / 0.6)
    assert costs["energy_j"]["ratio"] == pytest.approx(0.7 / 0.4)
    assert {row["interval"] for row in costs.values()} == {None}
    assert {row["told_apart"] for row in costs.values()} == {None}
    columns = over_best_columns(costs)
    assert columns["energy_over_best"] == costs["energy_j"]["ratio"]
    assert columns["energy_over_best_low"] is columns["energy_over_best_high"] is None


def test_a_strategy_without_a_mapping_has_no_costs():
    problem = made_up_problem(cost_limits={"latency_s": 1e-9})
    nothing = search("x", answer(problem, 2, None), problem=problem)
    assert costs_over_best([nothing], [nothing]) is None
    columns = over_best_columns(None)
    assert set(columns.values()) == {None}
    known = over_best_columns(costs_over_best(*[[of_units(made_up_problem(), 1)]] * 2))
    assert list(columns) == list(known)


def test_the_best_in_the_drop_may_cost_more():
    problem = priced_problem(objectives=("drop", "latency_s"))
    careful = search("x", answer(problem, 2, 0.001), problem=problem)
    fast = search("y", answer(problem, 3, 0.02), problem=problem)
    row = costs_over_best([fast], [careful, fast])["latency_s"]
    assert row["ratio"] < 1.0 and row["told_apart"]


def test_drops_are_compared_draw_by_draw():
    problem = tiny_problem(max_drop=0.5)

    def run(label, mapping):
        record = Record(problem)
        Search(record, Fixed(mapping), 0, Budget()).run()
        return search(label, *record.evaluations(), problem=problem)

    fast, same = run("fast", "all-analog"), run("same", "all-analog")
    careful = run("careful", "all-digital")
    everyone = [fast, same, careful]
    assert drop_above_best([fast], everyone) is drop_above_best([same], everyone) is None
    bounds = drop_above_best([careful], everyone)
    assert bounds.low < bounds.high < 0, "all-digital surely drops less than the fastest mapping"


def test_columns_have_the_ends_of_known_ratios():
    problem = priced_problem()
    few, many = of_units(problem, 2), of_units(problem, 3, "y")
    costs = costs_over_best([few], [few, many])
    columns = over_best_columns(costs)
    for name, column in (
        ("latency_s", "latency"),
        ("interval_s", "interval"),
        ("energy_j", "energy"),
    ):
        ends = [columns[f"{column}_over_best{end}"] for end in ("", "_low", "_high")]
        assert Estimate(*ends) == (costs[name]["ratio"], *costs[name]["interval"])


def test_mappings_decided_on_other_examples_are_not_compared_draw_by_draw():
    """Their baselines differ, so that the same draws do not make the same pairs."""
    problem = made_up_problem()
    mine, best = answer(problem, 1, 0.01), answer(problem, 2, 0.01)
    fewer = replace(
        mine.accuracy, baseline=0.91, samples=mine.accuracy.samples + 0.01, n_examples=100
    )
    mine = problem.evaluation(mine.candidate, fewer)
    runs = [search("a", mine, problem=problem), search("b", best, problem=problem)]
    assert drop_above_best(runs[:1], runs) is None
    assert drop_above_best(runs[1:], runs) is None, "it is the best"

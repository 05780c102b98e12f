"""Prices of moves, and the steps that strategies may take: ties, second limits, exact capacities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from lionheart_opt.cost import COST_OBJECTIVES
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.strategies.parts.pricing import (
    acceptable,
    cheapest_digital,
    cost_objectives,
    excess,
    other_targets,
    price,
)
from lionheart_opt.synthetic import (
    SyntheticCosts,
)
from lionheart_opt.system import Target
from lionheart_opt.testing import tiny_problem

FOUR = ("cpu", "tile", "sram", "npu")


def with_target(problem: Problem, name: str, **changes: object) -> Problem:
    """The problem with one of its targets changed."""
    targets = tuple(
        target.model_copy(update=changes) if target.name == name else target
        for target in problem.system.targets
    )
    return on_targets(problem, targets)


def on_targets(problem: Problem, targets: Sequence[Target]) -> Problem:
    system = problem.system.model_copy(update={"targets": tuple(targets)})
    return replace(problem, system=system, cost_model=SyntheticCosts(system))


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        (("energy_j", "drop", "latency_s"), ("energy_j", "latency_s")),
        (("drop", "interval_s"), ("interval_s",)),
        (("drop",), ("latency_s",)),
    ],
)
def test_cost_objectives_are_the_others_in_their_order(
    objectives: tuple[Objective, ...], expected: tuple[str, ...]
) -> None:
    assert cost_objectives(tiny_problem(objectives=objectives)) == expected


@pytest.mark.parametrize("objective", COST_OBJECTIVES)
def test_a_price_is_the_cost_in_the_first_cost_objective(objective: Objective) -> None:
    problem = tiny_problem(objectives=("drop", objective, "latency_s"))
    cost = problem.cost(problem.all_analog)
    assert price(problem, problem.all_analog) == cost.value(objective)


def test_other_targets_are_the_analog_and_the_cheaper_digital_ones_cheapest_first() -> None:
    problem = tiny_problem(targets=FOUR)
    seen = set()
    for unit in (unit.name for unit in problem.units):
        for here in FOUR:
            mapping = problem.mapping({unit: here})
            targets = other_targets(problem, mapping, unit)
            prices = {name: price(problem, mapping.move(unit, name)) for name in FOUR}
            assert [prices[name] for name in targets] == sorted(prices[name] for name in targets)
            cheaper = {name for name in ("cpu", "npu") if prices[name] < prices[here]}
            assert set(targets) == ({"tile", "sram"} | cheaper) - {here}
            seen.add(tuple(targets))
    assert len(seen) > 1


def test_targets_of_one_price_keep_their_order_and_a_digital_one_of_this_price_is_left_out() -> (
    None
):
    """Twins of the tile and of the host: moving to the host's twin would change nothing."""
    problem = tiny_problem()
    cpu, tile = problem.system.targets
    twins = [target.model_copy(update={"name": f"{target.name}2"}) for target in (tile, cpu)]
    problem = on_targets(problem, (cpu, tile, *twins))
    problem = replace(problem, cost_model=Flat(problem.cost_model))
    assert other_targets(problem, problem.all_digital, "fc0") == ["tile", "tile2"]
    assert cheapest_digital(problem, problem.all_analog, "fc0") == "cpu"


@dataclass(frozen=True)
class Flat:
    """Every mapping costs what all-digital costs, and occupies the tiles that it occupies."""

    model: SyntheticCosts

    def cost(self, workload, mapping):
        digital = dict.fromkeys(mapping, "cpu")
        tiles = self.model.cost(workload, mapping).tiles
        return replace(self.model.cost(workload, type(mapping).of(digital)), tiles=tiles)


def test_the_cheapest_digital_target() -> None:
    problem = tiny_problem(targets=FOUR)
    for unit in (unit.name for unit in problem.units):
        chosen = cheapest_digital(problem, problem.all_analog, unit)
        prices = {
            name: price(problem, problem.all_analog.move(unit, name)) for name in ("cpu", "npu")
        }
        assert chosen == min(prices, key=lambda name: prices[name])


def test_the_excess_is_that_over_all_limits_together() -> None:
    free = tiny_problem()
    limits = {"latency_s": 0.5 * free.digital_cost.latency_s, "energy_j": 1.0}
    problem = replace(with_target(free, "tile", tiles=3), cost_limits=limits)
    assert excess(problem, problem.all_digital) == pytest.approx(1.0)
    assert excess(problem, problem.all_analog) == 2.0
    assert excess(with_target(free, "tile", tiles=5), free.all_analog) == 0.0, "exactly full"


def test_a_limit_that_is_met_exactly_is_kept() -> None:
    free = tiny_problem()
    latency_s = free.digital_cost.latency_s
    assert excess(replace(free, cost_limits={"latency_s": latency_s}), free.all_digital) == 0.0
    below = float(np.nextafter(latency_s, 0.0))
    assert excess(replace(free, cost_limits={"latency_s": below}), free.all_digital) > 0.0


def test_a_step_is_acceptable_if_it_holds_or_exceeds_the_limits_by_less() -> None:
    free = tiny_problem(max_drop=0.9)
    energy_j = free.cost(free.all_analog).energy_j
    problem = replace(free, cost_limits={"energy_j": 1.01 * energy_j})
    largest = max(problem.units, key=problem.workload.unit_macs).name
    first = problem.mapping({largest: "tile"})

    def evaluated(mapping):
        return problem.evaluate(problem.pretrained(mapping))

    assert evaluated(first).accuracy is None and evaluated(problem.all_analog).feasible
    assert acceptable(problem, problem.all_digital, evaluated(first))
    assert not acceptable(problem, first, evaluated(first)), "it is not better by itself"
    assert not acceptable(problem, first, evaluated(problem.all_digital))
    assert acceptable(problem, first, evaluated(problem.all_analog))
    strict = replace(
        problem, cost_limits={}, accuracy_limit=replace(problem.accuracy_limit, max_drop=0.0)
    )
    lossy = strict.evaluate(strict.pretrained(strict.all_analog))
    assert not acceptable(strict, strict.all_digital, lossy)

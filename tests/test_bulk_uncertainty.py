"""Intervals of many mappings at once are those of each alone."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from made_up_runs import made_up_problem, priced_problem

from lionheart_opt import bulk_uncertainty
from lionheart_opt.bulk_uncertainty import WORTH_TABLES, BulkShifts, Shifts
from lionheart_opt.cost import Cost
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.hardware.constants import Interval
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, system_names
from lionheart_opt.pricing import priced
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping
from lionheart_opt.system import System
from lionheart_opt.uncertainty import ESTIMATED, estimates_of
from lionheart_opt.workload import Workload

#: Systems whose cost models have no tables: cores that wait for each other, branches that run at once.
WITHOUT_TABLES = {"alpine-high-power-8", "analog-fabric"}


def drawn(problem: Problem, count: int) -> list[Mapping]:
    rng = np.random.default_rng(1)
    return [random_mapping(problem, rng) for _ in range(count)]


def shifts_of(problem: Problem) -> Shifts:
    shifts = problem.prices.shifts(problem.cost_model, problem.system, problem.workload)
    assert shifts is not None
    return shifts


def alone(problem: Problem, mapping: Mapping) -> dict[str, float]:
    """The half widths of one mapping, as `Cost` says them; NaN where it says none."""
    estimates = estimates_of(problem.cost(mapping), problem.digital_cost)
    return {
        name: np.nan if each.low is None else np.log(each.high / each.low) / 2
        for name, each in estimates.items()
    }


@pytest.mark.parametrize("system", system_names())
def test_many_mappings_are_known_as_well_as_each_alone(system: str) -> None:
    problem = priced_problem(system)
    mappings = [problem.all_digital, problem.all_analog, *drawn(problem, WORTH_TABLES)]
    has_tables = BulkShifts.of(shifts_of(problem).ends, problem) is not None
    assert has_tables == (system not in WITHOUT_TABLES)
    found = problem.half_widths(mappings)
    assert tuple(sorted(found)) == tuple(sorted(ESTIMATED))
    for name, widths in found.items():
        expected = [alone(problem, mapping)[name] for mapping in mappings]
        np.testing.assert_allclose(widths, expected, rtol=1e-6, atol=1e-9)
        assert widths.any()


def test_tables_price_as_many_mappings_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models at the ends are asked for a few mappings, whether there are ten or a thousand."""
    problem, asked = priced_problem(), list[Mapping]()

    def counted(model: object, system: System, workload: Workload, mapping: Mapping) -> Cost:
        asked.append(mapping)
        return priced(model, system, workload, mapping)  # type: ignore[arg-type]

    monkeypatch.setattr("lionheart_opt.uncertainty.priced", counted)
    monkeypatch.setattr(bulk_uncertainty, "priced", counted)
    ten = problem.half_widths(drawn(problem, 10))
    before = len(asked)
    many = problem.half_widths(drawn(problem, 1000))
    assert len(asked) == before
    np.testing.assert_array_equal(many["speedup"][:10], ten["speedup"])


def test_few_mappings_are_priced_one_by_one_and_each_once() -> None:
    problem = priced_problem()
    first, second = drawn(problem, 2)
    found = problem.half_widths([first, second, first])["latency_s"]
    assert "_bulk" not in vars(shifts_of(problem))
    for _ in range(WORTH_TABLES):
        problem.half_widths([first])
    assert "_bulk" in vars(shifts_of(problem)), "many were asked for, one after the other"
    assert found[0] == found[2] == pytest.approx(alone(problem, first)["latency_s"])
    assert problem.half_widths([])["energy_j"].shape == (0,)


@dataclass(frozen=True)
class Lying:
    """Prices as the built-in model, and has tables of another one."""

    system: System
    factor: float = 2.0

    @cached_property
    def model(self) -> Any:
        return cost_model(self.system)

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        cost: Cost = self.model.cost(workload, mapping)
        return cost

    def tables(self, workload: Workload) -> CostTables:
        tables: CostTables = self.model.tables(workload)
        unit = tables.unit.copy()
        unit[:, 1] *= self.factor
        return replace(tables, unit=unit)


def test_tables_that_say_otherwise_are_not_used() -> None:
    problem = priced_problem()
    problem = replace(problem, cost_model=Lying(problem.system))
    assert BulkShifts.of(shifts_of(problem).ends, problem) is None
    honest = replace(problem, cost_model=Lying(problem.system, 1.0))
    assert BulkShifts.of(shifts_of(honest).ends, honest) is not None
    mappings = drawn(problem, WORTH_TABLES)
    found, expected = (each.half_widths(mappings)["speedup"] for each in (problem, honest))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_batches_are_priced_one_by_one() -> None:
    problem = priced_problem()
    problem = replace(problem, workload=problem.workload.with_batch(2))
    mappings = drawn(problem, 2)
    assert BulkShifts.of(shifts_of(problem).ends, problem) is None
    found = problem.half_widths(mappings)["speedup"]
    np.testing.assert_allclose(found, [alone(problem, each)["speedup"] for each in mappings])


def test_nothing_is_said_where_nothing_is_known() -> None:
    """A model of one's own that is not built from a system, and a system that says nothing."""
    foreign, priced = made_up_problem(), priced_problem()
    silent = priced.system.model_copy(update={"uncertainty": None})
    assert silent.software is not None
    software = silent.software.model_copy(update={"intervals": {}})
    silent = silent.model_copy(update={"software": software})
    for problem in (
        foreign,
        replace(priced, system=silent, cost_model=cost_model(silent)),
    ):
        found = problem.half_widths(drawn(problem, WORTH_TABLES))
        assert all(np.isnan(widths).all() and len(widths) for widths in found.values())


def with_only(system: System, *names: str) -> System:
    """The system with intervals of these constants only, and no scatter."""

    def kept(block: str, intervals: dict[str, Interval]) -> dict[str, object]:
        return {
            "intervals": {key: each for key, each in intervals.items() if f"{block}.{key}" in names}
        }

    targets = tuple(
        target.model_copy(update=kept(f"targets.{target.name}", target.intervals))
        for target in system.targets
    )
    shared = {
        name: block.model_copy(update=kept(name, block.intervals))
        for name, block in system.blocks.items()
        if name in ("machine", "software")
    }
    return system.model_copy(update={**shared, "targets": targets, "uncertainty": None})


def test_what_no_constant_moves_is_not_known() -> None:
    """Only an energy of the arrays is uncertain: nothing is said of times, nor of all-digital."""
    problem = priced_problem("imc-cluster")
    system = with_only(problem.system, "targets.ima.job_energy_j")
    problem = replace(problem, system=system, cost_model=cost_model(system))
    mappings = [problem.all_digital, problem.all_analog, *drawn(problem, WORTH_TABLES)]
    for name, widths in problem.half_widths(mappings).items():
        np.testing.assert_allclose(widths, [alone(problem, each)[name] for each in mappings])
        assert np.isnan(widths[0])
        assert (widths[1] > 0) == (name in ("energy_j", "energy_gain"))

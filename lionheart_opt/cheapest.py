"""The cheapest mapping whatever its accuracy: what a network could gain at most on a system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.batches import check_batch
from lionheart_opt.cost import CostModel, CostObjective, cost_tables, pipeline_tables
from lionheart_opt.cost_tables import SharedWork, shared_work
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.pricing import check_tables, priced
from lionheart_opt.problem import Problem
from lionheart_opt.space import Space
from lionheart_opt.strategy import Strategy
from lionheart_opt.turns import regimes
from lionheart_opt.workload import Workload

#: Relative improvement of the cost below which a mapping counts as cheapest.
MIN_GAIN = 1e-6
#: Mappings that are tried at most.
MOST_TRIALS = 10_000


@dataclass(frozen=True, kw_only=True)
class Cheapest:
    """The cheapest mapping that was found.

    Args:
        mapping: It fits the system.
        objective: What it costs least of.
        exact: Whether no mapping that fits costs less, up to a millionth.
    """

    mapping: Mapping
    objective: CostObjective
    exact: bool


@dataclass(frozen=True)
class _AcceptsAll:
    """An oracle to which all mappings are as good as the floating-point network."""

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:  # noqa: ARG002
        samples = np.ones((fidelity.draws[1], 1))
        return Accuracy(samples=samples, times_s=(1.0,), baseline=1.0)


def cheapest(space: Space, objective: CostObjective | None = None) -> Cheapest | None:
    """The mapping that fits and costs least, whatever its accuracy.

    `knapsack` finds it, with an oracle that accepts everything. That is exact where costs are sums over
    units and pairs of units, and for the interval and the energy of pipelines that are replicated under a
    budget. Where crossbars take turns, both the best mapping that reprograms nothing and the best of
    those that reprogram are looked for; where a batch can be cut, the best for each number of runs.
    Elsewhere, moves of single units improve what is found, and where cores share the work, each unit
    begins where its own work takes least. Where tables of a model of one's own lack its interval, only
    such moves are tried, from all-digital and all-analog.

    Args:
        space: What can run where.
        objective: What it costs least of; None is the time per inference.

    Returns:
        None where no mapping that fits was found.

    Raises:
        InputError: The cost model cannot price an operation.
    """
    model = plugins.cost_model(space.system)
    check_batch(model, space.system, space.workload)
    single = space.workload.with_batch(1)
    is_pipelined = priced(model, space.system, single, space.all_digital).interval_s is not None
    if objective is None:
        objective = "interval_s" if is_pipelined else "latency_s"
    if is_pipelined and objective != "latency_s":  # the same for any batch
        space = Space(workload=single, system=space.system, digital=space.digital)
    problem = Problem(
        workload=space.workload,
        system=space.system,
        digital=space.digital,
        cost_model=model,
        oracle=_AcceptsAll(),
        objectives=(objective,),
        accuracy_limit=AccuracyLimit(max_drop=0.5, time_s=(1.0,)),
        training="none",
    )
    shared = shared_work(model, space.workload)
    mappings, starts = {problem.all_digital}, set[Mapping]()
    if shared is not None:
        mappings |= {problem.all_analog, _least_work(problem, shared, objective)}
    elif problem.units:
        mappings.add(problem.all_analog)
        if _is_summed(model, space.workload, objective, is_pipelined=is_pipelined):
            strategy: Strategy = plugins.build("strategies", "knapsack", {"min_gain": MIN_GAIN})
            mappings.update(_proposed(problem, strategy))
            if sums := regimes(problem):
                ends = [_proposed(each.problem, strategy)[-1:] for each in sums]
                starts = {problem.all_analog, *(mapping for last in ends for mapping in last)}
                mappings |= starts
        else:
            starts = {problem.all_digital, problem.all_analog}
    fitting = [mapping for mapping in mappings if not problem.breaks_cost_limits(mapping)]
    if not fitting:
        return None
    check_tables(model, space.system, space.workload, (fitting[0], problem.all_digital))
    is_exact = _is_solved(model, space.workload, objective, is_pipelined=is_pipelined)

    def rank(mapping: Mapping) -> tuple[float, list[tuple[str, str]]]:
        return problem.totals(mapping).value(objective), sorted(mapping.items())

    best = min(fitting, key=rank)
    if not is_exact:
        starts = {best, *starts.intersection(fitting)}
        best = min((_descended(problem, start, rank) for start in starts), key=rank)
    return Cheapest(mapping=best, objective=objective, exact=is_exact)


def _is_summed(
    model: CostModel, workload: Workload, objective: CostObjective, *, is_pipelined: bool
) -> bool:
    """Whether sums say something of the costs: nothing of an interval that tables do not have."""
    has_tables = cost_tables(model, workload) is not None
    return not (is_pipelined and objective == "interval_s" and has_tables)


def _is_solved(
    model: CostModel, workload: Workload, objective: CostObjective, *, is_pipelined: bool
) -> bool:
    """Whether an exact solver knows all costs."""
    if is_pipelined:
        return objective != "latency_s" and pipeline_tables(model, workload) is not None
    tables = cost_tables(model, workload)
    return tables is not None and not tables.cuts


def _least_work(problem: Problem, shared: SharedWork, objective: CostObjective) -> Mapping:
    """Each unit where its own work takes least."""
    tables, quantity = shared.tables, int(objective == "energy_j")
    columns = {target: column for column, target in enumerate(tables.targets)}
    work = dict(zip(tables.units, tables.unit[..., quantity], strict=True))
    return problem.mapping(
        {
            unit: min(targets, key=lambda name: float(work[unit][columns[name]]))
            for unit, targets in problem.choices.items()
        }
    )


def _descended(
    problem: Problem, best: Mapping, rank: Callable[[Mapping], tuple[float, Any]]
) -> Mapping:
    """Where moves of single units lead to, as long as one gains more than a millionth."""
    priced = 0
    while priced < MOST_TRIALS:
        moved = [
            best.move(unit.name, target)
            for unit in problem.units
            for target in problem.choices[unit.name]
            if target != best[unit.name]
        ]
        priced += len(moved)
        fitting = [mapping for mapping in moved if not problem.breaks_cost_limits(mapping)]
        cheaper = min(fitting, key=rank, default=best)
        if rank(cheaper)[0] >= rank(best)[0] * (1.0 - MIN_GAIN):
            break
        best = cheaper
    return best


def _proposed(problem: Problem, strategy: Strategy) -> list[Mapping]:
    proposals = strategy.search(problem, np.random.default_rng(0))
    mappings: list[Mapping] = []
    try:
        batch = next(proposals)
        while len(mappings) < MOST_TRIALS:
            mappings += [candidate.mapping for candidate in batch]
            batch = proposals.send([problem.evaluate(candidate) for candidate in batch])
    except StopIteration:
        pass
    return mappings

"""Which mappings of a search are measured once more, on data and draws that they were not chosen by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lionheart_opt.accuracy import Accuracy, ChecksFinally, Fidelity
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.results.metrics import thresholds
from lionheart_opt.results.result import SearchResult
from lionheart_opt.results.verdict import TEST, again, final_bounds, judged_on, keeps
from lionheart_opt.study.record import Record

#: Mappings that a verdict tests at most.
LADDER = 4


def ladder(result: SearchResult) -> list[Evaluation]:
    """The mappings that a verdict tests, in this order; validation data alone decide it.

    From the safest to the cheapest, which is the candidate: no other mapping is at once cheaper and safer
    (a lower upper bound of the drop). At most `LADDER` of them.
    """
    best, problem = result.candidate, result.problem
    if best is None or best.accuracy is None:
        return []
    if best.mapping == problem.all_digital:  # its drop is 0 on any data if it is exact
        return [] if problem.is_digital_exact else [best]
    names = [name for name in problem.objectives if name != "drop"]
    name = names[0] if names else "latency_s"
    cheapest, digital = best.cost.value(name), problem.digital_cost.value(name)
    risk = problem.accuracy_limit.bounds(best.accuracy).high
    safer = [
        (evaluation, bounds.high)
        for evaluation, bounds in zip(result.measured, result.bounds, strict=True)
        if evaluation.feasible
        and bounds.high < risk
        and cheapest < evaluation.cost.value(name) < digital
    ]
    chosen = steps([high for _, high in safer], [each.cost.value(name) for each, _ in safer])
    return [*(safer[number][0] for number in chosen), best]


def steps(highs: Sequence[float], costs: Sequence[float]) -> list[int]:
    """Numbers of the mappings on the way from the safest to the cheapest, at most `LADDER` - 1.

    Args:
        highs: Upper bound of each mapping's drop.
        costs: Cost of each.
    """
    way: list[int] = []
    for _, cost, number in sorted(zip(highs, costs, range(len(highs)), strict=True)):
        if not way or cost < costs[way[-1]]:
            way.append(number)
    chosen = np.unique(np.linspace(0, len(way) - 1, min(len(way), LADDER - 1)).round())
    return [way[int(number)] for number in chosen]


def finalists(result: SearchResult) -> list[Evaluation]:
    """The ladder and, where the objectives ask for a whole front, the fastest at each threshold."""
    chosen: list[Evaluation | None] = [*ladder(result)]
    if "drop" in result.problem.objectives:
        limit = result.problem.accuracy_limit
        chosen += [result.fastest_at(max_drop) for max_drop in thresholds(limit)]
    return _different(chosen)


def check_finalists(record: Record, oracle: object, trainings: int = 1) -> None:
    """Measure the search's finalists once more and keep the results in the record.

    A mapping that was chosen because it did best has also been lucky; fresh draws and test data take
    the luck out. Each candidate is measured once, and the ladder only up to the first one that is not
    verified. Nothing happens if the oracle has no final checks.

    Args:
        record: The record of the search.
        oracle: The oracle of its problem.
        trainings: Trainings, each with another seed, that the verdict rests on.
    """
    if not isinstance(oracle, ChecksFinally):
        return
    problem, checked = record.problem, record.keeper.checks()
    result = SearchResult(
        label=record.name,
        seed=0,
        problem=problem,
        evaluations=record.evaluations(),
        digital=record.digital,
    )

    def check(evaluation: Evaluation, trainings: int = 1) -> dict[str, Accuracy]:
        digest = evaluation.candidate.digest
        candidate = problem.resolved(evaluation.candidate)
        fidelity = Fidelity(draws=(0, problem.accuracy_limit.draws[-1]))
        if digest not in checked:
            checked[digest] = oracle.final_checks(candidate, fidelity, problem.seed)
            record.keeper.add_checks(digest, checked[digest])
        is_trained = any(each.training != "none" for each in candidate.lineage)
        for number in range(1, trainings if is_trained and TEST in checked[digest] else 1):
            if again(number) not in checked[digest]:
                other = oracle.final_checks(candidate, fidelity, problem.seed + number)
                checked[digest] |= {again(number): other[TEST]}
                record.keeper.add_checks(digest, checked[digest])
        return checked[digest]

    steps = ladder(result)
    order = tuple(each.candidate.digest for each in steps)
    if order and order != record.keeper.order():
        record.keeper.set_order(order)
    for evaluation in steps:
        judged = judged_on(check(evaluation, trainings))
        limit = problem.accuracy_limit
        if judged and not keeps(limit, final_bounds(limit, judged)):
            break
    for evaluation in finalists(result):
        if evaluation not in steps:
            check(evaluation)


def _different(evaluations: Sequence[Evaluation | None]) -> list[Evaluation]:
    return list({each.candidate.digest: each for each in evaluations if each is not None}.values())

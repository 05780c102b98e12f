"""The final report of a search: its finalists on data and draws that they were not chosen by."""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.special import ndtri, stdtrit

from lionheart_opt.accuracy import Accuracy, ChecksFinally, Fidelity
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import AccuracyLimit, Bounds
from lionheart_opt.results.metrics import thresholds
from lionheart_opt.results.result import SearchResult
from lionheart_opt.study.record import Record

#: Confidence of the interval of an accuracy.
CONFIDENCE = 0.95


def finalists(result: SearchResult) -> list[Evaluation]:
    """The incumbent and, where the objectives ask for a whole front, the fastest at each threshold."""
    chosen = [result.best]
    if result.best_trial is None and result.problem.is_digital_exact:
        chosen = []  # all-digital, whose drop is 0 on any data
    if "drop" in result.problem.objectives:
        limit = result.problem.accuracy_limit
        chosen += [result.fastest_at(max_drop) for max_drop in thresholds(limit)]
    return list(
        {
            evaluation.candidate.digest: evaluation
            for evaluation in chosen
            if evaluation is not None
        }.values()
    )


def check_finalists(record: Record, oracle: object) -> None:
    """Measure the search's finalists once more and keep the results in the record.

    A mapping that was chosen because it did best has also been lucky; fresh draws and test data take
    the luck out. Each candidate is measured once. Nothing happens if the oracle has no final checks.

    Args:
        record: The record of the search.
        oracle: The oracle of its problem.
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
    for evaluation in finalists(result):
        digest = evaluation.candidate.digest
        if digest not in checked:
            candidate = problem.resolved(evaluation.candidate)
            fidelity = Fidelity(draws=(0, problem.accuracy_limit.draws[-1]))
            record.keeper.add_checks(digest, oracle.final_checks(candidate, fidelity, problem.seed))


def accuracy_bounds(accuracy: Accuracy, limit: AccuracyLimit) -> Bounds:
    """Mean accuracy at the limit's worst time, with a 95 % confidence interval (two-sided).

    It covers the programming draws (Student's t) and, where their number is known, the choice of the
    examples. The two are independent, so their half-widths add in squares. That of the examples is the
    binomial one of a single pass over them (normal approximation), which no number of draws narrows;
    what draws average out makes it too wide, if anything. Training again is not covered.
    """
    worst = max(limit.times_s, key=lambda time_s: limit.statistic(accuracy.drops_at(time_s)))
    values = accuracy.baseline - accuracy.drops_at(worst)
    n, mean = len(values), float(np.mean(values))
    half = 1.0
    if n > 1:
        student = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2.0))
        half = student * float(np.std(values, ddof=1)) / sqrt(n)
    if accuracy.n_examples is not None:
        normal = float(ndtri(0.5 + CONFIDENCE / 2.0))
        half = float(np.hypot(half, normal * sqrt(mean * (1.0 - mean) / accuracy.n_examples)))
    return Bounds(estimate=mean, low=max(mean - half, 0.0), high=min(mean + half, 1.0))

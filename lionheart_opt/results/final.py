"""The final report of a search: its finalists on data and draws that they were not chosen by."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from lionheart_opt.accuracy import Accuracy, ChecksFinally, Fidelity
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import AccuracyLimit, Bounds
from lionheart_opt.results.metrics import thresholds
from lionheart_opt.results.result import SearchResult
from lionheart_opt.study.record import Record

#: Prefix of the user attributes of the Optuna study that keep the report; the candidate's digest follows.
ATTRIBUTE = "final/"
#: Of the interval of an accuracy.
CONFIDENCE = 0.95


def finalists(run: SearchResult) -> list[Evaluation]:
    """The incumbent and, where the objectives ask for a whole front, the fastest at each threshold."""
    chosen = [run.best]
    if "drop" in run.problem.objectives:
        chosen += [run.fastest_at(t) for t in thresholds(run.problem.accuracy_limit)]
    return list({one.candidate.digest: one for one in chosen if one is not None}.values())


def check_finalists(record: Record, oracle: object) -> None:
    """Measure the search's finalists once more and keep the results in the record.

    A mapping that was chosen because it did best has been lucky, too: this takes the luck out. Each
    candidate is measured once; nothing happens where the oracle cannot do it.

    Args:
        record: of the search.
        oracle: of the problem.
    """
    if not isinstance(oracle, ChecksFinally):
        return
    problem = record.problem
    run = SearchResult(label="", seed=0, problem=problem, evaluations=record.evaluations())
    for one in finalists(run):
        name = ATTRIBUTE + one.candidate.digest
        if name not in record.study.user_attrs:
            candidate = one.candidate.resolved(problem.training)
            training = candidate.training or problem.training
            fidelity = Fidelity(training=training, draws=(0, problem.accuracy_limit.draws[-1]))
            checks = oracle.final_checks(candidate, fidelity, problem.seed)
            report = {name: accuracy.to_json() for name, accuracy in checks.items()}
            record.study.set_user_attr(name, report)


def final_checks(record: Record) -> dict[str, dict[str, Accuracy]]:
    """What `check_finalists` has kept: digest of the candidate -> name of the check -> samples."""
    kept: dict[str, Any] = record.study.user_attrs
    return {
        key.removeprefix(ATTRIBUTE): {
            name: Accuracy.from_json(data) for name, data in report.items()
        }
        for key, report in kept.items()
        if key.startswith(ATTRIBUTE)
    }


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

"""The best of several searches of one problem, all-digital included."""

from __future__ import annotations

from collections.abc import Sequence

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.results.metrics import recommended
from lionheart_opt.results.result import SearchResult


def best_of(results: Sequence[SearchResult]) -> Evaluation | None:
    """The best mapping of several searches; None if nothing is feasible."""
    evaluations = [evaluation for result in results for evaluation in result.evaluations]
    digital = (result.digital for result in results if result.digital is not None)
    return recommended(results[0].problem, evaluations, next(digital, None))


def best_search(results: Sequence[SearchResult]) -> SearchResult:
    """The search that found `best_of`; the first one where none did."""
    best = best_of(results)
    found = (result for result in results if result.best is best and result.best_trial is not None)
    return next(found, results[0])


def outcome_of(results: Sequence[SearchResult]) -> str:
    """What must be said of all searches together; empty where one of them beats all-digital."""
    if any(result.beats_all_digital for result in results):
        return ""
    outcomes = {result.outcome for result in results}
    return outcomes.pop() if len(outcomes) == 1 else "nothing beats all-digital"

"""The best of several searches of one problem, all-digital included."""

from __future__ import annotations

from collections.abc import Sequence

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.results.metrics import recommended
from lionheart_opt.results.result import SearchResult


def best_of(results: Sequence[SearchResult]) -> Evaluation | None:
    """The best result of several searches; None if nothing is feasible.

    A mapping that test data verify comes before candidates that they do not.
    """
    verified = [r for r in results if r.verdict is not None and r.verdict.verified is not None]
    evaluations = [result.best for result in verified or results if result.best is not None]
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


def chosen_trial(
    results: Sequence[SearchResult], search: str | None, trial: int | None, where: str
) -> tuple[SearchResult, int | None, Evaluation]:
    """What a user names: a search, the number of a trial of it, and its evaluation.

    Args:
        results: What the searches found, at least one.
        search: `LABEL/seedN`; None where there is one search only, or for the best one of all.
        trial: Number of the trial; None for the best mapping, which is all-digital where nothing beats
            that. All-digital may have no number.
        where: What messages call the study.

    Raises:
        InputError: There is no such search or trial, the trial has no result, or nothing is feasible.
    """
    searches = {result.name: result for result in results}
    if search is None and (len(searches) == 1 or trial is None):
        search = best_search(results).name
    if search is None:
        raise InputError(f"{where}: --only is missing; one of: {', '.join(searches)}")
    if search not in searches:
        raise unknown("search", search, searches, f"{where}: --only")
    result = searches[search]
    if trial is not None:
        return result, trial, result.evaluation(trial)
    if result.best is None:
        raise InputError(f"{where}: {search}: {result.outcome}; give --trial to choose one")
    return result, result.best_trial, result.best

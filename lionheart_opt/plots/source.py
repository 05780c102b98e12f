"""What can be plotted: a study, the result of a search, or several of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.results.result import SearchResult


@runtime_checkable
class HasResults(Protocol):
    """A study, as figures see it."""

    def results(self) -> Sequence[SearchResult]:
        """The results of all searches."""
        ...


@runtime_checkable
class HasTruth(Protocol):
    """A study that may have evaluated every mapping."""

    def truth(self) -> SearchResult | None:
        """Every mapping, evaluated; None where that is not known."""
        ...


#: What every figure of searches takes.
Source: TypeAlias = HasResults | SearchResult | Sequence[SearchResult]


def as_results(source: Source) -> list[SearchResult]:
    """The results of a source, at least one.

    Args:
        source: A study, one result, or several.

    Raises:
        InputError: There is no result, something is not one, or the results answer different
            questions, so that one figure cannot show them.
    """
    if isinstance(source, SearchResult):
        return [source]
    results = list(source.results() if isinstance(source, HasResults) else source)
    if not results:
        raise InputError("nothing to plot: got no results; run a search first")
    for result in results:
        if not isinstance(result, SearchResult):
            raise InputError(
                f"cannot plot {type(result).__name__}; must be a study, a SearchResult or several of them"
            )
        if _question(result.problem) != _question(results[0].problem):
            raise InputError(
                f"{results[0].label} and {result.label} answer different questions (network, system or "
                "limits differ) and cannot share a figure"
            )
    return results


def truth_of(source: Source) -> SearchResult | None:
    """Every mapping, evaluated, where the source is a study that knows that; otherwise None."""
    return source.truth() if isinstance(source, HasTruth) else None


def _question(problem: Problem) -> tuple[object, ...]:
    return problem.workload, problem.system, problem.accuracy_limit, problem.cost_limits

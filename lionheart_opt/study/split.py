"""The draws of one candidate, measured by several workers: for searches that propose one at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.measuring import measured
from lionheart_opt.metric import Metric
from lionheart_opt.problem import Problem
from lionheart_opt.study.pending import Pending


@dataclass(frozen=True)
class Measure:
    """A job: ask the oracle for some draws of a candidate."""

    candidate: Candidate
    fidelity: Fidelity

    def __call__(self, problem: Problem) -> Accuracy:
        """Do it."""
        return measured(problem.oracle, self.candidate, self.fidelity, problem.seed)


def can_be_split(problem: Problem, candidate: Candidate) -> bool:
    """Whether every worker has the candidate's weights without training them.

    It would be trained in each of them otherwise, or be waited for.
    """
    lineage = problem.resolved(candidate).lineage
    return all(ancestor.training == "none" for ancestor in lineage)


class SplitEvaluation:
    """An evaluation whose draws are measured side by side, as `Pending`.

    Draws do not depend on which others are measured, so that the accuracy equals that of one worker,
    up to the seconds.

    Args:
        problem: The problem.
        candidate: What is evaluated.
        count: Number of workers.
        submit: Asks for a job.
    """

    def __init__(
        self,
        problem: Problem,
        candidate: Candidate,
        count: int,
        submit: Callable[[Measure], Pending[Accuracy]],
    ) -> None:
        self._problem, self._candidate = problem, candidate
        self._count, self._submit = count, submit
        self._asked: list[Pending[Accuracy]] = []

    @property
    def metric(self) -> Metric:
        """As `SaysMetric.metric`."""
        return self._problem.metric

    def result(self) -> Evaluation:
        """As `Pending.result`."""
        return replace(self._problem, oracle=self).evaluate(self._candidate)

    def done(self) -> bool:
        """As `Pending.done`: which draws are needed, `result` finds out."""
        return False

    def cancel(self) -> None:
        """As `Pending.cancel`."""
        for asked in self._asked:
            asked.cancel()

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:  # noqa: ARG002
        """As `AccuracyOracle.accuracy`, measured by the workers."""
        parts = split(fidelity, self._count)
        self._asked = [self._submit(Measure(candidate, part)) for part in parts]
        try:
            first, *others = [asked.result() for asked in self._asked]
        except BaseException:
            with suppress(Exception):
                self.cancel()
            raise
        whole = first
        for other in others:
            whole = whole.extend(other)
        if whole.spread is None and first.spread is not None:
            # the spread over examples of an oracle that does not tell what is known of each
            return self._submit(Measure(candidate, fidelity)).result()
        return whole


def split(fidelity: Fidelity, count: int) -> list[Fidelity]:
    """The same draws in at most so many parts of nearly equal size, in order."""
    first, behind = fidelity.draws
    edges = np.linspace(first, behind, min(count, behind - first) + 1).round().astype(int).tolist()
    return [replace(fidelity, draws=(begin, end)) for begin, end in pairwise(edges)]

"""Search with weights that all mappings share, then train only the mappings on the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation, non_dominated
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.space import every_mapping, size
from lionheart_opt.strategies.optuna import Optuna
from lionheart_opt.strategies.parts.nested import Nested, nested
from lionheart_opt.strategies.parts.pricing import cost_objectives
from lionheart_opt.strategies.parts.sensitivity import observed_loss, trained
from lionheart_opt.strategy import Proposals, Strategy

#: Mappings that are enumerated in a row: they differ in their last units only, so that measuring them
#: together is cheaper. The order of such blocks is random.
BLOCK = 32

Start = Literal["shared", "pretrained"]


@dataclass(frozen=True)
class OneShot:
    """Searches with weights that are trained once for all mappings, then trains the best mappings alone.

    1. Mappings are evaluated with training `one_shot`: those that `strategy` proposes. Without a
       strategy, every mapping is evaluated if there are at most `probes`; otherwise NSGA-II proposes
       them for (cost, drop).
    2. Evaluations that no other dominates in the cost objectives and the loss form a front.
    3. Mappings of the front are evaluated with the problem's training. Where the drop is an objective,
       these are `points` mappings, evenly spread over the front. Otherwise the search begins with the
       cheapest mapping that holds with shared weights. It goes on to cheaper ones while they hold, or
       to dearer ones until one holds.

    The idea is that of one-shot architecture search (Guo et al., ECCV 2020; for analog layers MPS,
    Nature Communications 2026): all candidates share one training, and the search itself trains nothing.
    It departs from MPS in that mappings are enumerated, or proposed by any strategy, instead of learned
    by gradient descent.

    Args:
        probes: Largest number of one-shot evaluations, repeats included.
        strategy: Name of a registered strategy, or `module:attr`, that proposes mappings.
        arguments: Arguments of that strategy.
        points: Number of mappings of the front to train where the drop is an objective; 0 trains none.
        start: Weights that this training starts from, `shared` or `pretrained`. Either may end below
            the shared weights as they are (`studies/resnet8-cifar10`), which stay in the record. What
            starts from shared weights is used only where it is shown to be better
            (`[oracle.hat.from_shared]`).

    Raises:
        InputError: A number is out of range, or there are arguments without a strategy.
    """

    probes: int = 1024
    strategy: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    points: int = 12
    start: Start = "shared"

    def __post_init__(self) -> None:
        for name, least in (("probes", 1), ("points", 0)):
            value = getattr(self, name)
            if value < least:
                raise InputError(f"one_shot: {name}: got {value}; must be at least {least}")
        if self.arguments and self.strategy is None:
            raise InputError("one_shot: arguments: given without a strategy")

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """One-shot candidates in the batches of the inner search; then trained ones, one at a time.

        Where the drop is an objective, the trained candidates are one batch.

        Raises:
            InputError: There is no such strategy, or it does not take the arguments.
        """
        probes = yield from self._probe(problem, rng)
        front = _front(
            problem, [probe for probe in probes if _has_shared_weights(problem, probe.candidate)]
        )
        if not front:
            return
        if "drop" in problem.objectives:
            spread = np.unique(np.linspace(0, len(front) - 1, self.points).round().astype(int))
            if len(spread):
                yield [self._final(problem, front[number].mapping) for number in spread]
            return
        holding = (number for number, point in enumerate(front) if point.feasible)
        start = next(holding, len(front) - 1)
        [evaluation] = yield [self._final(problem, front[start].mapping)]
        held = evaluation.feasible
        for point in reversed(front[:start]) if held else front[start + 1 :]:
            [evaluation] = yield [self._final(problem, point.mapping)]
            if evaluation.feasible != held:
                return

    def _final(self, problem: Problem, mapping: Mapping) -> Candidate:
        """The mapping with the problem's training."""
        start = problem.pretrained(mapping)
        if self.start == "pretrained" or problem.training == "one_shot":
            return start
        return Candidate(mapping, parent=start.with_training("one_shot"))

    def _probe(self, problem: Problem, rng: np.random.Generator) -> Nested:
        """The evaluations of the first step; an inner strategy may have made some with other weights."""
        if self.strategy is None and size(problem) <= self.probes:
            return _enumerate(problem, rng)
        inner_problem = replace(problem, training="one_shot")
        inner: Strategy
        if self.strategy is None:
            # The whole front is of interest, so that the limit is lifted.
            objectives: tuple[Objective, ...] = (cost_objectives(problem)[0], "drop")
            limit = replace(problem.accuracy_limit, max_drop=1.0)
            inner_problem = replace(inner_problem, objectives=objectives, accuracy_limit=limit)
            inner = Optuna("NSGAIISampler")
        else:
            inner = plugins.build("strategies", self.strategy, self.arguments, "one_shot: strategy")
        search = inner.search(inner_problem, rng)
        return nested(
            inner_problem, search, lambda proposed: _shared(problem, proposed), self.probes
        )


def _has_shared_weights(problem: Problem, candidate: Candidate) -> bool:
    """Whether the candidate has the shared weights; profiles of inner strategies may have others."""
    return problem.resolved(candidate).trained_by == "one_shot"


def _shared(problem: Problem, proposed: Candidate) -> Candidate:
    """The candidate of an inner strategy with the shared weights, unless it names its own training."""
    if proposed.training is not None:
        return proposed
    return trained(problem, problem.pretrained(proposed.mapping), "one_shot")


def _enumerate(problem: Problem, rng: np.random.Generator) -> Nested:
    mappings = list(every_mapping(problem))
    blocks = [mappings[first : first + BLOCK] for first in range(0, len(mappings), BLOCK)]
    order = [mapping for number in rng.permutation(len(blocks)) for mapping in blocks[number]]
    evaluations = yield [_shared(problem, problem.pretrained(mapping)) for mapping in order]
    return list(evaluations)


def _front(problem: Problem, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Evaluations that no other dominates in cost objectives and loss, cheapest first."""
    objectives = cost_objectives(problem)
    points, measured = [], []
    for evaluation in evaluations:
        loss = observed_loss(problem, evaluation)
        if loss is not None:
            points.append([*map(evaluation.cost.value, objectives), loss])
            measured.append(evaluation)
    rows = np.array(points).reshape(len(points), len(objectives) + 1)
    return [measured[number] for number in non_dominated(rows)]

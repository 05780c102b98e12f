"""Search with one-shot weights, then train only what is on the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.space import every_mapping, size
from lionheart_opt.strategies.optuna import Optuna
from lionheart_opt.strategies.parts.nested import Nested, nested
from lionheart_opt.strategies.parts.pricing import cost_objectives, value
from lionheart_opt.strategies.parts.sensitivity import observed_loss, trained
from lionheart_opt.strategy import Proposals, Strategy

#: Mappings that are proposed in a row differ in their last units only, which makes them cheaper to
#: measure together; which of them come first is drawn.
NEIGHBOURS = 32

Start = Literal["shared", "pretrained"]


@dataclass(frozen=True)
class OneShot:
    """Judges mappings by weights that were trained once for all of them; trains the best in earnest.

    1. Mappings are evaluated with training `one_shot`: those that `strategy` proposes; without one,
       every mapping if there are at most `probes`, neighbours together, otherwise what NSGA-II proposes
       on (cost, drop).
    2. Their front of cost objectives and loss is found.
    3. Points of the front are evaluated with the problem's training. Where the drop is an objective,
       `points` of them, evenly spread; otherwise from the cheapest one that holds with one-shot weights
       towards cheaper ones while they hold, or dearer ones until one does.

    After one-shot architecture search (Guo et al., ECCV 2020; for analog layers MPS, Nature
    Communications 2026): one training shared by all candidates, then a search without training. Ours
    departs from MPS: mappings are enumerated or searched by any strategy, not learned by gradient.

    Args:
        probes: one-shot evaluations at most, repeats and the batch that passes it included.
        strategy: name of a registered strategy, or `module:attr`, that proposes them.
        arguments: of that strategy.
        points: of the front, trained where the drop is an objective; 0 leaves it at the shared weights.
        start: what their training starts from: the shared weights or the pretrained ones. Either may
            lose against the shared weights as they are (`studies/resnet8-cifar10`), which stay in the
            record.
    """

    probes: int = 1024
    strategy: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    points: int = 12
    start: Start = "shared"

    def __post_init__(self) -> None:
        for name, least in (("probes", 1), ("points", 0)):
            got = getattr(self, name)
            if got < least:
                raise InputError(f"one_shot: {name}: got {got}; must be at least {least}")
        if self.arguments and self.strategy is None:
            raise InputError("one_shot: arguments: given without a strategy")

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """One-shot candidates in batches as they are proposed; then one at a time."""
        probes = yield from self._probe(problem, rng)
        front = _front(problem, [one for one in probes if _is_shared(problem, one.candidate)])
        if not front:
            return
        if "drop" in problem.objectives:
            spread = np.unique(np.linspace(0, len(front) - 1, self.points).round().astype(int))
            if len(spread):
                yield [self._final(problem, front[k].mapping) for k in spread]
            return
        holding = [k for k, point in enumerate(front) if point.feasible]
        start = holding[0] if holding else len(front) - 1
        [result] = yield [self._final(problem, front[start].mapping)]
        held = result.feasible
        for point in reversed(front[:start]) if held else front[start + 1 :]:
            [result] = yield [self._final(problem, point.mapping)]
            if result.feasible != held:
                return

    def _final(self, problem: Problem, mapping: Mapping) -> Candidate:
        """The mapping, trained as the problem asks."""
        start = problem.pretrained(mapping)
        if self.start == "pretrained" or problem.training == "one_shot":
            return start
        return Candidate(mapping, parent=start.with_training("one_shot"))

    def _probe(self, problem: Problem, rng: np.random.Generator) -> Nested:
        """One-shot evaluations."""
        if self.strategy is None and size(problem) <= self.probes:
            return _enumerate(problem, rng)
        question = replace(problem, training="one_shot")
        inner: Strategy
        if self.strategy is None:
            # any loss is of interest, and one cost objective is enough to find the front
            objectives: tuple[Objective, ...] = (cost_objectives(problem)[0], "drop")
            limit = replace(problem.accuracy_limit, max_drop=1.0)
            question = replace(question, objectives=objectives, accuracy_limit=limit)
            inner = Optuna("NSGAIISampler")
        else:
            inner = plugins.build("strategies", self.strategy, self.arguments, "one_shot: strategy")
        search = inner.search(question, rng)
        return nested(question, search, lambda one: _shared(problem, one), self.probes)


def _is_shared(problem: Problem, candidate: Candidate) -> bool:
    """Whether it has the shared weights: an inner strategy may measure its profile otherwise."""
    return (candidate.training or problem.training) == "one_shot"


def _shared(problem: Problem, proposed: Candidate) -> Candidate:
    """What an inner strategy proposed, with the shared weights, unless it said how to train it."""
    if proposed.training is not None:
        return proposed
    return trained(problem, problem.pretrained(proposed.mapping), "one_shot")


def _enumerate(problem: Problem, rng: np.random.Generator) -> Nested:
    mappings = list(every_mapping(problem))
    blocks = [mappings[k : k + NEIGHBOURS] for k in range(0, len(mappings), NEIGHBOURS)]
    order = [one for k in rng.permutation(len(blocks)) for one in blocks[k]]
    answers = yield [_shared(problem, problem.pretrained(one)) for one in order]
    return list(answers)


def _front(problem: Problem, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Evaluations that no other is at least as good as in cost objectives and loss, cheapest first."""
    names = cost_objectives(problem)
    values = {
        (*(value(one.cost, name) for name in names), loss): one
        for one in evaluations
        if (loss := observed_loss(problem, one)) is not None
    }
    kept: list[tuple[float, ...]] = []
    for row in sorted(values):
        if not any(all(a <= b for a, b in zip(other, row, strict=True)) for other in kept):
            kept.append(row)
    return [values[row] for row in kept]

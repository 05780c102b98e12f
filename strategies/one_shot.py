"""Search with one-shot weights, then train only what is on the front."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.protocols import Evaluation, Search
from lionheart_opt.space import every_mapping, size
from strategies.one_at_a_time import observed_loss, trained
from strategies.optuna import Optuna
from strategies.pricing import cost_objectives, value

#: Mappings that are proposed in a row differ in their last units only, which makes them cheaper to
#: measure together; which of them come first is drawn.
NEIGHBOURS = 32

Probing = Generator[Sequence[Candidate], Sequence[Evaluation], list[Evaluation]]


@dataclass(frozen=True)
class OneShot:
    """Judges mappings by weights that were trained once for all of them; trains the best in earnest.

    1. Mappings are evaluated with training `one_shot`: every one if there are at most `probes`,
       neighbours together; otherwise that many, proposed by NSGA-II on (cost, drop).
    2. Their front of cost objectives and loss is found.
    3. Points of the front are evaluated with the problem's training. Where the drop is an objective,
       `points` of them, evenly spread; otherwise from the cheapest one that holds with one-shot weights
       towards cheaper ones while they hold, or dearer ones until one does.

    After one-shot architecture search (Guo et al., ECCV 2020; for analog layers MPS, Nature
    Communications 2026): one training shared by all candidates, then a search without training. Ours
    departs from MPS: mappings are enumerated or searched by NSGA-II, not learned by gradient.

    Args:
        probes: one-shot evaluations.
        points: of the front, trained where the drop is an objective.
    """

    probes: int = 1024
    points: int = 12

    def __post_init__(self) -> None:
        for name in ("probes", "points"):
            if getattr(self, name) < 1:
                raise InputError(f"one_shot: {name}: got {getattr(self, name)}; must be at least 1")

    def search(self, problem: Problem, rng: np.random.Generator) -> Search:
        """One-shot candidates in one batch, or as NSGA-II proposes them; then one at a time."""
        enumerable = size(problem) <= self.probes
        probing = _enumerate(problem, rng) if enumerable else _evolve(problem, self.probes, rng)
        front = _front(problem, (yield from probing))
        if not front:
            return
        if "drop" in problem.objectives:
            spread = np.unique(np.linspace(0, len(front) - 1, self.points).round().astype(int))
            yield [problem.pretrained(front[k].mapping) for k in spread]
            return
        holding = [k for k, point in enumerate(front) if point.feasible]
        start = holding[0] if holding else len(front) - 1
        [result] = yield [problem.pretrained(front[start].mapping)]
        held = result.feasible
        for point in reversed(front[:start]) if held else front[start + 1 :]:
            [result] = yield [problem.pretrained(point.mapping)]
            if result.feasible != held:
                return


def _enumerate(problem: Problem, rng: np.random.Generator) -> Probing:
    mappings = list(every_mapping(problem))
    blocks = [mappings[k : k + NEIGHBOURS] for k in range(0, len(mappings), NEIGHBOURS)]
    order = [one for k in rng.permutation(len(blocks)) for one in blocks[k]]
    answers = yield [trained(problem, problem.pretrained(one), "one_shot") for one in order]
    return list(answers)


def _evolve(problem: Problem, probes: int, rng: np.random.Generator) -> Probing:
    """NSGA-II on the first cost objective and the drop, without a limit on the drop."""
    objectives: tuple[Objective, ...] = (cost_objectives(problem)[0], "drop")
    limit = replace(problem.accuracy_limit, max_drop=1.0)
    open_ended = replace(problem, objectives=objectives, accuracy_limit=limit)
    search = Optuna("NSGAIISampler").search(open_ended, rng)
    found: list[Evaluation] = []
    try:
        batch = next(search)
        while len(found) < probes:
            answers = yield [trained(problem, one, "one_shot") for one in batch]
            found.extend(answers)
            pairs = zip(batch, answers, strict=True)
            batch = search.send([open_ended.evaluation(one, got.accuracy) for one, got in pairs])
    finally:
        search.close()
    return found


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

"""ODiMO-like: gradient descent chooses the target of each unit, with the cost in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.questions import LearnedShares
from lionheart_opt.space import analog_moves
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.pricing import price
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class Odimo:
    """ODiMO (Risso et al., ISLPED 2023, arXiv 2306.05060; IEEE TCAD 2025, arXiv 2409.18566).

    Weights are trained together with the share of each unit that runs analog, on the loss plus
    `strength` times the expected cost; each unit then runs where its share is larger. Every strength
    gives a mapping, together a front; each is evaluated with the problem's training.

    Ours departs from the papers: shares are of whole units, not of output channels (LionHeart finds
    that splitting channels lowers the use of analog tiles); the analog side is the oracle's noisy
    forward pass instead of ternary weights; there is no temperature; each mapping is trained from the
    pretrained network instead of from the shared weights, as for all strategies. The cost is the first
    cost objective relative to all-digital, its terms between units included; a unit chooses between
    the host and its first analog target.

    Args:
        strengths: of the cost in the loss.
    """

    strengths: Sequence[float] = (0.03, 0.1, 0.3, 1.0, 3.0)

    def __post_init__(self) -> None:
        if not self.strengths or min(self.strengths) < 0:
            raise InputError(
                f"odimo: strengths: got {list(self.strengths)}; must be one or more, none below 0"
            )

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """One question and one candidate for each strength, the smallest first; `rng` is not used."""
        if not analog_moves(problem):
            return
        for strength in sorted(self.strengths):
            shares = problem.ask(question(problem, strength)).values["share"]
            analog = {
                unit: problem.analog_target(unit) for unit, share in shares.items() if share > 0.5
            }
            yield [problem.pretrained(problem.mapping(analog))]


def question(problem: Problem, strength: float) -> LearnedShares:
    """What to ask the oracle: costs relative to all-digital, of units and of pairs of units."""
    costs = Additive.of(problem)
    scale = price(problem, problem.all_digital)
    host = costs.targets.index(problem.system.host)
    sides = {
        costs.units.index(unit): [host, costs.targets.index(problem.analog_target(unit))]
        for unit, _ in analog_moves(problem)
    }
    prices = {k: costs.unit[k, targets, 0] / scale for k, targets in sides.items()}
    pairs = []
    for (one, two), of_targets in zip(costs.pairs.tolist(), costs.pair[..., 0], strict=True):
        table = of_targets[np.ix_(sides.get(one, [host]), sides.get(two, [host]))] / scale
        if one in sides and two in sides:
            together = (costs.units[one], costs.units[two], *table.ravel().tolist())
            pairs.append(together)
        elif one in sides or two in sides:  # the other one stays on the host
            prices[one if one in sides else two] += table.ravel()
    return LearnedShares(
        prices={costs.units[k]: (float(a), float(b)) for k, (a, b) in prices.items()},
        pairs=tuple(pairs),
        strength=strength,
    )

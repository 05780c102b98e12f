"""Like ODiMO: gradient descent chooses the target of each unit, with the cost in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.questions import LearnedShares
from lionheart_opt.space import analog_units
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.intervals import refuse_maximum
from lionheart_opt.strategies.parts.pricing import price
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class Odimo:
    """ODiMO (Risso et al., ISLPED 2023, arXiv 2306.05060; IEEE TCAD 2025, arXiv 2409.18566).

    Weights are trained together with the share of each unit that runs analog, on the loss plus
    `strength` times the expected cost. Each unit then runs where its share is larger, so that every
    strength gives a mapping, and all of them a front. Each mapping is evaluated with the problem's
    training.

    The cost is the first cost objective relative to all-digital, with its terms for pairs of units. It
    is an approximation where costs are not additive. Where crossbars take turns, each unit pays its share
    of what all-analog programs. A unit chooses between the host and its first
    analog target.

    It departs from the papers as follows. Shares are of whole units, not of output channels (LionHeart
    finds that splitting channels lowers the use of analog tiles). The analog side is the oracle's noisy
    forward pass instead of ternary weights. There is no temperature. Each mapping is trained from the
    pretrained network, as by all strategies, instead of from the shared weights.

    Args:
        strengths: Weights of the cost in the loss, one mapping for each.

    Raises:
        InputError: There is no strength, or one is below 0.
    """

    strengths: Sequence[float] = (0.03, 0.1, 0.3, 1.0, 3.0)

    def __post_init__(self) -> None:
        if not self.strengths or min(self.strengths) < 0:
            raise InputError(
                f"odimo: strengths: got {list(self.strengths)}; must be one or more, none below 0"
            )

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """One question and one candidate for each strength, the smallest first; `rng` is not used.

        Raises:
            InputError: The oracle does not learn shares, or the cost is an interval that is no sum.
        """
        if not analog_units(problem):
            return
        for strength in sorted(self.strengths):
            shares = problem.ask(question(problem, strength)).values["share"]
            analog = [unit for unit, share in shares.items() if share > 0.5]
            yield [problem.pretrained(problem.analog(analog))]


def question(problem: Problem, strength: float) -> LearnedShares:
    """The question for the oracle: costs of units and of pairs of units, relative to all-digital.

    Raises:
        InputError: The cost is an interval that is no sum, see `refuse_maximum`.
    """
    costs = Additive.of(problem)
    refuse_maximum(costs)
    scale = price(problem, problem.all_digital)
    host = costs.targets.index(problem.system.host)
    sides = {
        costs.units.index(unit): [host, costs.targets.index(problem.analog_target(unit))]
        for unit in analog_units(problem)
    }
    units = costs.unit
    if costs.turns is not None:
        units = units + costs.turns.shares(costs.allowed)
    prices = {unit: units[unit, targets, 0] / scale for unit, targets in sides.items()}
    pairs = []
    for (first, second), pair in zip(costs.pairs.tolist(), costs.pair[..., 0], strict=True):
        table = pair[np.ix_(sides.get(first, [host]), sides.get(second, [host]))] / scale
        if first in sides and second in sides:
            pairs.append((costs.units[first], costs.units[second], *table.ravel().tolist()))
        elif first in sides or second in sides:  # the other unit stays on the host
            prices[first if first in sides else second] += table.ravel()
    return LearnedShares(
        prices={
            costs.units[unit]: (float(digital), float(analog))
            for unit, (digital, analog) in prices.items()
        },
        pairs=tuple(pairs),
        strength=strength,
    )

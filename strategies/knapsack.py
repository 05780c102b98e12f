"""Knapsack: a sensitivity profile, an exact integer programme, and the oracle to correct both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.integer_programme import IntegerProgramme
from lionheart_opt.strategies.parts.loss_model import LossModel
from lionheart_opt.strategies.parts.pricing import broken, cost_objectives, value
from lionheart_opt.strategies.parts.sensitivity import profile
from lionheart_opt.strategy import Proposals

#: LionHeart's thresholds (section IV-B4).
THRESHOLDS = (0.005, 0.01, 0.03, 0.05, 0.1)
#: Where costs are not additive, the programme may be wrong about them this often.
MAX_UNFIT = 100
#: A profile is taken to overestimate losses at most this much.
MAX_SLACK = 64.0


@dataclass(frozen=True)
class Knapsack:
    """Cheapest mapping whose predicted loss holds, verified, corrected and solved again.

    1. The profile gives each move a loss; losses are taken to add up (ln of accuracy, as `log_loss`).
    2. An integer programme finds the mapping of least cost whose predicted loss holds: crossing terms,
       tile capacities and cost limits included.
    3. The oracle verifies it with the problem's training. What it finds updates the losses (Bayesian
       linear regression around the profile, one common factor for what training recovers); a mapping
       that fails is cut off; one that holds is the bound for the next.
    4. It ends when the programme finds nothing cheaper.

    Where the drop is an objective this is done for several thresholds, each of the cost objectives in
    turn, with one model: an approximation of the whole front.

    Sources: sensitivity to integer programme is HAWQ-V3 (Yao et al., ICML 2021) for bit widths; we take
    measured losses instead of Hessians, add crossing terms, and close the loop with the oracle.

    Args:
        profile: training with which sensitivities are measured.
        thresholds: drops to solve for, besides the limit; used where the drop is an objective.
        min_gain: smallest improvement of the cost that is worth asking the oracle, relative.
    """

    profile: Training = "none"
    thresholds: Sequence[float] = THRESHOLDS
    min_gain: float = 0.005

    def __post_init__(self) -> None:
        if not all(0 < one <= 1 for one in self.thresholds):
            raise InputError(
                f"knapsack: thresholds: got {list(self.thresholds)}; must be in (0, 1]"
            )
        if not 0 < self.min_gain < 1:
            raise InputError(f"knapsack: min_gain: got {self.min_gain}; must be in (0, 1)")

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """The profile in one batch, then one candidate at a time; `rng` is not used."""
        measured = yield from profile(problem, self.profile)
        programme = IntegerProgramme(Additive.of(problem))
        model = LossModel(problem, measured)
        drops = {problem.accuracy_limit.max_drop}
        if "drop" in problem.objectives:
            drops |= {one for one in self.thresholds if one < max(drops)}
        for max_drop in sorted(drops, reverse=True):
            for quantity in range(len(cost_objectives(problem))):
                yield from self._solve(problem, programme, model, quantity, max_drop)

    def _solve(
        self,
        problem: Problem,
        programme: IntegerProgramme,
        model: LossModel,
        quantity: int,
        max_drop: float,
    ) -> Proposals:
        """Propose and learn until the programme has nothing cheaper for this threshold."""
        name = cost_objectives(problem)[quantity]
        unfit: list[Mapping] = []  # cheap enough only in the programme's approximation of the cost
        slack = 1.0
        while len(unfit) < MAX_UNFIT:
            holding = model.holding(max_drop)
            best = min((value(problem.cost(one), name) for one in holding), default=np.inf)
            below = best * (1.0 - self.min_gain)
            excluded = [*model.failing(max_drop), *unfit]
            losses = programme.costs.table(dict(zip(model.moves, model.mean(), strict=True)))
            max_loss = slack * model.max_loss(max_drop)
            proposal = programme.cheapest(quantity, losses, max_loss, below, excluded)
            if proposal is None and not holding:
                proposal = programme.least_loss(losses, excluded)
            if proposal is None:
                if model.is_fitted or slack > MAX_SLACK:
                    return
                slack *= 2.0  # the profile's training may lose much more than the problem's
                continue
            if broken(problem, proposal) or value(problem.cost(proposal), name) > below:
                unfit.append(proposal)
                continue
            [result] = yield [problem.pretrained(proposal)]
            model.learn(result)
            slack = 1.0

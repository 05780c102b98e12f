"""Knapsack: an integer programme over a sensitivity profile, corrected by the oracle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from lionheart_opt.cost import COST_OBJECTIVES, CostObjective
from lionheart_opt.errors import InputError
from lionheart_opt.limits import LIONHEART_THRESHOLDS
from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.crowds import crowds_of
from lionheart_opt.strategies.parts.integer_programme import IntegerProgramme
from lionheart_opt.strategies.parts.intervals import refuse_maximum
from lionheart_opt.strategies.parts.loss_model import PATIENCE, LossModel, caution
from lionheart_opt.strategies.parts.pipeline_programme import programme_of
from lionheart_opt.strategies.parts.pricing import cost_objectives, excess
from lionheart_opt.strategies.parts.screening import screened_moves
from lionheart_opt.strategies.parts.sensitivity import measure_moves
from lionheart_opt.strategies.parts.together import measure_together
from lionheart_opt.strategy import Proposals
from lionheart_opt.turns import regimes

#: Where costs are not additive, solving ends after so many mappings whose real costs do not fit.
MAX_UNFIT = 100
#: The same for each mapping that completes the profile, and by what share it may weigh more than the
#: lightest: there is no need to prove the last digits.
MAX_UNFIT_WEIGHTS, WEIGHT = 10, 0.05
#: The largest factor by which the profile is assumed to overestimate losses.
MAX_SLACK = 64.0
#: By what share of `min_gain` a proposal may cost more than the cheapest mapping.
TOLERANCE = 0.2


@dataclass(frozen=True)
class _Programme:
    """An integer programme, and what its mappings cost less than it says, at most."""

    exact: IntegerProgramme
    spared: dict[CostObjective, float]

    def cheapest(
        self,
        objective: CostObjective,
        losses: dict[tuple[str, str], float],
        max_loss: float,
        below: float,
        excluded: list[Mapping],
        tolerance: float,
    ) -> Mapping | None:
        """See `IntegerProgramme.cheapest`."""
        costs = self.exact.costs
        bound = below + self.spared[objective]
        number, table = costs.number(objective), costs.table(losses)
        return self.exact.cheapest(number, table, max_loss, bound, excluded, tolerance)

    def least_loss(
        self,
        losses: dict[tuple[str, str], float],
        excluded: list[Mapping],
        tolerance: float = 0.0,
    ) -> Mapping | None:
        """See `IntegerProgramme.least_loss`."""
        return self.exact.least_loss(self.exact.costs.table(losses), excluded, tolerance)

    def keep_apart(self, mappings: Iterable[Mapping]) -> None:
        """Exclude units of mappings that are on the same target without fitting there."""
        for mapping in mappings:
            self.exact.crowds.extend(crowds_of(self.exact.costs, mapping))


def _programmes(problem: Problem) -> list[_Programme]:
    """One for the costs of the problem; several where these are no sums, see `regimes`."""
    none_spared: dict[CostObjective, float] = dict.fromkeys(COST_OBJECTIVES, 0.0)
    if sums := regimes(problem):
        priced = [(Additive.of(each.problem), each.spared) for each in sums]
        return [
            _Programme(programme_of(replace(costs, allowed=_fitting(problem, costs))), spared)
            for costs, spared in priced
        ]
    costs = Additive.of(problem)
    refuse_maximum(costs)
    return [_Programme(programme_of(costs), none_spared)]


def _fitting(problem: Problem, costs: Additive) -> np.ndarray:
    """The allowed moves that fit alone: all crossbars of a matrix are used at once."""
    fitting = costs.allowed.copy()
    for row, column in np.argwhere(costs.allowed):
        moved = problem.all_digital.move(costs.units[row], costs.targets[column])
        fitting[row, column] = not problem.totals(moved).misfit
    return fitting


def _least_weight(
    problem: Problem, programmes: Sequence[_Programme], weights: dict[tuple[str, str], float]
) -> Mapping | None:
    """The mapping of the least sum of weights that keeps cost limits and capacities; None without one."""
    for programme in programmes:
        excluded: list[Mapping] = []
        while (mapping := programme.least_loss(weights, excluded, WEIGHT)) is not None:
            if not excess(problem, mapping):
                return mapping
            excluded.append(mapping)  # it keeps them in the programme's approximation only
            if len(excluded) > MAX_UNFIT_WEIGHTS:
                break
            programme.keep_apart([mapping])
    return None


@dataclass(frozen=True)
class Knapsack:
    """Solves for the cheapest mapping whose predicted loss holds, verifies it, corrects the prediction.

    1. The profile gives each move a loss. Losses are assumed to add up (in ln of accuracy, see
       `Metric.log_loss`). Moves that break a cost limit alone are measured in mappings that keep it, see
       `parts/together.py`.
    2. An integer programme finds the mapping of least cost whose predicted loss holds, with the costs of
       pairs of units, the tile capacities and the cost limits.
    3. The oracle verifies it with the problem's training. Its answer updates the losses (Bayesian linear
       regression around the profile, with one common factor for what training recovers). A mapping that
       fails is cut off; one that holds is the bound for the next.
    4. The search ends when the programme finds nothing cheaper.

    Where the drop is an objective, this is done for several thresholds and for each cost objective in
    turn, with one model, which approximates the whole front. Where costs are not additive, the programme
    works on an approximation, and only mappings whose real costs fit are verified. Where crossbars take
    turns, there is a programme for mappings that fit at once and one for the others; where a batch can be
    cut, there is one for each number of runs (`lionheart_opt/turns.py`). A pipeline that is replicated
    under a budget has a programme of its own, see `parts/pipeline_programme.py`.

    Going from sensitivities to an integer programme is HAWQ-V3 (Yao et al., ICML 2021), for bit widths.
    This strategy departs from it: losses are measured instead of derived from Hessians, pairs of units
    have costs, and the oracle closes the loop.

    Args:
        profile: Training with which the losses of single units are measured.
        thresholds: Largest drops to solve for besides the limit's; used where the drop is an objective.
        min_gain: Least relative improvement of the cost for which the oracle is asked.
        screen: Whether to estimate the profile from how far each unit moves the network's outputs on a
            single chip, see `parts/screening.py`.

    Raises:
        InputError: A threshold is not in (0, 1], or `min_gain` is not in (0, 1).
    """

    profile: Training = "none"
    thresholds: Sequence[float] = LIONHEART_THRESHOLDS
    min_gain: float = 0.005
    screen: bool = False

    def __post_init__(self) -> None:
        if not all(0 < threshold <= 1 for threshold in self.thresholds):
            raise InputError(
                f"knapsack: thresholds: got {list(self.thresholds)}; must be in (0, 1]"
            )
        if not 0 < self.min_gain < 1:
            raise InputError(f"knapsack: min_gain: got {self.min_gain}; must be in (0, 1)")

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """The profile in one batch, then one candidate at a time; `rng` is not used."""
        measuring = screened_moves if self.screen else measure_moves
        programmes = _programmes(problem)
        profile = yield from measuring(problem, self.profile, "profile")
        if profile.unmeasured:
            find = partial(_least_weight, problem, programmes)
            profile = yield from measure_together(problem, self.profile, profile, find)
        model = LossModel(problem, profile)
        limit = problem.accuracy_limit.max_drop
        drops = {limit}
        if "drop" in problem.objectives:
            drops |= {threshold for threshold in self.thresholds if threshold < limit}
        for max_drop in sorted(drops, reverse=True):
            for objective in cost_objectives(problem):
                yield from self._solve(problem, programmes, model, objective, max_drop)

    def _solve(
        self,
        problem: Problem,
        programmes: Sequence[_Programme],
        model: LossModel,
        objective: CostObjective,
        max_drop: float,
    ) -> Proposals:
        """Propose and learn until the programmes find nothing cheaper for this threshold."""
        unfit: list[Mapping] = []  # cheap enough in the programme's approximation of the cost only
        slack, failures = 1.0, 0
        while len(unfit) < MAX_UNFIT:
            holding = model.holding(max_drop)
            best = min(
                (problem.totals(mapping).value(objective) for mapping in holding), default=np.inf
            )
            below = best * (1.0 - self.min_gain)
            excluded = [*model.failing(max_drop), *unfit]
            losses = dict(zip(model.moves, model.mean(), strict=True))
            max_loss = caution(failures) * slack * model.max_loss(max_drop)
            tolerance = TOLERANCE * self.min_gain
            proposals = {
                mapping
                for each in programmes
                if (
                    mapping := each.cheapest(
                        objective, losses, max_loss, below, excluded, tolerance
                    )
                )
            }
            proposal = min(
                proposals,
                key=lambda mapping: problem.totals(mapping).value(objective),
                default=None,
            )
            if proposal is None and failures > PATIENCE:
                failures = 0
                continue
            if proposal is None and not holding:
                proposal = next(
                    filter(None, (each.least_loss(losses, excluded) for each in programmes)), None
                )
            if proposal is None:
                if model.is_fitted or slack > MAX_SLACK:
                    return
                slack *= 2.0  # the profile's training may lose much more than the problem's
                continue
            if excess(problem, proposal) or problem.totals(proposal).value(objective) > below:
                unfit.append(proposal)
                for each in programmes:
                    each.keep_apart({proposal, *proposals})
                continue
            [evaluation] = yield [problem.pretrained(proposal)]
            model.learn(evaluation)
            slack = 1.0
            failures = 0 if proposal in model.holding(max_drop) else failures + 1

"""A Bayesian second-order model of the loss, searched by Thompson sampling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.space import size
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.annealing import Sums, anneal
from lionheart_opt.strategies.parts.crowds import crowds_of
from lionheart_opt.strategies.parts.intervals import refuse_maximum
from lionheart_opt.strategies.parts.loss_model import PATIENCE, LossModel, caution
from lionheart_opt.strategies.parts.pricing import cost_objectives, excess
from lionheart_opt.strategies.parts.screening import screened_moves
from lionheart_opt.strategies.parts.sensitivity import measure_moves
from lionheart_opt.strategies.parts.turns import ROUNDING
from lionheart_opt.strategy import Proposals

#: Largest number of mappings that are enumerated.
EXHAUSTIVE = 2**16


@dataclass(frozen=True)
class Quadratic:
    """Draws the losses of units and pairs from a posterior, and evaluates the best mapping under them.

    1. The profile and then all-analog start the model. In it, losses of units and of pairs of units add
       up, with Gaussian priors around the profile and around 0.
    2. A draw from the posterior is taken for the truth. The cheapest mapping whose loss holds under it
       is evaluated, and the model learns the answer. Up to 2^16 mappings are enumerated; larger spaces
       are searched by annealing.
    3. After three failures in a row the next proposals keep a distance to the limit, as in `knapsack`.
    4. The search ends when `patience` draws in a row give no new mapping that is cheaper than those that
       hold.

    Where the drop is an objective, each draw has a threshold of its own, log-uniform up to the limit.
    With several cost objectives, each draw picks one at random. Where costs are not additive, mappings
    are compared by an approximation, and only those whose real costs fit are evaluated. What turns out
    not to fit on shared crossbars is not put together again.

    The method is BOCS (Baptista and Poloczek, ICML 2018): second-order Bayesian regression over binary
    vectors and Thompson sampling. It departs from BOCS as follows. The regression models the constraint,
    because the cost is known. The prior is Gaussian around a profile instead of a horseshoe. Enumeration
    and annealing take the place of semidefinite programming.

    Args:
        profile: Training with which the losses of single units are measured.
        patience: Number of draws in a row without a proposal after which the search ends.
        min_gain: Least relative improvement of the cost for which the oracle is asked.
        screen: Whether to estimate the profile from divergences, as in `knapsack`.

    Raises:
        InputError: `patience` is not positive, or `min_gain` is not in [0, 1).
    """

    profile: Training = "none"
    patience: int = 20
    min_gain: float = 0.005
    screen: bool = False

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise InputError(f"quadratic: patience: got {self.patience}; must be at least 1")
        if not 0 <= self.min_gain < 1:
            raise InputError(f"quadratic: min_gain: got {self.min_gain}; must be in [0, 1)")

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """The profile in one batch, then one candidate at a time."""
        costs = Additive.of(problem)
        refuse_maximum(costs)
        measuring = screened_moves if self.screen else measure_moves
        profile = yield from measuring(problem, self.profile, "profile")
        model = LossModel(problem, profile, interactions=True)
        optimiser = _Optimiser(costs, model)
        evaluated: set[Mapping] = set()
        proposal: Mapping | None = problem.all_analog
        misses = failures = 0
        while misses < self.patience:
            if proposal is None or proposal in evaluated:
                misses += 1
                if failures > PATIENCE:  # nothing is left so far from the limit
                    failures = 0
            elif excess(problem, proposal):  # it fits only in the approximation of the costs
                misses += not optimiser.keep_apart(proposal)
                optimiser.close(proposal)
            else:
                misses = 0
                evaluated.add(proposal)
                optimiser.close(proposal)
                [evaluation] = yield [problem.pretrained(proposal)]
                model.learn(evaluation)
                holds = proposal in model.holding(problem.accuracy_limit.max_drop)
                failures = 0 if holds else failures + 1
            proposal = self._propose(problem, optimiser, model, rng, caution(failures))

    def _propose(
        self,
        problem: Problem,
        optimiser: _Optimiser,
        model: LossModel,
        rng: np.random.Generator,
        share: float,
    ) -> Mapping | None:
        """The best mapping under one draw, if its cost is worth an evaluation.

        Args:
            problem: The problem.
            optimiser: Finds mappings.
            model: Predicts losses.
            rng: Draws the losses.
            share: Share of the largest loss that a mapping may have.
        """
        max_drop = problem.accuracy_limit.max_drop
        if "drop" in problem.objectives:
            max_drop *= float(10.0 ** -rng.uniform(0.0, 2.0))
        objectives = cost_objectives(problem)
        quantity = int(rng.integers(len(objectives)))

        def cost(mapping: Mapping) -> float:
            return problem.totals(mapping).value(objectives[quantity])

        best = min(map(cost, model.holding(max_drop)), default=np.inf)
        proposal = optimiser.best(quantity, share * model.max_loss(max_drop), rng)
        if proposal is None or cost(proposal) > best * (1.0 - self.min_gain):
            return None
        return proposal


class _Optimiser:
    """Finds the cheapest new mapping under one draw of the model."""

    def __init__(self, costs: Additive, model: LossModel) -> None:
        self.costs = costs
        self.model = model
        self._units = np.array([costs.units.index(unit) for unit, _ in model.moves], int)
        self._targets = np.array([costs.targets.index(target) for _, target in model.moves], int)
        self._open: np.ndarray | None = None
        self._crowds: list[np.ndarray] = []
        if size(costs.problem) <= EXHAUSTIVE:
            every = costs.every()
            self._open = every[costs.keeps_limits(every, costs.values(every))]
            self.close(costs.problem.all_digital)  # its accuracy is the baseline

    def close(self, mapping: Mapping) -> None:
        """Do not propose the mapping again; has no effect where the space is annealed."""
        if self._open is not None:
            [row] = self.costs.encode([mapping])
            self._open = self._open[(self._open != row).any(axis=1)]

    def keep_apart(self, mapping: Mapping) -> bool:
        """Learn which units of a mapping do not fit together; whether there are any."""
        crowds = crowds_of(self.costs, mapping)
        for crowd in crowds:
            members = self.costs.table(dict.fromkeys(crowd, 1.0)) > 0
            self._crowds.append(members)
            if self._open is not None:
                units, targets = np.nonzero(members)
                together = (self._open[:, units] == targets).all(axis=1)
                self._open = self._open[~together]
        return bool(crowds)

    def best(self, quantity: int, max_loss: float, rng: np.random.Generator) -> Mapping | None:
        """The mapping of least cost whose loss under one draw is at most `max_loss`.

        The mapping of least loss where there is none, and None where all mappings are closed.
        """
        losses, pairs = self.model.sample(rng)
        if self._open is None:
            return self._annealed(quantity, losses, pairs, max_loss, rng)
        if not len(self._open):
            return None
        has = (self._open[:, self._units] == self._targets).astype(np.float32)
        drawn = has @ losses + ((has @ pairs.astype(np.float32)) * has).sum(axis=1)
        prices = np.where(drawn <= max_loss, self.costs.values(self._open)[:, quantity], np.inf)
        best = prices.argmin() if np.isfinite(prices).any() else drawn.argmin()
        return self.costs.decode(self._open[best])

    # --- spaces that are too large to enumerate ---------------------------------------------------

    def _annealed(
        self,
        quantity: int,
        losses: np.ndarray,
        pairs: np.ndarray,
        max_loss: float,
        rng: np.random.Generator,
    ) -> Mapping:
        """As `best`, by annealing.

        The sums are the cost, the loss, what has a limit, and crossbars that take turns.
        """
        digital = self.costs.encode([self.costs.problem.all_digital])
        scale = 1.0 / float(self.costs.values(digital)[0, quantity])
        most = max(max_loss, 1e-3)
        limited, bounds = self._limits
        if self._crowds:  # at most all but one of them
            kept = np.array([members[tuple(self._choices.T)] for members in self._crowds]).T
            sizes = kept.sum(axis=0)
            limited = Sums(choices=np.hstack([limited.choices, kept / sizes]), pairs=limited.pairs)
            bounds = np.concatenate([bounds, 1.0 - 0.5 / sizes])
        loss = np.zeros((len(self._choices), 1))
        loss[self._moves, 0] = losses / most
        tables = {2 + number: table for number, table in limited.pairs.items()}
        if (priced := self._pair_table(quantity)) is not None:
            tables[0] = scale * priced
        if pairs.any():
            tables[1] = np.zeros((len(self._choices), len(self._choices)))
            tables[1][np.ix_(self._moves, self._moves)] = (pairs + pairs.T) / most
        price = scale * self.costs.unit[..., quantity][tuple(self._choices.T)][:, None]
        limits, turns = self.costs.problem.cost_limits, self.costs.turns
        numbers = [self.costs.number(name) for name in limits]

        def energy(values: np.ndarray) -> np.ndarray:
            prices, used = values[:, 0], values[:, 2 : 2 + len(bounds)]
            if turns is not None:
                added = turns.of(values[:, 2 + len(bounds) :])
                prices = prices + scale * added[:, quantity]
                used = used.copy()
                used[:, : len(limits)] += added[:, numbers] / np.array([*limits.values()])
            too_lossy = np.maximum(values[:, 1] - 1.0, 0.0)
            beyond = np.maximum(used - bounds, 0.0).sum(axis=1)
            # Larger than any saving, and less where less is to be put right.
            penalty = 2.0 * too_lossy + 0.2 * (too_lossy > 0) + 5.0 * (beyond + (beyond > 0))
            total: np.ndarray = prices + penalty
            return total

        sums = Sums(choices=np.hstack([price, loss, limited.choices, self._turning]), pairs=tables)
        return self.costs.decode(anneal(sums, energy, self.costs.allowed, rng))

    @cached_property
    def _choices(self) -> np.ndarray:
        """Unit and target of each choice, shape (n_choices, 2)."""
        return np.argwhere(self.costs.allowed)

    @cached_property
    def _numbers(self) -> np.ndarray:
        """Number of the choice of each unit and target, shape (n_units, n_targets)."""
        numbers = np.zeros(self.costs.allowed.shape, dtype=np.intp)
        numbers[self.costs.allowed] = np.arange(len(self._choices))
        return numbers

    @cached_property
    def _moves(self) -> np.ndarray:
        """Number of the choice of each move of the model, shape (n_moves,)."""
        moves: np.ndarray = self._numbers[self._units, self._targets]
        return moves

    @cached_property
    def _turning(self) -> np.ndarray:
        """Crossbars of each choice that take turns on each target, shape (n_choices, n_targets or 0)."""
        if self.costs.turns is None:
            return np.zeros((len(self._choices), 0))
        units, targets = self._choices.T
        on_target = targets[:, None] == np.arange(len(self.costs.targets))
        return np.where(on_target, self.costs.turns.needed[units], 0.0)

    @cached_property
    def _limits(self) -> tuple[Sums, np.ndarray]:
        """What has a limit, and the limits without the part that no mapping changes."""
        costs, problem = self.costs, self.costs.problem
        columns: list[np.ndarray] = []
        bounds: list[float] = []
        pairs: dict[int, np.ndarray] = {}
        for name, limit in problem.cost_limits.items():
            number = costs.number(name)
            if (table := self._pair_table(number)) is not None:
                pairs[len(columns)] = table / limit
            columns.append(costs.unit[..., number][tuple(self._choices.T)] / limit)
            bounds.append(1.0 - costs.fixed[number] / limit)
        for number, target in enumerate(costs.targets):
            capacity = problem.system.target(target).tiles
            if capacity is not None:
                on_target = self._choices[:, 1] == number
                tiles = np.where(on_target, costs.tiles[self._choices[:, 0], number], 0.0)
                columns.append(tiles / max(capacity, 1))
                bounds.append((capacity + ROUNDING) / max(capacity, 1))
        table = np.array(columns).reshape(-1, len(self._choices)).T
        return Sums(choices=table, pairs=pairs), np.array(bounds)

    def _pair_table(self, quantity: int) -> np.ndarray | None:
        """What each pair of choices costs, shape (n_choices, n_choices); None where no pair does."""
        if not self.costs.pair[..., quantity].any():
            return None
        table = np.zeros((len(self._choices), len(self._choices)))
        allowed = self.costs.allowed
        for (first, second), pair in zip(self.costs.pairs, self.costs.pair, strict=True):
            rows, columns = np.flatnonzero(allowed[first]), np.flatnonzero(allowed[second])
            where = np.ix_(self._numbers[first, rows], self._numbers[second, columns])
            table[where] += pair[np.ix_(rows, columns)][..., quantity]
        return table + table.T

"""A Bayesian second-order model of the loss, searched by Thompson sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.space import size
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.annealing import anneal
from lionheart_opt.strategies.parts.loss_model import LossModel
from lionheart_opt.strategies.parts.pricing import broken, cost_objectives, value
from lionheart_opt.strategies.parts.sensitivity import profile
from lionheart_opt.strategy import Proposals

#: Spaces up to this size are enumerated.
EXHAUSTIVE = 2**16


@dataclass(frozen=True)
class Quadratic:
    """Draws a loss of all units and pairs from what is known, and asks for the best mapping under it.

    1. The profile, then all-analog, start the model: losses of units and of pairs of units add up, with
       Gaussian priors around the profile and around 0.
    2. A draw from the posterior is taken for the truth: the cheapest mapping whose loss holds is asked
       for (all mappings are enumerated up to 2^16, annealed above), and the answer is learned.
    3. It ends when `patience` draws in a row offer nothing that is new and cheaper than what holds.

    Where the drop is an objective, each draw has a threshold of its own, log-uniform up to the limit;
    with several cost objectives, one of them by lot.

    After BOCS (Baptista and Poloczek, ICML 2018): second-order Bayesian regression over binary vectors
    and Thompson sampling. Ours departs from it: the cost is known exactly and is not modelled, the
    model is that of the constraint; the prior is Gaussian around a profile instead of a horseshoe;
    enumeration and annealing instead of semidefinite programming.

    Args:
        profile: training with which sensitivities are measured.
        patience: draws in a row without a proposal after which it ends.
        min_gain: smallest improvement of the cost that is worth asking the oracle, relative.
    """

    profile: Training = "none"
    patience: int = 20
    min_gain: float = 0.005

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise InputError(f"quadratic: patience: got {self.patience}; must be at least 1")
        if not 0 <= self.min_gain < 1:
            raise InputError(f"quadratic: min_gain: got {self.min_gain}; must be in [0, 1)")

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """The profile in one batch, then one candidate at a time."""
        measured = yield from profile(problem, self.profile)
        model = LossModel(problem, measured, interactions=True)
        optimiser = _Optimiser(Additive.of(problem), model)
        asked: set[Mapping] = set()
        proposal: Mapping | None = problem.all_analog
        misses = 0
        while misses < self.patience:
            if proposal is None or proposal in asked or broken(problem, proposal):
                misses += 1
            else:
                misses = 0
                asked.add(proposal)
                optimiser.close(proposal)
                [result] = yield [problem.pretrained(proposal)]
                model.learn(result)
            proposal = self._propose(problem, optimiser, model, rng)

    def _propose(
        self, problem: Problem, optimiser: _Optimiser, model: LossModel, rng: np.random.Generator
    ) -> Mapping | None:
        """The best mapping under one draw, if it is worth asking for."""
        max_drop = problem.accuracy_limit.max_drop
        if "drop" in problem.objectives:
            max_drop *= float(10.0 ** -rng.uniform(0.0, 2.0))
        names = cost_objectives(problem)
        quantity = int(rng.integers(len(names)))
        holding = model.holding(max_drop)
        best = min((value(problem.cost(one), names[quantity]) for one in holding), default=np.inf)
        proposal = optimiser.best(quantity, model.max_loss(max_drop), rng)
        if proposal is None:
            return None
        cheaper = value(problem.cost(proposal), names[quantity]) <= best * (1.0 - self.min_gain)
        return proposal if cheaper else None


class _Optimiser:
    """Finds the cheapest new mapping under one draw of the model."""

    def __init__(self, costs: Additive, model: LossModel) -> None:
        self.costs = costs
        self.model = model
        self._units = np.array([costs.units.index(unit) for unit, _ in model.moves], int)
        self._targets = np.array([costs.targets.index(target) for _, target in model.moves], int)
        self._open: np.ndarray | None = None
        if size(costs.problem) <= EXHAUSTIVE:
            every = costs.every()
            self._open = every[costs.keeps_limits(every, costs.values(every))]
            self.close(costs.problem.all_digital)  # known without asking

    def close(self, mapping: Mapping) -> None:
        """Never propose it again (where mappings are enumerated)."""
        if self._open is not None:
            [row] = self.costs.encode([mapping])
            self._open = self._open[(self._open != row).any(axis=1)]

    def best(self, quantity: int, max_loss: float, rng: np.random.Generator) -> Mapping | None:
        """Least cost where the drawn loss holds; least loss if it holds nowhere; None if all is known."""
        losses, pairs = self.model.sample(rng)
        digital = self.costs.encode([self.costs.problem.all_digital])
        scale = float(self.costs.values(digital)[0, quantity])

        def loss(assignments: np.ndarray) -> np.ndarray:
            on = (assignments[:, self._units] == self._targets).astype(np.float32)
            total: np.ndarray = on @ losses + ((on @ pairs.astype(np.float32)) * on).sum(axis=1)
            return total

        def energy(assignments: np.ndarray) -> np.ndarray:
            values = self.costs.values(assignments)
            excess = np.maximum(loss(assignments) / max(max_loss, 1e-3) - 1.0, 0.0)
            broken = ~self.costs.keeps_limits(assignments, values)
            # Larger than any saving, but passable on the way.
            return values[:, quantity] / scale + 2.0 * excess + 5.0 * broken

        if self._open is None:
            return self.costs.decode(anneal(energy, self.costs.allowed, rng))
        if not len(self._open):
            return None
        found = loss(self._open)
        price = np.where(found <= max_loss, self.costs.values(self._open)[:, quantity], np.inf)
        chosen = price.argmin() if np.isfinite(price).any() else found.argmin()
        return self.costs.decode(self._open[chosen])

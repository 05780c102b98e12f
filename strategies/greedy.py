"""Greedy search by MACs, by sensitivity, or by saving for sensitivity, forward or backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lionheart_opt.errors import unknown
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.problem import Problem
from lionheart_opt.space import by_macs_descending
from lionheart_opt.strategies.parts.pricing import (
    acceptable,
    cheapest_digital,
    other_targets,
    price,
)
from lionheart_opt.strategies.parts.sensitivity import measure_moves
from lionheart_opt.strategy import Proposals

Order = Literal["macs", "sensitivity", "saving_per_sensitivity"]
Start = Literal["all-digital", "all-analog"]


@dataclass(frozen=True)
class Greedy:
    """One pass over the units in a fixed order, forward from all-digital or backward from all-analog.

    Forward, each unit moves to its cheapest other target on which the limits hold. Backward, units move
    to their cheapest digital target, the last of the order first, until the limits hold (or to the end,
    where the drop is an objective).

    The order by MACs is LionHeart's (IEEE TETC 2025, section III), the order by saving for its loss is
    the greedy solution of the knapsack problem (Dantzig, Operations Research 5, 1957). Unlike
    LionHeart's search (`mac_greedy`), every candidate is trained from the floating-point network unless
    `progressive`, and forward steps that do not lower the first cost objective are left out.

    Args:
        order: Order of the units. `macs` takes the most MACs first, `sensitivity` the least loss of a
            unit alone, `saving_per_sensitivity` the most saving for its loss.
        start: Mapping that the pass starts from, `all-digital` or `all-analog`.
        progressive: Whether to train from the last accepted network (backward: from the last network)
            instead of from the floating-point network.
        profile: Training with which the losses of single units are measured; not used for `macs`.

    Raises:
        InputError: There is no such order or start.
    """

    order: Order = "saving_per_sensitivity"
    start: Start = "all-digital"
    progressive: bool = False
    profile: Training = "none"

    def __post_init__(self) -> None:
        if self.order not in get_args(Order):
            raise unknown("order", self.order, get_args(Order), "greedy")
        if self.start not in get_args(Start):
            raise unknown("start", self.start, get_args(Start), "greedy")

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """The profile in one batch, then one candidate at a time; `rng` is not used."""
        if self.order == "macs":
            units = [unit.name for unit in by_macs_descending(problem.workload, problem.units)]
        else:
            profile = yield from measure_moves(problem, self.profile)
            by_loss = self.order == "sensitivity"
            moves = profile.by_loss() if by_loss else profile.by_saving_per_loss()
            units = [unit for unit, _ in moves]
            units += [unit.name for unit in problem.units if unit.name not in units]
        if self.start == "all-digital":
            yield from self._forward(problem, units)
        else:
            yield from self._backward(problem, units)

    def _forward(self, problem: Problem, units: Sequence[str]) -> Proposals:
        kept = problem.pretrained(problem.all_digital)
        for unit in units:
            here = price(problem, kept.mapping)
            for target in other_targets(problem, kept.mapping, unit):
                mapping = kept.mapping.move(unit, target)
                if price(problem, mapping) >= here:
                    break
                trial = Candidate(mapping, parent=kept if self.progressive else None)
                [evaluation] = yield [trial]
                if acceptable(problem, kept.mapping, evaluation):
                    kept = trial
                    break

    def _backward(self, problem: Problem, units: Sequence[str]) -> Proposals:
        trial = problem.pretrained(problem.all_analog)
        for unit in reversed(units):
            target = cheapest_digital(problem, trial.mapping, unit)
            if target == trial.mapping[unit]:  # it has been on an engine from the start
                continue
            [evaluation] = yield [trial]
            if evaluation.feasible and "drop" not in problem.objectives:
                return
            mapping = trial.mapping.move(unit, target)
            trial = Candidate(mapping, parent=trial if self.progressive else None)
        yield [trial]

"""Harmonica-like: start all-analog, move the most sensitive unit to digital until the limit holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.pricing import cheapest_digital
from lionheart_opt.strategies.parts.sensitivity import profile
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class Harmonica:
    """Harmonica (IPDPS 2024) layer by layer, as LionHeart compares itself with it (section V).

    The all-analog network is trained once; every candidate starts from its weights. Ours departs from
    the paper in that the sensitivity is measured (the loss of each unit alone, programmed and drifted)
    instead of derived from the Hessian, and that whole units are moved instead of channels.

    Args:
        retrain: train each candidate from the all-analog weights (LionHeart's Harmonica_T); otherwise
            they are used as they are.
        profile: training with which sensitivities are measured.
    """

    retrain: bool = True
    profile: Training = "none"

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """The profile in one batch, then one candidate at a time; `rng` is not used.

        Ends when the limits hold; where the drop is an objective, when everything is digital.
        """
        measured = yield from profile(problem, self.profile)
        # Said, not left to the problem: "none" below must not be taken for the start's training too.
        start = problem.pretrained(problem.all_analog).with_training(problem.training)
        mapping = start.mapping
        trial = start
        for unit, _ in reversed(measured.by_loss()):
            [result] = yield [trial]
            if result.feasible and "drop" not in problem.objectives:
                return
            mapping = mapping.move(unit, cheapest_digital(problem, mapping, unit))
            trial = Candidate(mapping, parent=start, training=None if self.retrain else "none")
        yield [trial]

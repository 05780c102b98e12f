"""Like Harmonica: from all-analog, move the most sensitive units to digital until the limit holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.pricing import cheapest_digital
from lionheart_opt.strategies.parts.sensitivity import measure_moves
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class Harmonica:
    """Harmonica (IPDPS 2024) unit by unit, as LionHeart compares itself with it (TETC 2025, section V).

    The all-analog network is trained once, and every candidate starts from its weights. Units move to
    digital one after the other, the most sensitive first.

    It departs from the paper in two ways. The sensitivity is measured (the loss of each unit alone,
    programmed and drifted) instead of derived from the Hessian, and whole units move instead of
    channels.

    Args:
        retrain: Whether to train each candidate from the all-analog weights (LionHeart's Harmonica_T)
            instead of using these weights as they are.
        profile: Training with which the losses of single units are measured.
    """

    retrain: bool = True
    profile: Training = "none"

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """The profile in one batch, then one candidate at a time; `rng` is not used.

        It ends when the limits hold, or, where the drop is an objective, when everything is digital.
        """
        profile = yield from measure_moves(problem, self.profile)
        # The training is the problem's anyway; naming it keeps the digests of earlier records.
        start = problem.pretrained(problem.all_analog).with_training(problem.training)
        mapping = start.mapping
        trial = start
        for unit, _ in reversed(profile.by_loss()):
            [evaluation] = yield [trial]
            if evaluation.feasible and "drop" not in problem.objectives:
                return
            mapping = mapping.move(unit, cheapest_digital(problem, mapping, unit))
            trial = Candidate(mapping, parent=start, training=None if self.retrain else "none")
        yield [trial]

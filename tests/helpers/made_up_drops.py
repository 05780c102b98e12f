"""A made-up oracle that needs neither training nor torch, so that workers start quickly."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import lionheart_opt as lo
from lionheart_opt.digest import digest
from lionheart_opt.problem import Problem
from lionheart_opt.synthetic import synthetic_problem


@dataclass(frozen=True)
class MadeUp:
    """Drops that depend on mapping, draw and seed alone; an answer takes $PAUSE_S of real time."""

    times_s: tuple[float, ...] = field(default=(1.0, 86_400.0))

    @classmethod
    def from_study(cls, context: Any, settings: dict[str, Any]) -> MadeUp:
        return cls(**settings)

    def accuracy(self, candidate: Any, fidelity: Any, seed: int) -> lo.Accuracy:
        time.sleep(float(os.environ.get("PAUSE_S", "0")))
        draws = []
        for draw in range(*fidelity.draws):
            drop = 0.0
            for k, (unit, target) in enumerate(candidate.mapping.items()):
                if target == "tile":
                    dice = np.random.default_rng(int(digest([seed, draw, unit]), 16))
                    drop += 0.01 * (k + 1) + 0.002 * dice.normal()
            draws.append([drop / 2, drop])
        return lo.Accuracy(
            samples=0.9 - np.array(draws),
            times_s=self.times_s,
            baseline=0.9,
            training_s=7.0,
            evaluation_s=2.0 * len(draws),
        )


def light() -> Problem:
    """A problem whose searches load no torch, answered at once."""
    return replace(synthetic_problem(n_units=8), oracle=MadeUp())

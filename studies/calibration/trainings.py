"""A strategy that compares ways to train one mapping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.problem import Problem
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class Trainings:
    """All-analog without hardware-aware training, and with it."""

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """Two candidates; `rng` is not used."""
        candidate = problem.pretrained(problem.all_analog)
        yield [candidate.with_training("none"), candidate.with_training("full")]

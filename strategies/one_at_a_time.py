"""The sensitivity profile: what each unit alone loses on an analog target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.mapping import Training
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.sensitivity import profile
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class OneAtATime:
    """Evaluates each unit alone on each analog target.

    The perturbation profile of Lammie (IEEE CAL 2026, arXiv 2606.02672, stage 2), with the problem's own
    oracle in place of weight noise at t = 0.

    Args:
        training: how weights are obtained; `none` probes the pretrained network.
    """

    training: Training = "none"

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """One batch with a candidate for each (unit, analog target); `rng` is not used."""
        yield from profile(problem, self.training)

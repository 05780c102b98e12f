"""Each unit alone on an analog target: the measurements of a sensitivity profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.mapping import Training
from lionheart_opt.problem import Problem
from lionheart_opt.space import analog_units, neighbours
from lionheart_opt.strategies.parts.sensitivity import measure_moves, observed_drop, trained
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class OneAtATime:
    """Evaluates each unit alone on each analog target and, if asked for, pairs of units.

    Single units are the perturbation profile of Lammie (IEEE CAL 2026, arXiv 2606.02672, stage 2), with
    the problem's oracle in place of weight noise at t = 0. Pairs are measured by CLADO (arXiv
    2307.05657), all of them; here only those in which one unit reads the other's result.

    Args:
        training: Training of the weights; `none` probes the pretrained network.
        pairs: Whether to evaluate `lionheart_opt.space.neighbours` too, both units on their first
            analog targets.
    """

    training: Training = "none"
    pairs: bool = False

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """A batch with each (unit, analog target), then one with the pairs; `rng` is not used."""
        yield from measure_moves(problem, self.training, "training", observed_drop)
        if self.pairs and (pairs := neighbours(problem, analog_units(problem))):
            yield [
                trained(problem, problem.pretrained(problem.analog(pair)), self.training)
                for pair in pairs
            ]

"""Screened profiles: what may be screened, on which oracle, and what the measured groups say."""

from __future__ import annotations

import numpy as np

from lionheart_opt.accuracy import AccuracyOracle
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.screening import (
    FEWEST,
    MeasuresLoss,
    estimate_with_errors,
    most_measurements,
)
from lionheart_opt.space import analog_moves


def check_screening(problem: Problem, pairs: bool) -> None:
    """Refuse to screen where nothing is gained.

    Args:
        problem: The problem of the profile.
        pairs: Whether pairs of units are asked for, too.

    Raises:
        InputError: They are, or there are too few units.
    """
    most = max(map(len, _units_of_targets(problem).values()), default=0)
    if pairs:
        raise InputError("profile: screen: does not go with pairs, which need each unit alone")
    if most < FEWEST:
        raise InputError(
            f"profile: screen: {most} units can be analog; at least {FEWEST} are needed for it to save "
            "measurements; leave it out to measure each unit alone"
        )


def measuring_loss(oracle: object) -> AccuracyOracle:
    """The oracle that measures the loss.

    Raises:
        InputError: It cannot.
    """
    if not isinstance(oracle, MeasuresLoss):
        raise InputError(
            "profile: screen: the study's oracle does not measure the loss; an oracle that does: "
            '[oracle] kind = "hat"'
        )
    return oracle.measured_by_loss()


def screened_trials(problem: Problem) -> int:
    """The most measurements that a screened profile takes."""
    return sum(
        most_measurements(units) if len(units) >= FEWEST else len(units)
        for units in _units_of_targets(problem).values()
    )


def estimated_moments(
    problem: Problem, drops: dict[Mapping, np.ndarray]
) -> dict[tuple[str, str], tuple[float, float]]:
    """(unit, target) -> estimated drop, and its standard error times the root of the number of draws.

    For a unit that was measured alone, these are mean and standard deviation over draws.

    Args:
        problem: The problem of the profile.
        drops: Measured mapping -> drops, shape (n_draws,).
    """
    moments: dict[tuple[str, str], tuple[float, float]] = {}
    for target, units in _units_of_targets(problem).items():
        measured = {}
        for mapping, losses in drops.items():
            group = tuple(k for k, unit in enumerate(units) if mapping[unit] == target)
            if group and mapping == problem.mapping({units[k]: target for k in group}):
                measured[group] = losses
        if measured:
            losses, errors = estimate_with_errors(len(units), measured)
            deviations = errors * min(map(len, measured.values())) ** 0.5
            both = zip(losses.tolist(), deviations.tolist(), strict=True)
            moments |= {(unit, target): each for unit, each in zip(units, both, strict=True)}
    return moments


def _units_of_targets(problem: Problem) -> dict[str, list[str]]:
    """Analog target -> units that can run there, in execution order."""
    units: dict[str, list[str]] = {}
    for unit, target in analog_moves(problem):
        units.setdefault(target, []).append(unit)
    return units

"""Write what was fitted into the system files of a checkout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lionheart_opt.cost_models import systems
from lionheart_opt.fitting.least_squares import derivatives
from lionheart_opt.fitting.system_text import with_constants, with_uncertainty
from lionheart_opt.hardware.constants import Interval, Uncertainty
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System

#: Values of fitted constants by their full names, such as `software.simple_cycles`, and their intervals.
Constants = tuple[dict[str, float], dict[str, Interval]]
#: Half of an interval, in logarithms, of a constant of which nothing is known: a factor of 2,500.
UNKNOWN = 8.0
#: Shift of a constant, as a share of half its interval, up to which the shipped value stays.
SMALL = 0.5


def asked_to_write() -> bool:
    """Whether the command line says `--write`."""
    return "--write" in sys.argv[1:]


def settled(
    system: System,
    names: Sequence[str],
    logs: np.ndarray,
    half_widths: np.ndarray,
) -> Constants:
    """What the file holds of fitted constants: the values that it has if the fit does not move them.

    Records of searches are tied to the values. So a shift that is small beside the interval is none. A
    constant keeps the source that it has.

    Args:
        system: What the file holds.
        names: Full names of the constants.
        logs: Their logarithms after the fit.
        half_widths: Half of their intervals of 95 %, in logarithms.
    """
    start = logs_of(system, names)
    is_same = bool((np.abs(logs - start) < SMALL * half_widths).all())
    kept = [float(f"{value:.4g}") for value in np.exp(logs)]
    if is_same:
        kept = [system.constant(name) for name in names]
    values = dict(zip(names, kept, strict=True))
    before = system.intervals
    return values, {
        name: Interval(
            low=value / width,
            high=value * width,
            source=before[name].source if name in before else None,
        )
        for (name, value), width in zip(values.items(), np.exp(half_widths).tolist(), strict=True)
    }


def logs_of(system: System, names: Sequence[str]) -> np.ndarray:
    """Logarithms of constants of a system, by their full names."""
    return np.log([system.constant(name) for name in names])


def with_logs(system: System, names: Sequence[str], logs: np.ndarray) -> System:
    """The system with other values of constants, given by their logarithms."""
    return system.with_constants(dict(zip(names, np.exp(logs).tolist(), strict=True)))


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """How far predictions are off.

    Args:
        sd: Standard deviation of the logarithms of predicted / published.
        degrees: Degrees of freedom that it rests on.
    """

    sd: float
    degrees: float

    @staticmethod
    def of(errors: np.ndarray, n_constants: int) -> Scatter:
        """That of some logarithms of predicted / published, of which constants are fitted to some."""
        degrees = len(errors) - n_constants
        return Scatter(sd=float(np.sqrt((errors**2).sum() / degrees)), degrees=degrees)

    @property
    def half_width(self) -> float:
        """Logarithm of the factor within which 95 % of the results lie."""
        from scipy.stats import t

        return float(t.ppf(0.975, self.degrees) * self.sd)

    @property
    def factor(self) -> float:
        """The factor within which 95 % of the results lie."""
        return float(np.exp(self.half_width))

    def __str__(self) -> str:
        return f"{self.sd:.1%} with {self.degrees:.3g} degrees of freedom"


def covariance_of(
    errors: Callable[[System], np.ndarray],
    system: System,
    names: Sequence[str],
    half_widths: np.ndarray,
    prior: np.ndarray,
) -> np.ndarray:
    """Covariance of constants as the file holds them, in logarithms; squares of half intervals of 95 %.

    Args:
        errors: System -> logarithms of predicted / published, shape (n_results,).
        system: What the file holds.
        names: Full names of the constants.
        half_widths: Half of the interval of 95 % of each result, shape (n_results,).
        prior: The same covariance without these results, shape (n_names, n_names).
    """
    jacobian = derivatives(
        lambda logs: errors(with_logs(system, names, logs)), logs_of(system, names)
    )
    gain = (
        prior @ jacobian.T @ np.linalg.inv(jacobian @ prior @ jacobian.T + np.diag(half_widths**2))
    )
    covariance: np.ndarray = prior - gain @ jacobian @ prior
    return covariance


def together(names: Sequence[str], covariance: np.ndarray) -> dict[str, Any]:
    """The part of `Uncertainty` that says how the errors of constants depend on each other.

    Args:
        names: Full names of the constants.
        covariance: Of their logarithms, in any unit, shape (n_names, n_names).
    """
    sd = np.sqrt(np.diag(covariance))
    return {
        "constants": tuple(names),
        "correlations": tuple(tuple(row) for row in (covariance / np.outer(sd, sd)).tolist()),
    }


def refit(name: str, fitted: Callable[[System], tuple[Constants, Uncertainty]]) -> None:
    """Fit the constants of a shipped system, and write or print them: what a script of a family does.

    Args:
        name: Name of the system.
        fitted: System -> its constants with their intervals, and what is known of them together.
    """
    constants, uncertainty = fitted(load_system(name))
    write(name, constants, uncertainty, is_written=asked_to_write())


def write(system: str, constants: Constants, uncertainty: Uncertainty, *, is_written: bool) -> None:
    """Put constants into the file of a shipped system, or print what it would hold.

    Args:
        system: Name of the system.
        constants: What was fitted.
        uncertainty: The table `[uncertainty]`.
        is_written: Whether the file is changed.
    """
    [folder] = systems.__path__
    path = Path(folder) / f"{system}.toml"
    text = path.read_text()
    for name, value in constants[0].items():
        block, key = name.rsplit(".", 1)
        text = with_constants(text, block, {key: value}, {key: constants[1][name]})
    text = with_uncertainty(text, uncertainty)
    if is_written:
        path.write_text(text)
        print(f"# wrote {path}")
    else:
        print(f"# {path}\n{text}")

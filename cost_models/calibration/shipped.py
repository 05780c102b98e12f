"""Write what was fitted into the system files of a checkout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lionheart_opt.cost_models import systems
from lionheart_opt.fitting.least_squares import Fitted
from lionheart_opt.fitting.system_text import with_constants, with_uncertainty
from lionheart_opt.hardware.constants import Interval, Uncertainty

#: Values of the fitted constants of a table, and their intervals.
Constants = tuple[dict[str, float], dict[str, Interval]]


def asked_to_write() -> bool:
    """Whether the command line says `--write`."""
    return "--write" in sys.argv[1:]


def settled(
    names: Sequence[str], start: np.ndarray, result: Fitted, small: float = 0.05
) -> Constants:
    """What the file holds of fitted constants: the values that it has if the fit does not move them.

    Records of searches are tied to the values. So a shift that is small beside the interval is none.

    Args:
        names: Names of the constants.
        start: Logarithms of the values that the file has.
        result: The fit that began there.
        small: Shift of a constant, as a share of half its interval, that is small.
    """
    is_same = bool((np.abs(result.logs - start) < small * result.half_widths).all())
    logs = start if is_same else result.logs
    values = dict(zip(names, np.exp(logs).tolist(), strict=True))
    widths = np.exp(result.half_widths).tolist()
    return values, {
        name: Interval(low=value / width, high=value * width)
        for (name, value), width in zip(values.items(), widths, strict=True)
    }


def write(
    system: str, blocks: dict[str, Constants], uncertainty: Uncertainty, *, is_written: bool
) -> None:
    """Put constants into the file of a shipped system, or print what it would hold.

    Args:
        system: Name of the system.
        blocks: Name of a table -> its constants.
        uncertainty: The table `[uncertainty]`.
        is_written: Whether the file is changed.
    """
    [folder] = systems.__path__
    path = Path(folder) / f"{system}.toml"
    text = path.read_text()
    for block, (values, intervals) in blocks.items():
        text = with_constants(text, block, values, intervals)
    text = with_uncertainty(text, uncertainty)
    if is_written:
        path.write_text(text)
        print(f"# wrote {path}")
    else:
        print(f"# {path}\n{text}")

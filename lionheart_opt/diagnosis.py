"""What limits the analog layers of a mapping: results, and the protocol of oracles that can say it.

An oracle that measures it has the method of `Diagnoses`; all of it is optional.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import isfinite, log10
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from lionheart_opt.mapping import Candidate

if TYPE_CHECKING:
    import pandas

#: Source of error -> what it is. Each is measured alone, with all others switched off.
SOURCES = {
    "programming": "programming noise",
    "stuck": "devices that are stuck",
    "drift": "conductance drift, after drift compensation",
    "read": "read noise of the devices",
    "devices": "all of the above together",
    "converters": "rounding and clipping of inputs (DAC) and outputs (ADC)",
    "output_noise": "noise of the periphery, at outputs and inputs",
    "all": "the chip as it is",
}
#: Sources that contain others.
SUMS = ("devices", "all")


@dataclass(frozen=True, kw_only=True, eq=False)
class MatrixDiagnosis:
    """What limits one analog weight matrix.

    The error of an output is the analog product, bias left out, minus the product of the *same* inputs
    with the trained weights in floating point. The inputs are those that reach the matrix in the
    network as it is on the chip, so errors of earlier layers are in both products and do not count.

    On chips that are calibrated, inputs are those of the calibrated chip. Where columns are calibrated,
    gain and offset of every output are fitted to the ideal products of the calibration examples, for
    each source alone and for all together: what is left is what calibration cannot take away. Batch norm
    comes after the outputs.

    Args:
        matrix: Path of the matrix in the network.
        unit: Name of its unit.
        tiles: Number of tiles that hold it.
        signal: Power of the ideal outputs on each chip, shape (n_draws,): the variance of each output
            over examples and positions, mean over outputs. What is always the same says nothing.
        errors: Source of `SOURCES` -> power of the error on each chip, shape (n_draws,): the mean square
            over examples, positions and outputs, offsets and wrong gains included. What the configuration
            does not have is left out.
        out_of_range: Share of the ADC's outputs, from 0 to 1, that are beyond its range in the first
            attempt of a product.
        retries: Mean number of times that a product of a tile is repeated with inputs half as large,
            because an output was out of range (iterative bound management). aihwkit's torch tiles
            repeat a whole batch if one of its outputs is; a real chip would repeat single vectors.
        saturated: Share of the ADC's outputs that are beyond its range in the last attempt, and so are
            clipped in the result.
        clipped_weights: Share of the weights that clipping holds: two or more of the same scale (a
            column, or a tile) that are equal to the largest magnitude there. Weights with few values
            (ternary ones) look the same.
    """

    matrix: str
    unit: str
    tiles: int
    signal: np.ndarray
    errors: dict[str, np.ndarray]
    out_of_range: float
    retries: float
    saturated: float
    clipped_weights: float

    def snr_db(self, source: str) -> float | None:
        """Signal-to-noise ratio in decibels: ten times the logarithm of mean signal over mean error.

        None where the chip has no such source. The other numbers are finite but for two cases: infinity
        if there is no error at all, and minus infinity if the outputs are always the same. Differences of
        floating-point numbers alone give some 130 dB.

        Args:
            source: One of `SOURCES`.
        """
        if source not in self.errors:
            return None
        return decibels(float(self.signal.mean()), float(self.errors[source].mean()))

    def snr_deviation(self, source: str) -> float | None:
        """Standard deviation over chips of the ratio in decibels; None where it is not known."""
        if source not in self.errors or len(self.signal) < 2:
            return None
        ratios = [
            decibels(float(s), float(e))
            for s, e in zip(self.signal, self.errors[source], strict=True)
        ]
        return float(np.std(ratios, ddof=1)) if all(map(isfinite, ratios)) else None

    @property
    def limited_by(self) -> str:
        """The source with the largest error, of those that contain no others where that is known."""
        single = {
            source: float(errors.mean())
            for source, errors in self.errors.items()
            if source not in SUMS
        }
        if not single.keys() & {"programming", "drift", "read"} and "devices" in self.errors:
            single["devices"] = float(self.errors["devices"].mean())
        return max(single, key=lambda source: single[source], default="")

    def to_json(self) -> dict[str, Any]:
        """Plain data; infinite ratios become null in JSON."""
        return {
            "matrix": self.matrix,
            "unit": self.unit,
            "tiles": self.tiles,
            "signal_power": float(self.signal.mean()),
            "error_power": {name: float(errors.mean()) for name, errors in self.errors.items()},
            "snr_db": {name: self.snr_db(name) for name in self.errors},
            "snr_db_deviation": {name: self.snr_deviation(name) for name in self.errors},
            "limited_by": self.limited_by,
            "out_of_range": self.out_of_range,
            "retries": self.retries,
            "saturated": self.saturated,
            "clipped_weights": self.clipped_weights,
        }


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Diagnosis:
    """What limits each analog matrix of a mapping.

    Args:
        matrices: One for each analog matrix, in execution order.
        time_s: Time since programming, in seconds.
        n_draws: Number of chips.
        n_examples: Number of validation examples.
        note: What cannot be told apart; empty if everything can.
        subject: What was diagnosed, for titles.
        compensation: How the chips were calibrated: `none`, `columns` or `batch_norm`.
    """

    matrices: tuple[MatrixDiagnosis, ...]
    time_s: float
    n_draws: int
    n_examples: int
    note: str = ""
    subject: str = ""
    compensation: str = "none"

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that some matrix has, in the order of `SOURCES`."""
        return tuple(
            name for name in SOURCES if any(name in matrix.errors for matrix in self.matrices)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "subject": self.subject,
            "time_s": self.time_s,
            "draws": self.n_draws,
            "examples": self.n_examples,
            "note": self.note,
            "compensation": self.compensation,
            "matrices": [matrix.to_json() for matrix in self.matrices],
        }

    def to_frame(self) -> pandas.DataFrame:
        """One row a matrix, in execution order.

        Columns: `matrix`, `unit`, `tiles`, `snr_db_SOURCE` and `snr_db_deviation_SOURCE` for each of
        `sources` (missing where a matrix does not have it), `limited_by`, `out_of_range`, `retries`,
        `saturated`, `clipped_weights`.
        """
        import pandas

        rows = []
        for matrix in self.matrices:
            row = {"matrix": matrix.matrix, "unit": matrix.unit, "tiles": matrix.tiles}
            for source in self.sources:
                row[f"snr_db_{source}"] = matrix.snr_db(source)
                row[f"snr_db_deviation_{source}"] = matrix.snr_deviation(source)
            last = ("limited_by", "out_of_range", "retries", "saturated", "clipped_weights")
            rows.append({**row, **{name: getattr(matrix, name) for name in last}})
        frame = pandas.DataFrame(rows)
        return frame.astype({name: float for name in frame if str(name).startswith("snr_db")})

    def __repr__(self) -> str:
        text = f"{len(self.matrices)} analog matrices"
        if self.matrices:
            worst = min(self.matrices, key=lambda matrix: matrix.snr_db("all") or 0.0)
            text += (
                f"; worst: {worst.matrix}, {worst.snr_db('all') or 0.0:.1f} dB, limited by "
                f"{worst.limited_by}"
            )
        subject = f"{self.subject}: " if self.subject else ""
        return (
            f"Diagnosis({subject}{text}; {self.time_s:g} s after programming, {self.n_draws} draws, "
            f"{self.n_examples} examples)"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(index=False)}"


@runtime_checkable
class Diagnoses(Protocol):
    """An oracle that can say what limits each analog matrix of a mapping."""

    def diagnose(
        self, candidate: Candidate, *, time_s: float, n_draws: int, n_examples: int, seed: int
    ) -> Diagnosis:
        """Signal-to-noise ratios, converters and weights of every analog matrix.

        Args:
            candidate: A resolved candidate with at least one analog unit.
            time_s: Time since programming.
            n_draws: Number of chips; chip k is draw k of the search.
            n_examples: Number of validation examples, at most those that there are.
            seed: Seed of training and of programming draws.

        Raises:
            InputError: The mapping has no analog unit, or the noise model does not know the time.
        """
        ...


def decibels(signal: float, error: float) -> float:
    """Ten times the logarithm of a ratio of powers; infinite where one of them is 0."""
    if error == 0.0:
        return float("inf") if signal > 0.0 else float("-inf")
    return 10.0 * log10(signal / error) if signal > 0.0 else float("-inf")

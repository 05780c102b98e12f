"""Gain and offset of an analog matrix's outputs: how they are fitted, rounded and applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lionheart_opt.oracle.settings import Calibration

#: Numbers of which moments are computed at once: intermediate results then stay in the cache.
AT_ONCE = 1 << 18


@dataclass(frozen=True, eq=False)
class Columns:
    """What is done digitally to the outputs of an analog matrix, before its bias is added.

    Args:
        gain: Factor of each output, shape (n_outputs,).
        offset: What is then added to each output, shape (n_outputs,).
    """

    gain: Tensor
    offset: Tensor

    def apply(self, y: Tensor, rows: slice, bias: Tensor | None, is_map: bool) -> Tensor:
        """Calibrated outputs, with the bias.

        Args:
            y: Outputs, shape (..., n), or (n_examples, n, height, width) for feature maps.
            rows: The outputs of the matrix that they are.
            bias: Shape (n,), or None.
            is_map: Whether they are feature maps.
        """
        gain, shift = self.gain[rows], self.offset[rows]
        if bias is not None:
            shift = shift + bias
        shape = (-1, 1, 1) if is_map else (-1,)
        return torch.addcmul(shift.view(shape), y, gain.view(shape))


class Moments:
    """Means, variances and covariance of outputs and of what they are fitted to, column by column.

    Args:
        n_outputs: Number of columns.
        device: Where the outputs are.
    """

    def __init__(self, n_outputs: int, device: torch.device) -> None:
        def zeros() -> Tensor:
            return torch.zeros(n_outputs, dtype=torch.float64, device=device)

        self._count, self._mean_y, self._mean_t = zeros(), zeros(), zeros()
        self._yy, self._yt, self._tt = zeros(), zeros(), zeros()  # sums of centred products
        self._noise = zeros()  # sum of variances of the mean over reads

    def add(self, rows: slice, reads: Sequence[Tensor], t: Tensor) -> None:
        """Add outputs (Chan, Golub and LeVeque, The American Statistician 1983).

        Args:
            rows: The columns that they are of.
            reads: Outputs, each of shape (n_columns, n_vectors).
            t: What they are fitted to, shape (n_columns, n_vectors).
        """
        width = max(AT_ONCE // t.shape[0], 1)
        parts = zip(*(torch.split(each, width, 1) for each in (*reads, t)), strict=True)
        for *some, wanted in parts:
            self._add(rows, some, wanted)

    def _add(self, rows: slice, reads: Sequence[Tensor], t: Tensor) -> None:
        """As `add`, all at once."""
        y, count = reads[0], t.shape[1]
        if len(reads) > 1:
            var, y = torch.var_mean(torch.stack(list(reads)), 0)
            self._noise[rows] += var.sum(1).double() / len(reads)
        mean_y, mean_t = y.mean(1, keepdim=True), t.mean(1, keepdim=True)
        y, t = y - mean_y, t - mean_t
        before = self._count[rows]
        share = count / (before + count)
        step_y = mean_y[:, 0].double() - self._mean_y[rows]
        step_t = mean_t[:, 0].double() - self._mean_t[rows]
        self._yy[rows] += (y * y).sum(1).double() + step_y * step_y * before * share
        self._yt[rows] += (y * t).sum(1).double() + step_y * step_t * before * share
        self._tt[rows] += (t * t).sum(1).double() + step_t * step_t * before * share
        self._mean_y[rows] += step_y * share
        self._mean_t[rows] += step_t * share
        self._count[rows] += count

    def columns(self, settings: Calibration, kind: torch.dtype = torch.float32) -> Columns:
        """Gains and offsets, rounded to the periphery's bits.

        A column whose outputs do not vary has the gain 1. Errors in variables take no more noise away
        from the variance of a column than half of it.

        Args:
            settings: Estimator and bits.
            kind: Type of the result.
        """
        if settings.estimator == "deviations":
            numerator, denominator = self._tt.sqrt(), self._yy.sqrt()
        elif settings.estimator == "errors_in_variables":
            numerator, denominator = self._yt, torch.maximum(self._yy - self._noise, self._yy / 2)
        else:
            numerator, denominator = self._yt, self._yy
        varies = denominator > 0
        gain = torch.where(varies, numerator / denominator.where(varies, 1.0), 1.0)
        gain = rounded(gain, settings.bits)
        offset = rounded(self._mean_t - gain * self._mean_y, settings.bits)
        return Columns(gain.to(kind), offset.to(kind))


def rounded(numbers: Tensor, bits: int) -> Tensor:
    """The nearest of 2^bits - 1 evenly spaced levels, from minus the largest magnitude to the largest."""
    step = float(numbers.abs().max()) / (2 ** (bits - 1) - 1)
    return (numbers / step).round() * step if step > 0 else numbers

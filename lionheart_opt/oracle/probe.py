"""An analog matrix that compares its products with ideal ones, and counts what its ADCs do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import torch
from aihwkit.simulator.tiles.analog_mvm import AnalogMVM
from aihwkit.simulator.tiles.utils import UniformQuantize
from torch import Tensor

from lionheart_opt.diagnosis import MatrixDiagnosis
from lionheart_opt.oracle.aihwkit_engine import AihwkitMatrix, share_memory
from lionheart_opt.oracle.calibrated import by_column
from lionheart_opt.oracle.columns import Columns, Moments
from lionheart_opt.oracle.noise_sources import sources_alone
from lionheart_opt.oracle.products import Product
from lionheart_opt.oracle.settings import Calibration
from lionheart_opt.oracle.window import Window


class Probe(AihwkitMatrix):
    """An analog matrix that compares its products with ideal ones, source by source.

    Beside it is one matrix more for every source of error, in which that source alone is left. Of these,
    only the weights after drift are kept: they are programmed and drift together, one after the other.

    Args:
        weight: The weights, shape (n_outputs, n_inputs).
        ranges: Input ranges to start from; see `INPUT_RANGES`.
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.
        time_s: Time since programming.
        calibration: How columns are calibrated; None if they are not.

    Attributes:
        does: What it does beside its products: `nothing`; `fit` gain and offset of every output to the
            ideal products, of all sources alike; or `compare` products, calibrated if they have been
            fitted.
        note: What cannot be told apart; empty if everything can.
    """

    def __init__(
        self,
        weight: Tensor,
        ranges: Tensor | None,
        rpu_config: Any,
        time_s: float,
        calibration: Calibration | None = None,
    ) -> None:
        super().__init__(weight, ranges, rpu_config)
        self.does: Literal["nothing", "fit", "compare"] = "nothing"
        self._weight = weight
        self._calibration = calibration
        self._adc = Adc()
        for tile in self.tiles:
            tile.tile._analog_mvm = counting(self._adc)
        configs, self.note = sources_alone(rpu_config, time_s)
        # in plain dictionaries: training and devices are not their business
        self._alone: dict[str, AihwkitMatrix] = {}
        self._without: dict[str, AihwkitMatrix] = {}
        for source, alone in configs.items():
            used = ranges if alone.config.pre_post.input_range.enable else None
            self._alone[source] = self._beside(used, alone.config)
            if alone.without is not None:
                self._without[source] = self._beside(used, alone.without)
        self._errors: dict[str, list[float]] = {source: [] for source in (*configs, "all")}
        self._signals: list[float] = []
        self._programmed = 0  # seed of the last programming
        self._reads: list[dict[str, Tensor]] = []
        self._moments: dict[str, Moments] = {}
        self._columns: dict[str, Columns] = {}
        self._begin_chip()

    def _beside(self, ranges: Tensor | None, config: Any) -> AihwkitMatrix:
        """A matrix with the same weights, which it shares until it is programmed."""
        matrix = AihwkitMatrix(self._weight, ranges, config).eval()
        for tile, chip in zip(matrix.tiles, self.tiles, strict=True):
            share_memory(tile, chip.tile.weight.data)
        return matrix

    @property
    def _others(self) -> list[AihwkitMatrix]:
        return [*self._alone.values(), *self._without.values()]

    def forward(self, x: Tensor, bias: Tensor | None, window: Window | None) -> Tensor:
        """The analog product; see `AnalogMatrix`."""
        self._adc.counts = self.does == "compare"
        y = super().forward(x, None, window)
        self._adc.counts = False
        if self.does != "nothing":
            devices = [x.device] if x.device.type == "cuda" else []
            with torch.random.fork_rng(devices=devices):  # the chip's own noise goes on as it would
                self._look(x, y, window)
        if bias is None:
            return y
        return y + (bias if window is None else bias.view(-1, 1, 1))

    def _look(self, x: Tensor, y: Tensor, window: Window | None) -> None:
        """Compare a product with the ideal one, or fit to it."""
        ideal = Product(x, self._weight, None, window).plain(slice(None))
        if self.does == "compare":
            self._see(ideal, window)
            self._see_error("all", y, ideal, window)
            for source, matrix in self._alone.items():
                exact = self._exact(source, x, ideal, window)
                self._see_error(source, matrix(x, None, window), exact, window)
            return
        assert self._calibration is not None
        if self.uses == 1 and not self._reads:  # a new pass
            count, device = len(self._weight), ideal.device
            self._moments = {source: Moments(count, device) for source in self._errors}
        self._reads.append({"all": y} | {s: m(x, None, window) for s, m in self._alone.items()})
        if len(self._reads) < self._calibration.reads:
            return
        axis = -1 if window is None else 1
        for source, moments in self._moments.items():
            reads = [by_column(read[source], axis) for read in self._reads]
            exact = self._exact(source, x, ideal, window)
            moments.add(slice(None), reads, by_column(exact, axis))
            self._columns[source] = moments.columns(self._calibration, ideal.dtype)
        self._reads = []

    def _exact(self, source: str, x: Tensor, ideal: Tensor, window: Window | None) -> Tensor:
        """The product without a source."""
        matrix = self._without.get(source)
        exact: Tensor = ideal if matrix is None else matrix(x, None, window)
        return exact

    def program(self, seed: int) -> None:
        """Program every tile afresh. Sources follow when they drift."""
        super().program(seed)
        self._programmed = seed
        self._columns = {}

    def drift(self, time_s: float, seed: int) -> None:
        """Set every tile to its state `time_s` after programming, of all sources alike."""
        super().drift(time_s, seed)
        for matrix in self._others:
            for tile, chip in zip(matrix.tiles, self.tiles, strict=True):
                tile.reference_combined_weights = chip.reference_combined_weights
            matrix.program(self._programmed)
            matrix.drift(time_s, seed)
            for tile, chip in zip(matrix.tiles, self.tiles, strict=True):
                exact = chip.reference_combined_weights
                if tile.tile.weight.data_ptr() in (exact.data_ptr(), chip.tile.weight.data_ptr()):
                    raise RuntimeError(
                        f"aihwkit {version('aihwkit')}: programming a tile wrote on another one"
                    )
                if torch.equal(tile.tile.weight.data, exact):
                    share_memory(tile, exact)
                tile.reference_combined_weights = tile.programmed_weights = None
                tile.drift_noise_parameters = None

    def rewind(self, first: int, count: int) -> None:
        """See `AnalogMatrix.rewind`."""
        super().rewind(first, count)
        for matrix in self._others:
            matrix.rewind(first, count)

    def _begin_chip(self) -> None:
        self._n = 0
        self._sum: Any = 0.0
        self._squares: Any = 0.0
        self._error = dict.fromkeys(self._errors, 0.0)

    def _see(self, ideal: Tensor, window: Window | None) -> None:
        outputs = ideal if window is None else ideal.movedim(1, -1)
        outputs = outputs.flatten(0, -2).double()
        self._n += len(outputs)
        self._sum = self._sum + outputs.sum(0)
        self._squares = self._squares + outputs.square().sum(0)

    def _see_error(self, source: str, y: Tensor, exact: Tensor, window: Window | None) -> None:
        if source in self._columns:
            y = self._columns[source].apply(y, slice(None), None, window is not None)
        self._error[source] += float((y - exact).double().square().sum())

    def end_chip(self) -> None:
        """Keep what was seen of one chip, and begin the next."""
        variance = self._squares / self._n - (self._sum / self._n).square()
        self._signals.append(float(variance.clamp(min=0.0).mean()))
        for source, error in self._error.items():
            self._errors[source].append(error / (self._n * len(self._weight)))
        self._begin_chip()

    def result(self, path: str, unit: str) -> MatrixDiagnosis:
        """What limits the matrix, from all chips so far."""
        adc = self._adc
        return MatrixDiagnosis(
            matrix=path,
            unit=unit,
            tiles=len(self.tiles),
            signal=np.array(self._signals),
            errors={source: np.array(errors) for source, errors in self._errors.items()},
            out_of_range=adc.out_of_range / max(adc.outputs, 1),
            retries=adc.retries / max(adc.products, 1),
            saturated=adc.saturated / max(adc.outputs, 1),
            clipped_weights=clipped_share([tile.reference_combined_weights for tile in self.tiles]),
        )


@dataclass(eq=False)
class Adc:
    """What the ADCs of a matrix have done while `counts` was true; see `MatrixDiagnosis`."""

    counts: bool = False
    products: int = 0
    outputs: int = 0
    retries: int = 0
    out_of_range: int = 0
    saturated: int = 0


def counting(adc: Adc) -> type[AnalogMVM]:
    """Products of a tile as aihwkit computes them, which count what its ADCs do."""
    attempts: list[int] = []  # outputs that are beyond the range, for each attempt at a product

    class CountingMVM(AnalogMVM):  # type: ignore[misc]
        @classmethod
        def matmul(cls, *arguments: Any, **keywords: Any) -> Tensor:
            attempts.clear()
            y: Tensor = super().matmul(*arguments, **keywords)
            if adc.counts:
                adc.products += 1
                adc.outputs += y.numel()
                if attempts:  # inputs of zero need none
                    adc.retries += len(attempts) - 1
                    adc.out_of_range += attempts[0]
                    adc.saturated += attempts[-1]
            return y

        @classmethod
        def _finalize_output(
            cls, out_values: Tensor, io_pars: Any, **keywords: Any
        ) -> tuple[bool, Tensor]:
            passed, y = super()._finalize_output(out_values, io_pars, **keywords)
            attempts.append(_beyond(out_values, io_pars))  # it has put the noise into `out_values`
            return passed, y

    return CountingMVM


def _beyond(values: Tensor, io_pars: Any) -> int:
    """How many values the ADC clips."""
    if io_pars.out_bound <= 0:
        return 0
    if io_pars.out_res > 0 and not io_pars.out_sto_round:
        values = UniformQuantize.apply(values, io_pars.out_res, io_pars.out_bound)
    return int((values.abs() > io_pars.out_bound).sum())


def clipped_share(tiles: Sequence[Tensor]) -> float:
    """See `MatrixDiagnosis.clipped_weights`.

    Args:
        tiles: Weights of each tile in units of the largest conductance, shape (n_outputs, n_inputs).
    """
    clipped = total = 0
    for tile in tiles:
        magnitude, largest = tile.abs(), float(tile.abs().max())
        columns = magnitude.amax(1, keepdim=True)
        # outputs have a scale each if the largest weight of each is the same
        is_columnwise = bool(torch.isclose(columns[columns > 0], tile.new_tensor(largest)).all())
        at_end = magnitude.isclose(columns if is_columnwise else tile.new_tensor(largest))
        at_end &= magnitude > 0
        count = at_end.sum(1) if is_columnwise else at_end.sum().view(1)
        clipped += int(count[count > 1].sum())
        total += tile.numel()
    return clipped / total

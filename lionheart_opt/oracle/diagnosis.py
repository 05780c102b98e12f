"""What limits analog matrices: each source of error alone, on the same inputs, on aihwkit's tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from aihwkit.simulator.tiles.analog_mvm import AnalogMVM
from aihwkit.simulator.tiles.utils import UniformQuantize
from torch import Tensor, nn

from lionheart_opt.datasets.splits import Examples, Splits
from lionheart_opt.diagnosis import Diagnosis, MatrixDiagnosis
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.aihwkit_engine import AihwkitMatrix
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.finite import check_outputs
from lionheart_opt.oracle.hardware import check_times
from lionheart_opt.oracle.measurement import Conditions
from lionheart_opt.oracle.noise_sources import sources_alone
from lionheart_opt.oracle.products import Product
from lionheart_opt.oracle.seeds import derive, seeded, sow
from lionheart_opt.oracle.settings import OracleSettings
from lionheart_opt.oracle.threads import computing_with
from lionheart_opt.oracle.training import with_weights
from lionheart_opt.oracle.uses import Uses, check_uses, traced_uses, unfused
from lionheart_opt.oracle.weights import CandidateWeights
from lionheart_opt.oracle.window import Window
from lionheart_opt.tasks import batches


class _Trains(Protocol):
    weights: CandidateWeights
    settings: OracleSettings
    splits: Splits


class DiagnosesMatrices:
    """`lionheart_opt.diagnosis.Diagnoses`, for oracles that train weights and put them on tiles."""

    def diagnose(
        self: _Trains,
        candidate: Candidate,
        *,
        time_s: float,
        n_draws: int,
        n_examples: int,
        seed: int,
    ) -> Diagnosis:
        """See `Diagnoses.diagnose`; it computes on aihwkit's tiles, whatever the engine is."""
        weights, workload = self.weights, self.weights.workload
        paths = weights.matrices(candidate.mapping)
        if not paths:
            raise InputError("diagnose: got a mapping without analog units; nothing disturbs it")
        placed = weights.placed(candidate.mapping)
        configs = weights.numerics.configs(placed)
        for config in configs.values():
            check_times(config, (time_s,), "diagnose:")
        unit_of = {path: unit.name for unit in workload.units for path in workload.paths_of(unit)}
        examples = self.splits.validation[: self.settings.validation_examples][:n_examples]
        with computing_with(self.settings.threads):
            trained = weights.trained(candidate, seed)
            matrices, note = diagnose_matrices(
                with_weights(weights.model, trained.weights).to(weights.device),
                {path: unit_of[path] for path in paths},
                configs,
                examples,
                Conditions(
                    times_s=(time_s,),
                    draws=range(n_draws),
                    seed=derive(seed, "validation"),
                    batch_size=self.settings.batch_size,
                ),
                traced_uses(workload),
                weights.host_numerics(placed),
            )
        return Diagnosis(
            matrices=matrices,
            time_s=time_s,
            n_draws=n_draws,
            n_examples=len(examples),
            note=note,
        )


@torch.no_grad()
@unfused()
def diagnose_matrices(
    network: nn.Module,
    units: dict[str, str],
    rpu_configs: dict[str, Any],
    examples: Examples,
    conditions: Conditions,
    uses: Uses | None = None,
    digital: Digital | None = None,
) -> tuple[tuple[MatrixDiagnosis, ...], str]:
    """Run examples through chips, and compare every analog product with the ideal one.

    Each chip is programmed and drifts with the random numbers of `measure`. Beside each matrix there is
    one more for every source of error, on the same inputs and with the same random numbers, in which
    that source alone is left.

    Args:
        network: The floating-point network with the trained weights, left untouched.
        units: Path of each analog matrix, in execution order -> name of its unit.
        rpu_configs: Path of an analog matrix -> its RPU configuration.
        examples: What is run through the network.
        conditions: Chips, seed, batch size, and the time, which is a single one.
        uses: How often each analog matrix is used in one inference, if that is known.
        digital: What matrices compute in that are not analog; None is floating point.

    Returns:
        A diagnosis of each matrix, and what cannot be told apart.

    Raises:
        InputError: Scores are not finite, or a matrix is used more or less often than `uses` says.
    """
    [time_s] = conditions.times_s
    device = next(network.parameters()).device
    notes: dict[str, None] = {}

    def make(path: str, weight: Tensor, ranges: Tensor | None) -> Probe:
        probe = Probe(weight, ranges, rpu_configs[path], time_s)
        if probe.note:
            notes[probe.note] = None
        return probe

    analog = AnalogNetwork(network, tuple(units), make, digital).eval()

    def seeds(what: str, *which: int | float) -> dict[str, int]:
        return {path: derive(conditions.seed, what, path, *which) for path in units}

    for draw in conditions.draws:
        analog.program(seeds("program", draw))
        analog.drift(time_s, seeds("drift", draw, time_s))
        with seeded(conditions.seed, device):
            for first in range(0, len(examples), conditions.batch_size):
                batch = examples[first : first + conditions.batch_size]
                analog.rewind(first, len(batch))
                sow(derive(conditions.seed, "network", first), device)
                fed = examples.task.feed(batch.loaded.inputs)
                outputs = batches.call(analog, batches.to(fed, device, copy=True))
                check_outputs(outputs, f"draw {draw}, {time_s:g} s after programming")
                counts = {path: layer.uses for path, layer in analog.analog.items()}
                check_uses(counts, uses, len(batch))
        for probe in analog.analog.values():
            probe.end_chip()
    return tuple(analog.analog[path].result(path, units[path]) for path in units), "; ".join(notes)


class Probe(AihwkitMatrix):
    """An analog matrix that compares its products with ideal ones, source by source.

    Args:
        weight: The weights, shape (n_outputs, n_inputs).
        ranges: Input ranges to start from; see `INPUT_RANGES`.
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.
        time_s: Time since programming.

    Attributes:
        note: What cannot be told apart; empty if everything can.
    """

    def __init__(
        self, weight: Tensor, ranges: Tensor | None, rpu_config: Any, time_s: float
    ) -> None:
        super().__init__(weight, ranges, rpu_config)
        self._weight = weight
        self._adc = Adc()
        for tile in self.tiles:
            tile.tile._analog_mvm = counting(self._adc)
        configs, self.note = sources_alone(rpu_config, time_s)
        self._alone, self._without = nn.ModuleDict(), nn.ModuleDict()
        for source, alone in configs.items():
            used = ranges if alone.config.pre_post.input_range.enable else None
            self._alone[source] = AihwkitMatrix(weight, used, alone.config)
            if alone.without is not None:
                self._without[source] = AihwkitMatrix(weight, used, alone.without)
        self._errors: dict[str, list[float]] = {source: [] for source in (*configs, "all")}
        self._signals: list[float] = []
        self._begin_chip()

    @property
    def _others(self) -> list[Any]:
        return [*self._alone.values(), *self._without.values()]

    def forward(self, x: Tensor, bias: Tensor | None, window: Window | None) -> Tensor:
        """The analog product; see `AnalogMatrix`."""
        self._adc.counts = True
        y = super().forward(x, None, window)
        self._adc.counts = False
        ideal = Product(x, self._weight, None, window).plain(slice(None))
        self._see(ideal, window)
        self._see_error("all", y - ideal)
        for source, matrix in self._alone.items():
            exact = self._without[source](x, None, window) if source in self._without else ideal
            self._see_error(source, matrix(x, None, window) - exact)
        if bias is None:
            return y
        return y + (bias if window is None else bias.view(-1, 1, 1))

    def program(self, seed: int) -> None:
        """Program every tile afresh, of all sources alike."""
        super().program(seed)
        for matrix in self._others:
            matrix.program(seed)

    def drift(self, time_s: float, seed: int) -> None:
        """Set every tile to its state `time_s` after programming."""
        super().drift(time_s, seed)
        for matrix in self._others:
            matrix.drift(time_s, seed)

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

    def _see_error(self, source: str, error: Tensor) -> None:
        self._error[source] += float(error.double().square().sum())

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

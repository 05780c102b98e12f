"""How a matrix is cut into tiles, and what surrounds a tile."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType


def _split(size: int, most: int) -> tuple[tuple[int, int], ...]:
    """Half-open ranges of nearly equal length, at most `most` long; a single range if `most` <= 0."""
    count = -(-size // most) if most > 0 else 1
    base, extra = divmod(size, count)
    starts = [i * base + min(i, extra) for i in range(count + 1)]
    return tuple(pairwise(starts))


@dataclass(frozen=True)
class Tiling:
    """How a weight matrix of shape (n_outputs, n_inputs) is cut into tiles, as aihwkit cuts it.

    Tile number `t * len(outputs) + u` has the columns `inputs[t]` and the rows `outputs[u]`.

    Args:
        inputs: Half-open ranges of columns of the weight matrix.
        outputs: Half-open ranges of its rows.
    """

    inputs: tuple[tuple[int, int], ...]
    outputs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, mapping: Any, n_outputs: int, n_inputs: int) -> Tiling:
        """The tiling of aihwkit's `TileModuleArray` for a `MappingParameter`."""
        return cls(
            _split(n_inputs, mapping.max_input_size), _split(n_outputs, mapping.max_output_size)
        )

    def blocks(self) -> list[tuple[int, int, slice, slice]]:
        """For each tile: number of its input range, of its output range, its rows and its columns."""
        return [
            (t, u, slice(*rows), slice(*columns))
            for t, columns in enumerate(self.inputs)
            for u, rows in enumerate(self.outputs)
        ]


@dataclass(frozen=True)
class Converters:
    """What surrounds the crossbar: scaling, DAC, output noise, ADC (aihwkit's `IOParameters`).

    Args:
        dynamic: Whether each input vector is divided by its largest magnitude (noise management
            ABS_MAX).
        scale_limit: Largest divisor; 0 is no limit.
        input_step: Distance of two DAC levels; 0 does not round.
        input_bound: Magnitude at which the DAC clips.
        output_noise: Standard deviation of the noise at the ADC.
        output_step: Distance of two ADC levels; 0 does not round.
        output_bound: Magnitude at which the ADC clips.
        output_scale: Fixed factor behind the ADC.
        retry_limit: While an output clips and the extra divisor is not above this limit, the divisor
            is doubled and the batch is repeated (bound management ITERATIVE); 0 never repeats.
    """

    dynamic: bool
    scale_limit: float
    input_step: float
    input_bound: float
    output_noise: float
    output_step: float
    output_bound: float
    output_scale: float
    retry_limit: float

    @classmethod
    def of(cls, io: Any) -> Converters:
        """The converters that an aihwkit `IOParameters` describes."""
        input_step = _step(io.inp_res, io.inp_bound)
        retry_limit = 0.0
        if io.bound_management == BoundManagementType.ITERATIVE:
            retry_limit = float(io.max_bm_factor)
            if input_step > 0:
                retry_limit = min(retry_limit, io.max_bm_res / input_step)
        return cls(
            dynamic=io.noise_management == NoiseManagementType.ABS_MAX,
            scale_limit=max(io.nm_thres, 0.0),
            input_step=input_step,
            input_bound=io.inp_bound if io.inp_bound > 0 else float("inf"),
            output_noise=max(io.out_noise, 0.0),
            output_step=_step(io.out_res, io.out_bound),
            output_bound=io.out_bound if io.out_bound > 0 else float("inf"),
            output_scale=io.out_scale,
            retry_limit=retry_limit,
        )


def _step(resolution: float, bound: float) -> float:
    """Distance of two levels; in aihwkit, a resolution above 1 is a number of levels."""
    if resolution <= 0:
        return 0.0
    return (1 / resolution if resolution > 1 else resolution) * 2 * bound

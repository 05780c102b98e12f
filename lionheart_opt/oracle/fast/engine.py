"""The fast engine: aihwkit's analog matrices, computed with far fewer passes over memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from aihwkit.inference.compensation.base import BaseDriftCompensation
from aihwkit.inference.compensation.drift import GlobalDriftCompensationWithExactReference
from aihwkit.simulator.parameters.enums import (
    AnalogMVType,
    BoundManagementType,
    NoiseManagementType,
    WeightModifierType,
)
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.runtime import RPUDataType
from aihwkit.simulator.tiles.array import TileModuleArray
from aihwkit.simulator.tiles.inference_torch import TorchInferenceTile
from aihwkit.simulator.tiles.torch_tile import TorchSimulatorTile
from torch import Tensor, nn

from lionheart_opt.oracle.aihwkit_engine import AihwkitMatrix
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import config_of
from lionheart_opt.oracle.fast.matrix import FastMatrix
from lionheart_opt.oracle.ternary import TernaryTile

_log = logging.getLogger(__name__)


class FastEngine:
    """`Engine` with the results of `AihwkitEngine`, several times faster.

    Equal seeds give both engines the same hardware: programming, drift, read noise and compensation
    are drawn by aihwkit's own classes, or by kernels with their formulas, from the same random numbers.
    Output noise is another draw of the same distribution.

    In evaluation, output noise depends on the seeds of `drift` and on how many input vectors a matrix
    has seen since, but not on the batch size or the number of threads. There are two exceptions:
    where an output clips, bound management repeats the whole batch, as on aihwkit's torch tiles; and
    without numba or on CUDA, equal noise needs equal batches. In training, output noise follows
    torch's global generator.

    Weights of programmed chips are rounded to 16 bits where output noise is at least a hundred times as
    large as the error (see `rounded`). A product takes half the time. The distribution of outputs stays
    the same, but a single output may be rounded the other way than with exact weights.

    Matrices whose configuration is not covered are on aihwkit's own tiles, and the log says so.

    Attributes:
        fallen_back: Path of such a matrix -> what is not covered, for all networks made so far.
    """

    def __init__(self) -> None:
        self.fallen_back: dict[str, str] = {}

    def analog(
        self,
        model: nn.Module,
        matrices: Sequence[str],
        rpu_config: Any,
        digital: Digital | None = None,
    ) -> AnalogNetwork:
        """See `Engine.analog`."""
        reasons: dict[int, str] = {}

        def make(path: str, weight: Tensor, ranges: Tensor | None) -> FastMatrix | AihwkitMatrix:
            config = config_of(rpu_config, path)
            if id(config) not in reasons:
                reasons[id(config)] = not_covered(config)
            is_other = weight.dtype != torch.float32
            why = reasons[id(config)] or (f"weights of {weight.dtype}" if is_other else "")
            if not why:
                return FastMatrix(weight, ranges, config)
            if path not in self.fallen_back:
                _log.warning("%s runs on aihwkit: the fast engine does not cover %s", path, why)
            self.fallen_back[path] = why
            return AihwkitMatrix(weight, ranges, config)

        return AnalogNetwork(model, matrices, make, digital)


def not_covered(rpu_config: Any) -> str:
    """Settings of a `TorchInferenceRPUConfig` that the fast engine does not cover; '' if none."""
    io, modifier = rpu_config.forward, rpu_config.modifier
    ranges = rpu_config.pre_post.input_range
    dynamic = io.noise_management == NoiseManagementType.ABS_MAX
    baseline = getattr(type(rpu_config.drift_compensation), "init_baseline", None)
    refused = {
        "simulator_tile_class": rpu_config.simulator_tile_class
        not in {TorchSimulatorTile, TernaryTile},
        "tile_class": rpu_config.tile_class is not TorchInferenceTile,
        "tile_array_class": rpu_config.tile_array_class is not TileModuleArray,
        "forward": type(io) is not IOParameters,
        "forward.is_perfect": io.is_perfect,
        "forward.mv_type": io.mv_type != AnalogMVType.ONE_PASS,
        "forward.noise_management": not dynamic and io.noise_management != NoiseManagementType.NONE,
        "forward.bound_management": io.bound_management
        not in {BoundManagementType.NONE, BoundManagementType.ITERATIVE},
        "forward.inp_bound": io.inp_bound <= 0,
        "forward.inp_noise": io.inp_noise > 0,
        "forward.inp_sto_round": io.inp_sto_round,
        "forward.inp_asymmetry": io.inp_asymmetry != 0,
        "forward.out_bound": io.out_bound <= 0,
        "forward.out_noise_std": io.out_noise_std > 0,
        "forward.out_sto_round": io.out_sto_round,
        "forward.out_scale": io.out_scale < 0,
        "forward.out_asymmetry": io.out_asymmetry != 0,
        "forward.w_noise": io.w_noise > 0,
        "modifier.type": modifier.type
        not in {
            WeightModifierType.NONE,
            WeightModifierType.COPY,
            WeightModifierType.MULT_NORMAL,
            WeightModifierType.ADD_NORMAL,
        },
        "modifier.per_batch_sample": modifier.per_batch_sample,
        "mapping.digital_bias": not rpu_config.mapping.digital_bias,
        "pre_post.input_range with forward.noise_management": ranges.enable and dynamic,
        "pre_post.input_range.manage_output_clipping": ranges.enable
        and ranges.manage_output_clipping,
        "drift_compensation": rpu_config.drift_compensation is not None
        and baseline
        not in {
            BaseDriftCompensation.init_baseline,
            GlobalDriftCompensationWithExactReference.init_baseline,
        },
        "runtime.data_type": rpu_config.runtime.data_type != RPUDataType.FLOAT,
    }
    return ", ".join(name for name, is_refused in refused.items() if is_refused)

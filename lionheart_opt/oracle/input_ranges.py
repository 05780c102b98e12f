"""Calibrates static and learned input ranges of tiles before a training, with aihwkit's own function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import torch
from aihwkit.inference.calibration import InputRangeCalibrationType, calibrate_input_ranges
from aihwkit.nn.modules.base import AnalogLayerBase
from aihwkit.simulator.parameters.enums import NoiseManagementType
from torch import Tensor, nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.aihwkit_engine import AihwkitEngine
from lionheart_opt.oracle.analog_network import INPUT_RANGES, AnalogNetwork
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import config_of
from lionheart_opt.oracle.settings import InputRangeCalibration
from lionheart_opt.oracle.uses import unfused
from lionheart_opt.tasks.batches import Inputs, arguments, count

#: Name in the settings -> aihwkit's type of calibration.
TYPES = {
    "moving_std": InputRangeCalibrationType.MOVING_STD,
    "moving_quantile": InputRangeCalibrationType.MOVING_QUANTILE,
    "cache_quantile": InputRangeCalibrationType.CACHE_QUANTILE,
    "max": InputRangeCalibrationType.MAX,
}


def is_calibrated(rpu_config: Any) -> bool:
    """Whether a configuration has input ranges that data decide: learned, or initialised from data."""
    settings = rpu_config.pre_post.input_range
    return bool(settings.enable and (settings.learn_input_range or settings.init_from_data > 0))


def check_input_ranges(rpu_configs: dict[str, Any], where: str) -> None:
    """Refuse to calibrate input ranges where there are none.

    Args:
        rpu_configs: Name of an analog target -> its RPU configuration.
        where: What messages call the setting.

    Raises:
        InputError: No configuration has input ranges that data decide, or one of those that have also
            manages the noise of inputs, which aihwkit does not calibrate.
    """
    calibrated = {name: each for name, each in rpu_configs.items() if is_calibrated(each)}
    if not calibrated:
        raise InputError(
            f"{where}: no RPU configuration has input ranges to calibrate; one needs "
            "pre_post.input_range.enable, and learn_input_range or init_from_data > 0"
        )
    for name, config in calibrated.items():
        management = config.forward.noise_management
        if management != NoiseManagementType.NONE:
            raise InputError(
                f"{where}: the RPU configuration of target {name!r} has forward.noise_management "
                f"{management.name}; must be NONE where input ranges are calibrated"
            )


class _Layers(AnalogLayerBase, nn.Module):  # type: ignore[misc, unused-ignore]
    """An analog network as aihwkit's function takes it, with the tiles that are to be calibrated.

    Args:
        analog: The network.
        paths: Paths of the matrices that are calibrated.
    """

    def __init__(self, analog: AnalogNetwork, paths: Sequence[str]) -> None:
        nn.Module.__init__(self)
        self.network = analog
        self._paths = paths

    def named_analog_tiles(self) -> Iterator[tuple[str, Any]]:
        """Name and tile."""
        for path in self._paths:
            for number, tile in enumerate(self.network.analog[path].tiles):
                yield f"{path} tile {number}", tile

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        """The network's forward pass."""
        return self.network(*inputs, **named)


@torch.no_grad()
@unfused()
def calibrated_ranges(
    network: nn.Module,
    matrices: Sequence[str],
    rpu_config: Any,
    digital: Digital | None,
    settings: InputRangeCalibration,
    batches: Sequence[Inputs],
) -> dict[str, Tensor]:
    """Calibrated input ranges, as further weights of a network (see `INPUT_RANGES`).

    It is done on aihwkit's tiles, for both engines. Ranges that the network has already are left as they
    are, and so are those that no data decide (`is_calibrated`). Training does not initialise calibrated
    ranges once more; it learns them where the configuration says so.

    Args:
        network: The floating-point network with its weights, where it computes; left untouched.
        matrices: Paths of the analog matrices.
        rpu_config: RPU configuration of the analog matrices, or one for each path.
        digital: What the other matrices compute in; None is floating point.
        settings: How to calibrate.
        batches: What the network is called with, batch by batch, on its device.

    Raises:
        InputError: A range would not be above 0, or a batch is too large for its quantile.
    """
    present = vars(network).get(INPUT_RANGES, {})
    configs = {path: deepcopy(config_of(rpu_config, path)) for path in matrices}
    paths = [path for path in matrices if path not in present and is_calibrated(configs[path])]
    if not paths:
        return {}
    analog = AihwkitEngine().analog(network, matrices, configs, digital)
    kind = TYPES[settings.calibration]
    try:
        calibrate_input_ranges(
            _Layers(analog, paths),
            kind,
            iter(map(arguments, batches)),
            quantile=settings.quantile,
            max_samples=settings.max_samples,
            std_alpha=settings.std_alpha,
            force_all_layers=False,
        )
    except RuntimeError as error:
        if "quantile" not in str(error):
            raise
        raise InputError(
            f"hat.input_ranges: a batch of {count(batches[0])} examples is too large for torch's "
            'quantile; set a smaller batch_size, or calibration = "max" or "moving_std"'
        ) from error
    weights = {}
    for path in paths:
        ranges = analog.analog[path].input_ranges()
        if not bool((ranges[:, 0] > 0).all()):
            raise InputError(
                f"hat.input_ranges: an input range of {path!r} would be {float(ranges[:, 0].min()):g}, "
                f"by {settings.calibration}; must be above 0"
            )
        enough = float(configs[path].pre_post.input_range.init_from_data)
        ranges[:, 1] = ranges[:, 1].clamp(min=enough)
        weights[f"{path}.{INPUT_RANGES}" if path else INPUT_RANGES] = ranges.cpu()
    return weights

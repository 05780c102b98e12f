"""The reference engine: aihwkit's own analog layers on its torch tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, cast

import torch
from aihwkit.nn import AnalogConv2d, AnalogLinear
from torch import nn
from torch.nn import functional as F

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.engine import INPUT_RANGES
from lionheart_opt.oracle.seeds import seeded


class AnalogNetwork(nn.Module):
    """A network some of whose modules are aihwkit's analog layers.

    Putting it into training mode takes the programmed and drifted weights out again, so that
    training continues from the trained ones.

    Args:
        network: the network, analog layers in place.
        layers: path of each analog module -> its aihwkit layer.
        aliases: every path of an analog module -> its first one (a module may be used twice).
        shapes: name -> shape in the state dict of the floating-point network, in its order.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: dict[str, Any],
        aliases: dict[str, str],
        shapes: dict[str, torch.Size],
    ) -> None:
        super().__init__()
        self.network = network
        self.layers = layers
        self.aliases = aliases
        self.shapes = shapes

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The network's forward pass."""
        return self.network(*inputs)

    def train(self, mode: bool = True) -> AnalogNetwork:
        """As `nn.Module.train`; training mode restores the trained weights of every tile."""
        if mode:
            for layer in self.layers.values():
                _restore(layer)
        super().train(mode)
        return self


class AihwkitEngine:
    """`Engine` on aihwkit's `AnalogLinear` and `AnalogConv2d`; `TorchInferenceRPUConfig` only."""

    def analog(self, model: nn.Module, modules: Sequence[str], rpu_config: Any) -> AnalogNetwork:
        """See `Engine.analog`.

        Raises:
            InputError: a module does not exist or aihwkit has no analog layer for it.
        """
        network = deepcopy(model)
        shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
        first = {id(_submodule(network, path)): path for path in reversed(modules)}
        aliases: dict[str, str] = {}
        layers: dict[str, Any] = {}
        replacements: dict[str, nn.Module] = {}
        for path, module in list(network.named_modules(remove_duplicate=False)):
            if id(module) not in first:
                continue
            aliases[path] = first[id(module)]
            if aliases[path] not in layers:
                layers[aliases[path]], replacements[aliases[path]] = _convert(
                    aliases[path], module, rpu_config
                )
        for path, original in aliases.items():
            if not path:
                network = replacements[original]
                continue
            parent, _, name = path.rpartition(".")
            setattr(network.get_submodule(parent), name, replacements[original])
        return AnalogNetwork(network, layers, aliases, shapes)

    def after_step(self, analog: nn.Module) -> None:
        """See `Engine.after_step`."""
        for layer in cast(AnalogNetwork, analog).layers.values():
            for tile in layer.analog_tiles():
                tile.post_update_step()

    def weights(self, analog: nn.Module) -> dict[str, torch.Tensor]:
        """See `Engine.weights`."""
        analog = cast(AnalogNetwork, analog)
        tensors: dict[str, torch.Tensor] = {}
        tensors |= dict(analog.network.named_parameters(remove_duplicate=False))
        tensors |= dict(analog.network.named_buffers(remove_duplicate=False))
        trained = {path: _tensors(layer) for path, layer in analog.layers.items()}
        shapes = dict(analog.shapes)
        for path, original in analog.aliases.items():
            for key, tensor in trained[original].items():
                name = f"{path}.{key}" if path else key
                tensors[name] = tensor
                shapes.setdefault(name, tensor.shape)  # input ranges may be new
        return {
            name: tensors[name].detach().to("cpu", copy=True).reshape(shape)
            for name, shape in shapes.items()
        }

    def program(self, analog: nn.Module, seeds: dict[str, int]) -> None:
        """See `Engine.program`."""
        for path, layer in cast(AnalogNetwork, analog).layers.items():
            tiles = list(layer.analog_tiles())
            with seeded(seeds[path], tiles[0].device):
                for tile in tiles:
                    tile.program_weights()

    def drift(self, analog: nn.Module, time_s: float, seeds: dict[str, int]) -> None:
        """See `Engine.drift`."""
        for path, layer in cast(AnalogNetwork, analog).layers.items():
            tiles = list(layer.analog_tiles())
            with seeded(seeds[path], tiles[0].device):
                for tile in tiles:
                    tile.drift_weights(time_s)


class _Convolution(nn.Module):
    """What aihwkit's two-dimensional layer on torch tiles lacks: one dimension, other paddings."""

    def __init__(self, layer: AnalogConv2d, module: nn.Conv1d | nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        self.one_dimensional = isinstance(module, nn.Conv1d)
        # as torch pads: last dimension first, both sides
        self.padding = list(module._reversed_padding_repeated_twice)
        self.mode = "constant" if module.padding_mode == "zeros" else module.padding_mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.pad(x, self.padding, mode=self.mode)
        if not self.one_dimensional:
            return cast(torch.Tensor, self.layer(x))
        return cast(torch.Tensor, self.layer(x.unsqueeze(-2)).squeeze(-2))


def _submodule(network: nn.Module, path: str) -> nn.Module:
    try:
        return network.get_submodule(path)
    except AttributeError as error:
        raise InputError(f"the network has no module {path!r}") from error


def _convert(path: str, module: nn.Module, rpu_config: Any) -> tuple[Any, nn.Module]:
    """The analog layer with the weights of `module`, and what takes the module's place."""
    with torch.random.fork_rng(devices=[]):  # aihwkit draws initial weights before it sets them
        if type(module) is nn.Linear:
            layer = AnalogLinear.from_digital(module, rpu_config)
            return _with_ranges(layer, module), layer
        if type(module) not in {nn.Conv1d, nn.Conv2d} or cast(nn.Conv2d, module).groups != 1:
            raise InputError(
                f"module {path!r} ({type(module).__name__}) cannot be analog; "
                "allowed: Linear, Conv1d and Conv2d with one group"
            )
        convolution = cast("nn.Conv1d | nn.Conv2d", module)
        rows = (1,) if isinstance(module, nn.Conv1d) else ()
        layer = AnalogConv2d(
            convolution.in_channels,
            convolution.out_channels,
            (*rows, *convolution.kernel_size),
            stride=(*rows, *convolution.stride),
            dilation=(*rows, *convolution.dilation),
            bias=convolution.bias is not None,
            rpu_config=rpu_config,
        )
        layer.set_weights(convolution.weight, convolution.bias)
        layer = layer.to(convolution.weight.device)
        return _with_ranges(layer, module), _Convolution(layer, convolution)


def _with_ranges(layer: Any, module: nn.Module) -> Any:
    """The layer with the input ranges that the floating-point module carries, if any."""
    ranges = getattr(module, INPUT_RANGES, None)
    if ranges is not None:
        for tile, (value, batches) in zip(layer.analog_tiles(), ranges.tolist(), strict=True):
            tile.set_input_range(value)
            tile.input_range_update_idx.data.fill_(batches)
    return layer


def _tensors(layer: Any) -> dict[str, torch.Tensor]:
    """Trained weight, bias and input ranges of a layer, whatever it is programmed with now."""
    with _trained(layer):
        weight, bias = layer.get_weights()
    tensors = {"weight": weight}
    if bias is not None:
        tensors["bias"] = bias
    ranges = [
        torch.cat([tile.input_range.detach(), tile.input_range_update_idx.detach()])
        for tile in layer.analog_tiles()
        if tile.input_range is not None
    ]
    return tensors | ({INPUT_RANGES: torch.stack(ranges)} if ranges else {})


@contextmanager
def _trained(layer: Any) -> Iterator[None]:
    """The layer's tiles with the trained weights inside, as they were outside."""
    tiles = [tile for tile in layer.analog_tiles() if tile.reference_combined_weights is not None]
    current = [tile.tile.get_weights() for tile in tiles]
    for tile in tiles:
        tile.tile.set_weights(tile.reference_combined_weights)
    yield
    for tile, weights in zip(tiles, current, strict=True):
        tile.tile.set_weights(weights)


def _restore(layer: Any) -> None:
    """Back to the trained weights; nothing is programmed any more.

    aihwkit keeps the first programming for good otherwise, and trains on from drifted weights.
    """
    for tile in layer.analog_tiles():
        if tile.reference_combined_weights is not None:
            tile.tile.set_weights(tile.reference_combined_weights)
            tile.reference_combined_weights = None
            tile.programmed_weights = None
            tile.drift_noise_parameters = None

"""What simulates analog layers: networks with analog layers, and the engines that make them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from copy import deepcopy
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.settings import EngineName

#: Buffer of a floating-point module, beside its weight, where the configuration has static or learned
#: input ranges. Shape (n_tiles, 2), tiles of the first range of inputs first: the tile's input range,
#: and the number of batches that it was initialised from.
INPUT_RANGES = "input_ranges"

#: Both engines take the weights of an output for zeros if all are smaller than this (weight decay
#: leaves such), and likewise the inputs of a tile. Scales are squared in gradients, and squares of
#: smaller numbers leave the range of float32.
SMALLEST = 1e-18


class AnalogLayer(Protocol):
    """The analog layer that takes the place of an `nn.Linear`, `nn.Conv1d` or `nn.Conv2d`.

    It is an `nn.Module`, too.

    Attributes:
        ideal: Compute as the floating-point module does (see `AnalogNetwork.set_ideal`).
        uses: How often the layer has run since the last `rewind`.
    """

    ideal: bool
    uses: int

    def tensors(self) -> dict[str, torch.Tensor]:
        """The trained weight, bias and input ranges of the floating-point module."""
        ...

    def restore(self) -> None:
        """Take the programmed weights out again: compute with the trained ones."""
        ...

    def after_step(self) -> None:
        """Clip and re-map the weights."""
        ...

    def program(self, seed: int) -> None:
        """Program the trained weights afresh."""
        ...

    def drift(self, time_s: float, seed: int) -> None:
        """Set the layer to its state `time_s` after programming."""
        ...

    def rewind(self, first: int, count: int) -> None:
        """Let converter noise of the next pass be that of `count` examples from number `first` on."""
        ...


class AnalogNetwork(nn.Module):
    """A network some of whose modules are analog. Engines make it; it is used without them.

    In training mode its forward pass is that of hardware-aware training and differentiable. In
    evaluation mode it must have been programmed and drifted. Putting it into training mode takes the
    programmed and drifted weights out again, so that training continues from the trained ones.

    Noise of a forward pass (weight modifier, converters, output) follows torch's global generator,
    which the caller seeds.

    Args:
        network: The network, with its analog layers in place.
        analog: Path -> analog layer.
        aliases: Every path of an analog layer -> its path in `analog` (a module may be used twice).
        shapes: Name -> shape in the state dict of the floating-point network, in its order.
    """

    def __init__(
        self,
        network: nn.Module,
        analog: dict[str, Any],
        aliases: dict[str, str],
        shapes: dict[str, torch.Size],
    ) -> None:
        super().__init__()
        self.network = network
        self.analog = analog
        self.aliases = aliases
        self.shapes = shapes

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The network's forward pass."""
        return self.network(*inputs)

    def train(self, mode: bool = True) -> AnalogNetwork:
        """As `nn.Module.train`; training mode restores the trained weights of every tile."""
        if mode:
            for layer in self.analog.values():
                layer.restore()
        super().train(mode)
        return self

    def set_ideal(self, modules: Collection[str]) -> None:
        """Let these modules, and no others, compute as in the floating-point network.

        In training mode they compute with the weights on their tiles, differentiably: one-shot
        training has other modules analog in every batch. In evaluation mode they compute with the
        weights that the engine was given, bit for bit: one network serves many mappings.

        Args:
            modules: Paths of analog layers.
        """
        for path, layer in self.analog.items():
            layer.ideal = path in modules

    def after_step(self) -> None:
        """Clip and re-map weights as the RPU configuration asks; call it after every optimiser step."""
        for layer in self.analog.values():
            layer.after_step()

    @torch.no_grad()
    def weights(self) -> dict[str, torch.Tensor]:
        """State dict of the floating-point network with the trained, undrifted weights.

        It is the format that engines, training and checkpoints exchange; where there are input
        ranges, it has `INPUT_RANGES`, too.
        """
        tensors: dict[str, torch.Tensor] = {}
        tensors |= dict(self.network.named_parameters(remove_duplicate=False))
        tensors |= dict(self.network.named_buffers(remove_duplicate=False))
        trained = {path: layer.tensors() for path, layer in self.analog.items()}
        names = list(self.shapes)
        for path, original in self.aliases.items():
            for key, tensor in trained[original].items():
                name = f"{path}.{key}" if path else key
                tensors[name] = tensor
                if name not in self.shapes:  # input ranges that are new
                    names.append(name)
        return {name: tensors[name].detach().to("cpu", copy=True) for name in names}

    def program(self, seeds: dict[str, int]) -> None:
        """Program every analog layer afresh.

        Args:
            seeds: Path -> seed.
        """
        for path, layer in self.analog.items():
            layer.program(seeds[path])

    def drift(self, time_s: float, seeds: dict[str, int]) -> None:
        """Set every analog layer to its state `time_s` after programming, read noise included.

        Args:
            time_s: Time since programming.
            seeds: Path -> seed of read and output noise.
        """
        for path, layer in self.analog.items():
            layer.drift(time_s, seeds[path])

    def rewind(self, first: int, count: int) -> None:
        """Let converter noise of the next pass be that of one batch of the data.

        The noise then depends on the seeds of `drift`, the module and the two numbers only, not on
        what was computed before or on which other modules are analog.

        Args:
            first: Number of the batch's first example.
            count: Number of examples in it.
        """
        for layer in self.analog.values():
            layer.uses = 0
            layer.rewind(first, count)


class Engine(Protocol):
    """Makes networks with analog layers."""

    def analog(self, model: nn.Module, modules: Sequence[str], rpu_config: Any) -> AnalogNetwork:
        """A copy of `model` in which the named modules are analog; all others are bit-identical.

        Args:
            model: Floating-point network, left untouched.
            modules: Paths of `nn.Linear`, `nn.Conv1d`, `nn.Conv2d` modules.
            rpu_config: An aihwkit `TorchInferenceRPUConfig`.

        Raises:
            InputError: A module does not exist, or has no analog layer.
        """
        ...


def engine(name: EngineName) -> Engine:
    """The engine of that name; what it needs is imported only now."""
    module, class_name = {
        "aihwkit": ("aihwkit_engine", "AihwkitEngine"),
        "fast": ("fast.engine", "FastEngine"),
    }[name]
    made: Engine = getattr(import_module(f"lionheart_opt.oracle.{module}"), class_name)()
    return made


def with_analog_layers(
    model: nn.Module, modules: Sequence[str], make: Callable[[str, Any], Any]
) -> AnalogNetwork:
    """A copy of `model` in which the named modules have been replaced.

    Args:
        model: Floating-point network, left untouched.
        modules: Paths of the modules to replace.
        make: Called with the path and the module; returns the `AnalogLayer`.

    Raises:
        InputError: A module does not exist, or has no analog layer.
    """
    network = deepcopy(model)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    wanted = {id(_convertible(network, path)): path for path in reversed(modules)}
    analog: dict[str, Any] = {}
    aliases: dict[str, str] = {}
    for path, module in list(network.named_modules(remove_duplicate=False)):
        if id(module) in wanted:
            aliases[path] = wanted[id(module)]
            if aliases[path] not in analog:
                analog[aliases[path]] = make(aliases[path], module)
    for path, original in aliases.items():
        parent, _, name = path.rpartition(".")
        if name:
            setattr(network.get_submodule(parent), name, analog[original])
        else:
            network = analog[original]
    return AnalogNetwork(network, analog, aliases, shapes)


def _convertible(network: nn.Module, path: str) -> nn.Module:
    """The module of that path, if it has an analog layer."""
    try:
        module = network.get_submodule(path)
    except AttributeError as error:
        raise InputError(f"the network has no module {path!r}") from error
    # not subclasses: their forward pass may be another one
    if type(module) not in {nn.Linear, nn.Conv1d, nn.Conv2d} or getattr(module, "groups", 1) != 1:
        raise InputError(
            f"module {path!r} ({type(module).__name__}) cannot be analog; "
            "allowed: Linear, Conv1d and Conv2d with one group"
        )
    if module._forward_hooks or module._forward_pre_hooks:
        raise InputError(
            f"module {path!r} has hooks, which an analog layer does not run; "
            "remove them or keep it on the host"
        )
    return module

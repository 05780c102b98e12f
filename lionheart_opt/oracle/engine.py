"""What simulates analog layers: the interface of the reference engine and of the fast one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import nn

from lionheart_opt.oracle.settings import EngineName

#: Buffer of a floating-point module, shape (n_tiles, 2), beside its weight: input range and number of
#: batches it was initialised from, of each tile (input splits first), where the configuration has
#: static or learned input ranges.
INPUT_RANGES = "input_ranges"


class AnalogNetwork(nn.Module):
    """A network some of whose modules are analog.

    Putting it into training mode takes the programmed and drifted weights out again, so that
    training continues from the trained ones.

    Args:
        network: the network, analog modules in place.
        analog: path -> analog module.
        aliases: every path of an analog module -> its path in `analog` (a module may be used twice).
        shapes: name -> shape in the state dict of the floating-point network, in its order.
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
            for module in self.analog.values():
                module.restore()
        super().train(mode)
        return self


class Engine(Protocol):
    """Turns modules of a floating-point network into analog ones, trains, programs and drifts them.

    Noise of a forward pass (weight modifier, converters, output) follows torch's global generator,
    which the caller seeds. The exchange format between engines, training and checkpoints is the
    state dict of the floating-point network: float weights that no evaluation has touched, and
    `INPUT_RANGES` where there are any.
    """

    def analog(self, model: nn.Module, modules: Sequence[str], rpu_config: Any) -> AnalogNetwork:
        """A copy of `model` in which the named modules are analog; all others are bit-identical.

        In training mode its forward pass is that of hardware-aware training (differentiable). In
        evaluation mode it needs `program` and `drift` first.

        Args:
            model: floating-point network, left untouched.
            modules: paths of `nn.Linear`, `nn.Conv1d`, `nn.Conv2d` modules.
            rpu_config: an aihwkit `TorchInferenceRPUConfig`.
        """
        ...

    def set_ideal(self, analog: AnalogNetwork, modules: Collection[str]) -> None:
        """Let these modules, and no others, compute as in the floating-point network.

        In training mode with the weights that are on their tiles, differentiable: one-shot training
        has other modules analog in every batch. In evaluation mode with the weights that `analog` was
        given, bit-identical: one network serves many mappings.

        Args:
            analog: what `analog` returned.
            modules: paths among the analog ones.
        """
        ...

    def after_step(self, analog: AnalogNetwork) -> None:
        """Clip and re-map the weights as the RPU configuration asks: after every optimiser step."""
        ...

    def weights(self, analog: AnalogNetwork) -> dict[str, torch.Tensor]:
        """State dict of the floating-point network with the trained, undrifted weights."""
        ...

    def program(self, analog: AnalogNetwork, seeds: dict[str, int]) -> None:
        """Program every analog module afresh: one seed for each module path."""
        ...

    def drift(self, analog: AnalogNetwork, time_s: float, seeds: dict[str, int]) -> None:
        """Set every analog module to its state `time_s` after programming, read noise included."""
        ...

    def rewind(self, analog: AnalogNetwork, first: int, count: int) -> None:
        """Let converter noise of the next pass be that of one batch of the data.

        A pure function of the seeds of `drift`, the module and the numbers: whatever was computed
        before, and whichever other modules are analog.

        Args:
            analog: what `analog` returned, drifted.
            first: number of the batch's first example.
            count: examples in it.
        """
        ...


def engine(name: EngineName) -> Engine:
    """The engine of that name; what it needs is imported only now."""
    module, attr = {
        "aihwkit": ("aihwkit_engine", "AihwkitEngine"),
        "fast": ("fast.engine", "FastEngine"),
    }[name]
    found: Engine = getattr(import_module(f"lionheart_opt.oracle.{module}"), attr)()
    return found

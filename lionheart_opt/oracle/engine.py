"""What simulates analog weight matrices, and the engines that make networks of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from torch import Tensor, nn

from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.settings import EngineName
from lionheart_opt.oracle.window import Window


class AnalogMatrix(Protocol):
    """A weight matrix on analog tiles. It is an `nn.Module`, too.

    Attributes:
        ideal: Let the network compute with the matrix as its digital targets do (see
            `AnalogNetwork.set_ideal`).
        uses: How often the network has multiplied with the matrix since the last `rewind`.
    """

    ideal: bool
    uses: int

    def __call__(self, x: Tensor, bias: Tensor | None, window: Window | None) -> Tensor:
        """Outputs for vectors, or for feature maps if there is a window.

        Args:
            x: Vectors (..., n_inputs), or feature maps (n, channels, height, width).
            bias: What is added digitally, shape (n_outputs,).
            window: The window of a convolution.

        Returns:
            Shape (..., n_outputs), or (n, n_outputs, height, width).
        """
        ...

    def value(self) -> Tensor:
        """The trained weights in floating point, shape (n_outputs, n_inputs), differentiably."""
        ...

    def input_ranges(self) -> Tensor | None:
        """See `INPUT_RANGES`."""
        ...

    def freeze(self) -> None:
        """Let training leave the weights as they are."""
        ...

    def keep_zeros(self, cells: Tensor) -> None:
        """Let training leave weights at zero where `cells` is 0, shape (n_outputs, n_inputs)."""
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
        """Set the matrix to its state `time_s` after programming."""
        ...

    def rewind(self, first: int, count: int) -> None:
        """Let converter noise of the next pass be that of `count` examples from number `first` on."""
        ...


class Engine(Protocol):
    """Makes networks with analog weight matrices."""

    def analog(
        self,
        model: nn.Module,
        matrices: Sequence[str],
        rpu_config: Any,
        digital: Digital | None = None,
    ) -> AnalogNetwork:
        """A copy of `model` in which the named matrices are analog.

        All else is bit-identical, or computes in what `digital` says.

        Args:
            model: Floating-point network, left untouched.
            matrices: Paths of weight matrices, as in `Layer.module`.
            rpu_config: An aihwkit `TorchInferenceRPUConfig`, or one for each path.
            digital: What the other matrices compute in; None is floating point.

        Raises:
            InputError: The network has no such matrix.
        """
        ...


def config_of(rpu_config: Any, path: str) -> Any:
    """The RPU configuration of a matrix, from that of all matrices or from one for each path."""
    return rpu_config[path] if isinstance(rpu_config, dict) else rpu_config


def engine(name: EngineName) -> Engine:
    """The engine of that name; what it needs is imported only now."""
    module, class_name = {
        "aihwkit": ("aihwkit_engine", "AihwkitEngine"),
        "fast": ("fast.engine", "FastEngine"),
    }[name]
    made: Engine = getattr(import_module(f"lionheart_opt.oracle.{module}"), class_name)()
    return made

"""What simulates analog weight matrices, and the engines that make networks of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from torch import nn

from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.settings import EngineName


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

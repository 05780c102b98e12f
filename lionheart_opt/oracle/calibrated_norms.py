"""Batch norm whose statistics follow a chip, relative to the floating-point network's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lionheart_opt.errors import InputError

if TYPE_CHECKING:
    from lionheart_opt.oracle.analog_network import AnalogNetwork

#: Path of a batch norm -> the module.
Norms = dict[str, _BatchNorm]


def norms_of(network: nn.Module) -> Norms:
    """The batch norms of a network that have statistics of their own in evaluation mode."""
    return {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }


def check_norms(norms: Norms, where: str = "") -> None:
    """Refuse to calibrate the batch norms of a network that has none.

    Args:
        norms: The batch norms.
        where: What the message begins with.

    Raises:
        InputError: There are none.
    """
    if not norms:
        raise InputError(
            f"{where}compensation: got 'batch_norm'; the network has no batch norm with running "
            "statistics; allowed: 'none', 'columns'"
        )


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and variance of what a batch norm gets, shape (n_channels,).

    Args:
        count: Numbers of each channel.
        mean: Their mean.
        var: Their variance.
    """

    count: int
    mean: Tensor
    var: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Statistics:
        """The statistics of activations of shape (n, n_channels, ...)."""
        var, mean = torch.var_mean(x.transpose(0, 1).flatten(1), 1, correction=0)
        return cls(x.numel() // max(x.shape[1], 1), mean.double(), var.double())

    def with_more(self, other: Statistics) -> Statistics:
        """The statistics of both."""
        count = self.count + other.count
        share = other.count / count
        step = other.mean - self.mean
        var = self.var + (other.var - self.var) * share + step * step * share * (1 - share)
        return Statistics(count, self.mean + step * share, var)


#: Path of a batch norm -> statistics of all its uses up to each of them.
Uses = dict[str, list[Statistics]]


class CalibratedNorms:
    """Statistics of batch norms, which a chip computes with.

    Args:
        norms: The batch norms.
    """

    def __init__(self, norms: Norms) -> None:
        self._tensors = [
            (module, module.running_mean, module.running_var) for module in norms.values()
        ]

    def put_on(self, analog: AnalogNetwork) -> None:  # noqa: ARG002
        """Let the network compute with them."""
        for module, mean, var in self._tensors:
            module.running_mean, module.running_var = mean, var


@contextmanager
def seen(norms: Norms, see: Callable[[str, Statistics, int], None]) -> Iterator[None]:
    """Inside, `see` is called before each use of a batch norm.

    Args:
        norms: The batch norms.
        see: Called with the path, the statistics of all uses so far, this one included, and the number of
            this one.
    """
    now: Uses = {}

    def hook(path: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def called(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            uses = now.setdefault(path, [])
            statistics = Statistics.of(inputs[0])
            uses.append(uses[-1].with_more(statistics) if uses else statistics)
            see(path, uses[-1], len(uses) - 1)

        return called

    handles = [module.register_forward_pre_hook(hook(path)) for path, module in norms.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def calibrated(norm: _BatchNorm, network: Statistics, chip: Statistics) -> tuple[Tensor, Tensor]:
    """Running mean and variance with which a batch norm gives on the chip what it gives in the network.

    With these, activations x give what (x - mean of chip) * deviation of network / deviation of chip +
    mean of network gives with the statistics of `norm`. Equal statistics change nothing, bit for bit.

    Args:
        norm: A batch norm with the statistics of the floating-point network.
        network: Statistics on calibration examples in the floating-point network.
        chip: Statistics on the same examples on the chip.
    """
    mean, var = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    varies = (network.var > 0) & (chip.var > 0)
    ratio = torch.where(varies, chip.var / network.var.where(varies, 1.0), 1.0)
    moved = (chip.mean - network.mean) + (network.mean - mean) * (1 - ratio.sqrt())
    return (mean + moved).to(mean), (var + (var + norm.eps) * (ratio - 1)).to(var)


class RecordedNorms:
    """Statistics of the floating-point network, and what they make of those of a chip.

    Args:
        norms: Batch norms of the network that runs, with the statistics of the floating-point network.

    Attributes:
        given: The statistics of the floating-point network.

    Raises:
        InputError: There are no batch norms.
    """

    def __init__(self, norms: Norms) -> None:
        check_norms(norms)
        self._norms = norms
        self._uses: Uses = {}
        self._tensors = {path: (m.running_mean, m.running_var) for path, m in norms.items()}
        self.given = CalibratedNorms(norms)

    def record(self, run: Callable[[], object]) -> None:
        """Keep the statistics of a pass of the floating-point network."""
        self._uses = {}

        def see(path: str, statistics: Statistics, use: int) -> None:  # noqa: ARG001
            self._uses.setdefault(path, []).append(statistics)

        with seen(self._norms, see):
            run()

    def fit(self, analog: AnalogNetwork, run: Callable[[], object]) -> CalibratedNorms:
        """Calibrate the batch norms one after the other in a pass of the chip.

        Raises:
            InputError: A batch norm is used more often than in the floating-point network.
        """
        self.given.put_on(analog)

        def see(path: str, chip: Statistics, use: int) -> None:
            norm, uses = self._norms[path], self._uses.get(path, [])
            if use >= len(uses):
                raise InputError(
                    f"calibration: batch norm {path!r} is used otherwise on the chip than in the "
                    "floating-point network, whose way depends on its activations; "
                    "use compensation = 'none' or 'columns'"
                )
            norm.running_mean, norm.running_var = self._tensors[path]
            norm.running_mean, norm.running_var = calibrated(norm, uses[use], chip)

        with seen(self._norms, see):
            run()
        fitted = CalibratedNorms(self._norms)
        self.given.put_on(analog)
        return fitted

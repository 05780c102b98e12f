"""How far a network's outputs are from those of another one, as what is measured."""

from __future__ import annotations

from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from lionheart_opt.errors import InputError
from lionheart_opt.metric import Metric
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.batches import Inputs
from lionheart_opt.tasks.task import Batch, Task

#: See `Task.divergence`.
DIVERGENCE = Metric(name="divergence", higher_is_better=False, low=0.0, high=inf, unit="")


class Divergence(Task):
    """Another task, in which outputs are compared with those of one network instead of the targets.

    Args:
        task: The other task.
        network: What outputs are compared with, in evaluation mode.
    """

    metric = DIVERGENCE

    def __init__(self, task: Task, network: nn.Module) -> None:
        super().__init__(output=task.output)
        self._task, self._network = task, network
        self._last: tuple[Batch, Any] | None = None

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """The divergence of each example, shape (n_examples, 1).

        Raises:
            InputError: A divergence is not finite.
        """
        divergence = self._task.divergence(outputs, self._wanted(batch)).double()
        # several rows may belong to an example, such as the windows of a long text
        divergence = divergence.reshape(len(batch), -1).mean(dim=1, keepdim=True)
        if not bool(torch.isfinite(divergence).all()):
            raise InputError("divergence of the outputs: got NaN or infinity; must be finite")
        return divergence

    def _wanted(self, batch: Batch) -> Any:
        """Outputs of the network for a batch; those of the last batch are kept."""
        if self._last is None or self._last[0] is not batch:
            device = next(self._network.parameters()).device
            fed = batches.to(self._task.feed(batch.inputs), device, copy=True)
            self._last = batch, batches.on_cpu(batches.call(self._network, fed))
        return self._last[1]

    def feed(self, inputs: Inputs) -> Inputs:
        """See `Task.feed`."""
        return self._task.feed(inputs)

"""The loss of a task as what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import torch
from torch import Tensor

from lionheart_opt.errors import InputError
from lionheart_opt.metric import Metric
from lionheart_opt.tasks.batches import Inputs, Targets
from lionheart_opt.tasks.task import Batch, Task

#: The training loss, which is finer than a share of right answers.
LOSS = Metric(name="loss", higher_is_better=False, low=-inf, high=inf, unit="")


class ByLoss(Task):
    """Another task, whose loss is measured instead of its metric.

    Losses are means over batches. Every example of a batch gets the loss of the batch, so that the mean
    over examples is right and bounds over examples are not.

    Args:
        task: The other task.
    """

    metric = LOSS

    def __init__(self, task: Task) -> None:
        super().__init__(output=task.output)
        self._task = task
        self.split_by, self.class_axis = task.split_by, task.class_axis

    @property
    def identity(self) -> dict[str, Any]:
        """See `Task.identity`."""
        return {**super().identity, "task": self._task.identity}

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.loss`."""
        return self._task.loss(outputs, batch)

    def imitation(self, outputs: Any, wanted: Any) -> Tensor:
        """See `Task.imitation`."""
        return self._task.imitation(outputs, wanted)

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """The loss of the batch for each of its examples, shape (n_examples, 1).

        Raises:
            InputError: The loss is not one finite number.
        """
        loss = self._task.loss(outputs, batch).detach().double()
        if loss.numel() != 1 or not bool(torch.isfinite(loss).all()):
            got = f"{loss.item():g}" if loss.numel() == 1 else f"shape {tuple(loss.shape)}"
            raise InputError(f"loss of {len(batch)} examples: got {got}; must be one finite number")
        return loss.reshape(1, 1).repeat(len(batch), 1)

    def feed(self, inputs: Inputs) -> Inputs:
        """See `Task.feed`."""
        return self._task.feed(inputs)

    def feed_one(self, batch: Batch) -> Inputs:
        """See `Task.feed_one`."""
        return self._task.feed_one(batch)

    def prepared(self, targets: Targets) -> Targets:
        """See `Task.prepared`."""
        return self._task.prepared(targets)

    def check(self, outputs: Any, batch: Batch, parts: Sequence[Batch]) -> None:
        """See `Task.check`."""
        self._task.check(outputs, batch, parts)

"""What an oracle measures: the metric of its task, or its loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from lionheart_opt.datasets.splits import Splits
from lionheart_opt.metric import Metric
from lionheart_opt.tasks import Task
from lionheart_opt.tasks.by_loss import ByLoss


@dataclass(kw_only=True, eq=False)
class MeasuresTask:
    """For oracles that measure what a network does on data.

    Args:
        splits: The data.
        relative: Whether drops are shares of the baseline.
        by_loss: Whether the loss is measured instead of the metric. Trainings stay the same.
    """

    splits: Splits
    relative: bool = False
    by_loss: bool = False

    @property
    def task(self) -> Task:
        """What the network is for, and what is measured."""
        task = self.splits.train.task
        return ByLoss(task) if self.by_loss else task

    @property
    def metric(self) -> Metric:
        """See `SaysMetric.metric`."""
        metric = self.task.metric
        return replace(metric, relative=True) if self.relative else metric

    def measured_by_loss(self) -> Self:
        """See `MeasuresLoss.measured_by_loss`."""
        return replace(self, by_loss=True, relative=False)

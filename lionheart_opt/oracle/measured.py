"""What an oracle measures: the metric of its task."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lionheart_opt.datasets.splits import Splits
from lionheart_opt.metric import Metric
from lionheart_opt.tasks import Task


@dataclass(kw_only=True, eq=False)
class MeasuresTask:
    """For oracles that measure what a network does on data.

    Args:
        splits: The data.
        relative: Whether drops are shares of the baseline.
    """

    splits: Splits
    relative: bool = False

    @property
    def task(self) -> Task:
        """What the network is for, and what is measured."""
        return self.splits.train.task

    @property
    def metric(self) -> Metric:
        """See `SaysMetric.metric`."""
        metric = self.task.metric
        return replace(metric, relative=True) if self.relative else metric

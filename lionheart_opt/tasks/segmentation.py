"""A class for each place of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lionheart_opt.errors import InputError
from lionheart_opt.metric import Metric
from lionheart_opt.tasks.batches import Targets
from lionheart_opt.tasks.task import Batch, Task, tensor_targets, whole_numbers


class Segmentation(Task):
    """A class for each place. Trained on the cross entropy; measured by the mean IoU over classes.

    Networks return scores, shape (n_examples, n_classes, ...), and targets are numbers of classes,
    shape (n_examples, ...). Scores on another grid of the same proportions are interpolated. The
    intersection and the union of each class are counted over all examples; classes without either do
    not count.

    Args:
        ignore_index: Number in the targets of places that do not count.
        output: See `Task`.
    """

    class_axis = 1

    def __init__(self, *, ignore_index: int = 255, output: str | int | None = None) -> None:
        super().__init__(output=output)
        self.ignore_index = ignore_index
        self._measures(Metric(name="mean IoU", value="mean_of_ratios"))

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.loss`."""
        assert isinstance(batch.targets, Tensor)
        scores = self._scores(outputs, batch.targets)
        return F.cross_entropy(scores, batch.targets, ignore_index=self.ignore_index)

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.statistics`: intersection and union of each class, in places."""
        assert isinstance(batch.targets, Tensor)
        scores, right = self._scores(outputs, batch.targets), batch.targets.flatten(1)
        n_classes, said = scores.shape[1], scores.argmax(1).flatten(1)
        counts = right != self.ignore_index
        hit = counts & (said == right)
        right = torch.where(counts, right, 0)

        def per_class(classes: Tensor, where: Tensor) -> Tensor:
            sums = torch.zeros(len(classes), n_classes)
            return sums.scatter_add_(1, classes, where.float())

        both = per_class(right, hit)
        either = per_class(right, counts) + per_class(said, counts) - both
        return torch.stack([both, either], dim=-1).flatten(1)

    def prepared(self, targets: Targets) -> Tensor:
        """See `Task.prepared`."""
        places = whole_numbers(targets, "segmentation")
        if places.ndim < 2:
            raise InputError(
                f"targets of shape {tuple(places.shape)}; segmentation needs a class for each place, "
                "shape (n_examples, height, width)"
            )
        return places

    def check(self, outputs: Any, batch: Batch, parts: Sequence[Batch]) -> None:
        """See `Task.check`."""
        targets = tensor_targets(batch.targets, "segmentation")
        scores = self.pick(outputs)
        if scores.ndim != targets.ndim + 1:
            raise InputError(
                f"the network returns {tuple(scores.shape)} for targets of shape {tuple(targets.shape)}; "
                "must be (n_examples, n_classes, height, width)"
            )
        sizes, needed = scores.shape[2:], targets.shape[1:]
        if any(
            abs(a / b - sizes[0] / needed[0]) * b > 1.0 for a, b in zip(sizes, needed, strict=True)
        ):
            raise InputError(
                f"the network returns scores of {tuple(sizes)} places for targets of {tuple(needed)}; "
                "must be in the same proportions, which interpolation keeps"
            )
        for part in parts:
            places = tensor_targets(part.targets, "segmentation")
            counted = places[places != self.ignore_index]
            if not len(counted):
                raise InputError("targets: no place counts; see `ignore_index`")
            low, high = int(counted.min()), int(counted.max())
            if low < 0 or high >= scores.shape[1]:
                raise InputError(
                    f"targets: classes from {low} to {high}; the network has {scores.shape[1]} classes "
                    f"(places that do not count: ignore_index = {self.ignore_index})"
                )
        super().check(outputs, batch, parts)

    def _scores(self, outputs: Any, targets: Tensor) -> Tensor:
        scores = self.pick(outputs)
        if scores.shape[2:] == targets.shape[1:]:
            return scores
        return F.interpolate(scores, size=targets.shape[1:], mode="bilinear", align_corners=False)

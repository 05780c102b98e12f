"""Classes: one of them is right (`classification`), or several (`multi_label`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lionheart_opt.errors import InputError
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.tasks.batches import Targets
from lionheart_opt.tasks.task import Batch, Task, tensor_targets, whole_numbers


class Classification(Task):
    """One class is right. Trained on the cross entropy; measured by the share of right answers.

    Networks return scores of classes, shape (n_examples, n_classes). Targets are numbers of classes,
    shape (n_examples,).

    Args:
        top_k: An answer is right if the class is among so many with the highest scores.
        output: See `Task`.
    """

    split_by = "classes"
    class_axis = 1

    def __init__(self, *, top_k: int = 1, output: str | int | None = None) -> None:
        if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
            raise InputError(f"top_k: got {top_k!r}; must be a positive whole number")
        super().__init__(output=output)
        self.top_k = top_k
        self._measures(
            ACCURACY if top_k == 1 else Metric(name=f"top-{top_k} accuracy", counts=True)
        )

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.loss`."""
        return F.cross_entropy(self.pick(outputs), tensor_targets(batch.targets, "classification"))

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.statistics`."""
        scores, labels = self.pick(outputs), batch.targets
        assert isinstance(labels, Tensor)
        if self.top_k == 1:
            return (scores.argmax(1) == labels)[:, None]
        best = scores.topk(self.top_k, dim=1).indices
        return (best == labels[:, None]).any(1, keepdim=True)

    def prepared(self, targets: Targets) -> Tensor:
        """See `Task.prepared`."""
        labels = whole_numbers(targets, "classification")
        if labels.ndim != 1:
            raise InputError(
                f"labels of shape {tuple(labels.shape)}; classification needs one class for each example "
                "(n,); other tasks: segmentation, language_model, ..."
            )
        if len(labels) and int(labels.min()) < 0:
            raise InputError(f"labels from {int(labels.min())}; must be at least 0")
        return labels

    def classes(self, targets: Targets) -> np.ndarray:
        """See `Task.classes`."""
        return np.asarray(tensor_targets(targets, "classification").numpy())

    def check(self, outputs: Any, batch: Batch, parts: Sequence[Batch]) -> None:
        """See `Task.check`."""
        n_classes = 1 + max(
            int(tensor_targets(part.targets, "classification").max()) for part in parts
        )
        scores = self.pick(outputs)
        if scores.ndim != 2 or scores.shape[1] < n_classes:
            raise InputError(
                f"the network returns {tuple(scores.shape)} for one example; (1, {n_classes}) or wider "
                f"is needed: one score for each of {n_classes} classes"
            )
        if self.top_k >= scores.shape[1]:
            raise InputError(
                f"top_k: got {self.top_k}; the network has {scores.shape[1]} classes, so that every "
                "answer would be right"
            )
        super().check(outputs, batch, parts)


class MultiLabel(Task):
    """Any number of classes are right. Trained on the binary cross entropy; measured by F1.

    Networks return a score of each class, shape (n_examples, n_classes), which is above 0 where the
    class is there. Targets are 0 or 1, of the same shape.

    Args:
        average: `micro` counts all classes together, `macro` takes the mean over classes.
        output: See `Task`.
    """

    def __init__(
        self, *, average: Literal["micro", "macro"] = "micro", output: str | int | None = None
    ) -> None:
        if average not in ("micro", "macro"):
            raise InputError(f"average: got {average!r}; must be micro or macro")
        super().__init__(output=output)
        self.average = average
        value = "ratio" if average == "micro" else "mean_of_ratios"
        self._measures(Metric(name=f"{average} F1", value=value))

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.loss`."""
        assert isinstance(batch.targets, Tensor)
        return F.binary_cross_entropy_with_logits(self.pick(outputs), batch.targets)

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.statistics`."""
        assert isinstance(batch.targets, Tensor)
        said, right = self.pick(outputs) > 0, batch.targets > 0.5
        both = 2.0 * (said & right)
        each = torch.stack([both, said.float() + right.float()], dim=-1)
        return each.sum(dim=1) if self.average == "micro" else each.flatten(1)

    def prepared(self, targets: Targets) -> Tensor:
        """See `Task.prepared`."""
        labels = tensor_targets(targets, "multi_label").to(torch.float32)
        if labels.ndim != 2 or not bool(((labels == 0) | (labels == 1)).all()):
            raise InputError(
                f"targets of shape {tuple(labels.shape)}; multi_label needs 0 or 1 for each class, "
                "shape (n_examples, n_classes)"
            )
        return labels

    def check(self, outputs: Any, batch: Batch, parts: Sequence[Batch]) -> None:
        """See `Task.check`."""
        scores, labels = self.pick(outputs), tensor_targets(batch.targets, "multi_label")
        if scores.shape != labels.shape:
            raise InputError(
                f"the network returns {tuple(scores.shape)}; {tuple(labels.shape)} is needed: one score "
                f"for each of {labels.shape[1]} classes"
            )
        super().check(outputs, batch, parts)


#: What most networks are for.
CLASSIFICATION = Classification()

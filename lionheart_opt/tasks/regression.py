"""Numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.metric import Metric
from lionheart_opt.tasks.batches import Targets
from lionheart_opt.tasks.task import Batch, Task, tensor_targets

#: What may be measured, by name.
METRICS = {
    "mae": Metric(name="MAE", higher_is_better=False, high=inf, unit=""),
    "mse": Metric(name="MSE", higher_is_better=False, high=inf, unit=""),
    "rmse": Metric(name="RMSE", value="root", higher_is_better=False, high=inf, unit=""),
    "correlation": Metric(name="correlation", value="correlation", low=-1.0, unit=""),
    "r2": Metric(name="R2", value="determination", low=-inf, unit=""),
}


class Regression(Task):
    """Numbers. Trained on the squared error.

    Networks return numbers of the shape of the targets; axes of length 1 may be left out.

    Args:
        measure: `mae`, `mse`, `rmse`, `correlation` (Pearson's) or `r2`, the coefficient of
            determination. Several numbers of an example are averaged for the first three.
        output: See `Task`.
    """

    def __init__(self, *, measure: str = "mae", output: str | int | None = None) -> None:
        if measure not in METRICS:
            raise unknown("measure", measure, METRICS)
        super().__init__(output=output)
        self.measure = measure
        self._measures(METRICS[measure])

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.loss`."""
        said, right = self._both(outputs, batch)
        return F.mse_loss(said, right)

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.statistics`."""
        said, right = (each.flatten(1).double() for each in self._both(outputs, batch))
        error = said - right
        match self.measure:
            case "mae":
                return error.abs().mean(1, keepdim=True)
            case "mse" | "rmse":
                return (error**2).mean(1, keepdim=True)
            case "r2":
                return torch.cat([error**2, right, right**2], dim=1)
        return torch.cat([said, right, said**2, right**2, said * right], dim=1)

    def prepared(self, targets: Targets) -> Tensor:
        """See `Task.prepared`."""
        numbers = tensor_targets(targets, "regression").to(torch.float32)
        if not bool(torch.isfinite(numbers).all()):
            raise InputError("targets: NaN or infinite values")
        if self.measure in ("correlation", "r2") and numbers[:1].numel() > 1:
            raise InputError(
                f"targets of shape {tuple(numbers.shape)}; {self.measure} needs one number for each "
                "example; other measures: mae, mse, rmse"
            )
        return numbers

    def check(self, outputs: Any, batch: Batch, parts: Sequence[Batch]) -> None:
        """See `Task.check`."""
        said, right = self.pick(outputs), tensor_targets(batch.targets, "regression")
        if _sizes(said) != _sizes(right):
            raise InputError(
                f"the network returns {tuple(said.shape)}; {tuple(right.shape)} is needed"
            )
        for part in parts if self.measure in ("correlation", "r2") else ():
            numbers = tensor_targets(part.targets, "regression")
            if len(numbers) > 1 and bool((numbers == numbers[0]).all()):
                raise InputError(
                    f"targets: all {len(numbers)} of training, validation or test data are "
                    f"{float(numbers.flatten()[0]):g}, of which there is no {self.measure}; other "
                    "measures: mae, mse, rmse"
                )
        super().check(outputs, batch, parts)

    def _both(self, outputs: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        right = tensor_targets(batch.targets, "regression")
        right = right[:, None] if right.ndim == 1 else right
        return self.pick(outputs).reshape(right.shape), right


def _sizes(numbers: Tensor) -> list[int]:
    """Sizes of the axes of an example, but for those of length 1."""
    return [size for size in numbers.shape[1:] if size != 1]

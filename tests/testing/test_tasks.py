"""A task that breaks a promise fails the contract."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.metric import Metric
from lionheart_opt.tasks import Task
from lionheart_opt.testing import TaskContract

CONTRACT = TaskContract()


class Good(Task):
    metric = Metric(name="error", higher_is_better=False, unit="")

    def loss(self, outputs: Any, batch: Any) -> Tensor:
        return (outputs[:, 0] - batch.targets).square().mean()

    def statistics(self, outputs: Any, batch: Any) -> Tensor:
        return (outputs[:, :1] - batch.targets[:, None]).abs().clamp(max=1.0)


class Detached(Good):
    def loss(self, outputs: Any, batch: Any) -> Tensor:
        return super().loss(outputs, batch).detach().requires_grad_()


class Standardised(Good):
    """An example counts by what the others in its batch are."""

    def statistics(self, outputs: Any, batch: Any) -> Tensor:
        return super().statistics(outputs - outputs.mean(), batch)


class OutOfRange(Good):
    def statistics(self, outputs: Any, batch: Any) -> Tensor:
        return super().statistics(outputs, batch) + 2.0


class Local(Good):
    """It holds what other processes cannot have."""

    def __init__(self) -> None:
        super().__init__()
        self.weight: Callable[[float], float] = lambda x: x


class OneForAll(Good):
    def statistics(self, outputs: Any, batch: Any) -> Tensor:
        return super().statistics(outputs, batch).mean(0, keepdim=True)


def check(task: Task, promise: str) -> None:
    torch.manual_seed(0)
    examples = Examples(inputs=torch.randn(8, 3), targets=torch.rand(8), task=task)
    network = nn.Linear(3, 1).eval()
    method = getattr(CONTRACT, promise)
    if promise == "test_a_record_knows_it_again":
        method(examples)
    else:
        method(network, examples)


PROMISES = {
    Detached: "test_the_loss_can_be_trained",
    Standardised: "test_statistics_are_those_of_single_examples",
    OutOfRange: "test_the_metric_is_in_its_range",
    Local: "test_a_record_knows_it_again",
    OneForAll: "test_the_network_fits",
}


@pytest.mark.parametrize("kind", PROMISES)
def test_a_broken_promise_is_found(kind: type[Task]) -> None:
    with pytest.raises(Exception):  # noqa: B017
        check(kind(), PROMISES[kind])
    check(Good(), PROMISES[kind])

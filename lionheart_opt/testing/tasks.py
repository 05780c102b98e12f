"""The contract of tasks."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from torch import nn

    from lionheart_opt.datasets.splits import Examples


class TaskContract:
    """What every task promises. Fixtures to give: `examples`, for the task, and a `network`."""

    @pytest.fixture
    def examples(self) -> Examples:
        """Some examples, six at least, for the task under test."""
        raise NotImplementedError("give a fixture `examples`")

    @pytest.fixture
    def network(self) -> nn.Module:
        """A network in evaluation mode that answers them."""
        raise NotImplementedError("give a fixture `network`")

    def ask(self, network: nn.Module, examples: Examples) -> Any:
        """What the network answers."""
        from lionheart_opt.tasks import batches

        return batches.call(network, examples.task.feed(examples.inputs))

    def test_the_network_fits(self, network: nn.Module, examples: Examples) -> None:
        """`check` accepts it."""
        examples.task.check(self.ask(network, examples), examples, [examples])

    def test_the_loss_can_be_trained(self, network: nn.Module, examples: Examples) -> None:
        """A finite number whose gradient reaches the weights."""
        import torch

        loss = examples.task.loss(self.ask(network, examples), examples)
        assert loss.shape == () and bool(torch.isfinite(loss))
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert any(bool(gradient.any()) for gradient in gradients)

    def test_it_can_be_distilled(self, network: nn.Module, examples: Examples) -> None:
        """Outputs can imitate those of another network, and imitate themselves best."""
        import torch

        task = examples.task
        outputs = self.ask(network, examples)
        own = task.imitation(outputs, outputs)
        assert own.shape == () and bool(torch.isfinite(own))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.5 * torch.randn_like(parameter))
            other = task.imitation(self.ask(network, examples), outputs)
        assert float(other) > float(own)

    def test_statistics_are_those_of_single_examples(
        self, network: nn.Module, examples: Examples
    ) -> None:
        """One row an example, which does not depend on the others in the batch."""
        import torch

        task = examples.task
        with torch.no_grad():
            together = task.statistics(self.ask(network, examples), examples)
        assert together.ndim == 2 and len(together) == len(examples)
        assert not together.requires_grad
        if task.of_all:
            return
        singles = [examples[k : k + 1] for k in range(len(examples))]
        with torch.no_grad():
            apart = [task.statistics(self.ask(network, each), each) for each in singles]
        np.testing.assert_allclose(together.double(), torch.cat(apart).double(), atol=1e-5)

    def test_the_metric_is_in_its_range(self, network: nn.Module, examples: Examples) -> None:
        """The value of the means is one that the metric can have."""
        import torch

        task = examples.task
        with torch.no_grad():
            statistics = task.statistics(self.ask(network, examples), examples)
        if task.metric.counts:
            assert statistics.dtype == torch.bool and statistics.shape[1] == 1
        task.metric.check(np.atleast_1d(task.metric.of(statistics.double().mean(0).numpy())))

    def test_a_record_knows_it_again(self, examples: Examples) -> None:
        """Its identity is plain data, and it travels to other processes."""
        task = examples.task
        json.dumps(task.identity)
        again = pickle.loads(pickle.dumps(task))
        assert again == task and again.metric == task.metric

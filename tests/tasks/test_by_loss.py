"""The loss as a metric: the mean over examples of the loss of their batches, and nothing else changed."""

import pytest
import torch
from torch.nn import functional as F

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import Classification, LanguageModel, MultiLabel, Task
from lionheart_opt.tasks.by_loss import LOSS, ByLoss

SCORES = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1])


def test_every_example_has_the_loss_of_its_batch() -> None:
    task = ByLoss(Classification())
    batch = Examples(inputs=torch.zeros(5, 2), targets=LABELS, task=task)
    statistics = task.statistics(SCORES, batch)
    assert statistics.shape == (5, 1) and statistics.dtype == torch.float64
    assert statistics.unique().tolist() == [pytest.approx(float(F.cross_entropy(SCORES, LABELS)))]
    value = LOSS.of(statistics.mean(0).numpy())
    assert LOSS.drop(0.5, value) == pytest.approx(float(value) - 0.5), "a higher loss is a drop"


def test_data_are_prepared_and_split_as_for_the_task_itself() -> None:
    task = ByLoss(Classification(output="scores"))
    assert (task.split_by, task.class_axis, task.output) == ("classes", 1, "scores")
    with pytest.raises(InputError, match="labels from -1"):
        Examples(inputs=torch.zeros(1, 2), targets=torch.tensor([-1]), task=task)


def test_the_task_is_part_of_the_identity() -> None:
    assert ByLoss(Classification()) == ByLoss(Classification())
    assert ByLoss(Classification()) != Classification()
    assert ByLoss(Classification()) != ByLoss(MultiLabel())


@pytest.mark.parametrize(
    ("task", "scores", "targets", "message"),
    [
        (Classification(), SCORES * torch.inf, LABELS, "got nan"),
        (LanguageModel(), torch.zeros(5, 4, 3), torch.full((5, 4), -100), "got nan"),
    ],
)
def test_a_loss_that_is_not_finite_is_refused(
    task: Task, scores: torch.Tensor, targets: torch.Tensor, message: str
) -> None:
    batch = Examples(
        inputs=torch.zeros(5, 4, dtype=torch.int64), targets=targets, task=ByLoss(task)
    )
    with pytest.raises(InputError, match=f"loss of 5 examples: {message}"):
        batch.task.statistics(scores, batch)

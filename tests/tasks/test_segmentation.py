"""Intersection over union, against a count by hand."""

import numpy as np
import pytest
import torch

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import Segmentation

GENERATOR = torch.Generator().manual_seed(0)
SCORES = torch.randn(9, 5, 4, 6, generator=GENERATOR)
PLACES = torch.randint(4, (9, 4, 6), generator=GENERATOR)  # class 4 is never right
PLACES[:, 0, 0] = 255


def examples(places: torch.Tensor = PLACES) -> Examples:
    return Examples(inputs=SCORES, targets=places, task=Segmentation())


def test_mean_iou() -> None:
    task = examples().task
    said, right = SCORES.argmax(1).numpy(), PLACES.numpy()
    counts = right != 255
    ratios = []
    for label in range(5):
        a, b = (said == label) & counts, (right == label) & counts
        ratios.append((a & b).sum() / (a | b).sum())
    means = task.statistics(SCORES, examples()).double().mean(0).numpy()
    assert float(task.metric.of(means)) == pytest.approx(np.mean(ratios))


def test_a_class_that_is_nowhere_does_not_count() -> None:
    scores = SCORES.clone()
    scores[:, 4] = -100.0
    places = scores.argmax(1)
    task = examples().task
    means = task.statistics(scores, examples(places)).double().mean(0).numpy()
    assert float(task.metric.of(means)) == 1.0


@pytest.mark.parametrize(
    ("places", "scores", "message"),
    [
        (PLACES + 5, SCORES, "classes from 5 to 260; the network has 5 classes"),
        (PLACES, SCORES[:, 0], r"the network returns \(9, 4, 6\) for targets of shape \(9, 4, 6\)"),
        (torch.full_like(PLACES, 255), SCORES, "no place counts"),
        (PLACES, SCORES.mT, r"scores of \(6, 4\) places for targets of \(4, 6\); .* proportions"),
    ],
)
def test_what_does_not_fit(places: torch.Tensor, scores: torch.Tensor, message: str) -> None:
    chosen = examples(places)
    with pytest.raises(InputError, match=message):
        chosen.task.check(scores, chosen, [chosen])


def test_a_class_for_each_example_is_no_segmentation() -> None:
    with pytest.raises(InputError, match="a class for each place"):
        examples(torch.zeros(9).long())


@pytest.mark.parametrize("size", [(2, 3), (1, 2), (8, 12), (4, 6)])
def test_grids_of_the_same_proportions_are_interpolated(size: tuple[int, int]) -> None:
    scores = torch.zeros(9, 5, *size)
    examples().task.check(scores, examples(), [examples()])

"""Right answers and F1, against what scikit-learn says."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, top_k_accuracy_score

import lionheart_opt as lo
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import Classification, MultiLabel

GENERATOR = torch.Generator().manual_seed(0)
SCORES = torch.randn(50, 4, generator=GENERATOR)
CLASSES = torch.randint(4, (50,), generator=GENERATOR)
LABELS = torch.randint(2, (50, 4), generator=GENERATOR)


def value(task: Any, targets: torch.Tensor, scores: torch.Tensor = SCORES) -> float:
    examples = Examples(inputs=scores, targets=targets, task=task)
    return float(task.metric.of(task.statistics(scores, examples).double().mean(0).numpy()))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_right_answers(k: int) -> None:
    expected = top_k_accuracy_score(CLASSES, SCORES.numpy(), k=k, labels=range(4))
    assert value(Classification(top_k=k), CLASSES) == pytest.approx(expected)


@pytest.mark.parametrize("average", ["micro", "macro"])
def test_f1(average: Any) -> None:
    expected = f1_score(LABELS.numpy(), SCORES.numpy() > 0, average=average)
    assert value(MultiLabel(average=average), LABELS) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("task", "targets", "message"),
    [
        (Classification(), torch.rand(50), "labels of type torch.float32; must be class numbers"),
        (Classification(), LABELS, r"labels of shape \(50, 4\); classification needs one class"),
        (Classification(), CLASSES - 1, "labels from -1; must be at least 0"),
        (MultiLabel(), CLASSES, r"targets of shape \(50,\); multi_label needs 0 or 1"),
        (MultiLabel(), LABELS + 1, "needs 0 or 1"),
        (MultiLabel(), None, "targets: got nothing; multi_label needs a tensor"),
    ],
)
def test_targets_that_do_not_fit(task: Any, targets: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Examples(inputs=SCORES, targets=targets, task=task)


def test_settings_that_make_no_sense() -> None:
    for top_k in (0, True, 1.5):
        with pytest.raises(InputError, match="top_k: got"):
            Classification(top_k=top_k)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="average: got 'mean'; must be micro or macro"):
        MultiLabel(average="mean")  # type: ignore[arg-type]


def test_a_score_for_each_label_is_needed() -> None:
    examples = Examples(inputs=SCORES, targets=LABELS, task=MultiLabel())
    with pytest.raises(InputError, match="one score for each of 4 classes"):
        examples.task.check(SCORES[:, :3], examples, [examples])


def test_validation_data_are_chosen_class_by_class() -> None:
    assert Classification().classes(CLASSES) is not None
    np.testing.assert_array_equal(Classification().classes(CLASSES), CLASSES)
    assert MultiLabel().classes(LABELS) is None


@pytest.mark.parametrize("k", [4, 5])
def test_an_answer_must_be_able_to_be_wrong(k: int) -> None:
    examples = Examples(inputs=SCORES, targets=CLASSES, task=Classification(top_k=k))
    with pytest.raises(InputError, match=f"top_k: got {k}; the network has 4 classes"):
        examples.task.check(SCORES, examples, [examples])


@pytest.mark.parametrize("labels", [np.array(["cat", "dog"]), ["cat", "dog"]])
def test_names_of_classes_are_refused_with_the_way_to_numbers(labels: Any) -> None:
    with pytest.raises(InputError, match=r"got texts such as 'cat'; .*return_inverse=True"):
        lo.dataset(train=(SCORES[:2], labels), test=(SCORES[:2], labels))

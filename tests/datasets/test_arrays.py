"""Data sets from tensors, arrays and lists: converted, checked, and independent of what was given."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from lionheart_opt.datasets.arrays import from_arrays
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError

INPUTS = np.arange(60, dtype=np.float64).reshape(20, 3) / 60
TARGETS = np.arange(20, dtype=np.int32) % 4


def pair(n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    return INPUTS[:n], TARGETS[:n]


@pytest.mark.parametrize(
    "given",
    [
        (INPUTS, TARGETS),
        (INPUTS.astype(np.float32), TARGETS.astype(np.uint8)),
        (INPUTS.tolist(), TARGETS.tolist()),
        (torch.tensor(INPUTS), torch.tensor(TARGETS)),
        (torch.tensor(INPUTS, requires_grad=True), torch.tensor(TARGETS, dtype=torch.int16)),
        ([INPUTS, TARGETS.tolist()]),
        (torch.tensor(INPUTS).t().contiguous().t(), TARGETS[::-1][::-1]),
    ],
    ids=["numpy", "small types", "lists", "tensors", "gradient", "a list of both", "strides"],
)
def test_every_form_gives_the_same_data(given: Any) -> None:
    dataset = from_arrays(given, given)
    images, labels = dataset.train.inputs, dataset.train.targets
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert images.is_contiguous() and not images.requires_grad
    np.testing.assert_array_equal(images, INPUTS.astype(np.float32))
    assert labels.tolist() == TARGETS.tolist()
    assert dataset.n_classes == 4
    assert dataset.train.digest == from_arrays(pair(), pair()).train.digest


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers_are_token_numbers(dtype: type) -> None:
    tokens = np.arange(8, dtype=dtype).reshape(4, 2)
    images = from_arrays((tokens, [0, 1, 0, 1]), (tokens, [0, 1, 0, 1])).train.inputs
    assert images.dtype == torch.int64 and images.tolist() == tokens.tolist()


def test_half_precision_is_widened() -> None:
    inputs = torch.rand(4, 2).half()
    images = from_arrays((inputs, [0, 1, 0, 1]), (inputs, [0, 1, 0, 1])).train.inputs
    assert images.dtype == torch.float32 and torch.equal(images, inputs.float())


@pytest.mark.parametrize("kind", ["numpy", "tensor", "converted numpy"])
def test_what_was_given_is_neither_shared_nor_changed(kind: str) -> None:
    inputs: Any = INPUTS.copy() if kind == "converted numpy" else INPUTS.astype(np.float32)
    targets: Any = TARGETS.astype(np.int64)
    if kind == "tensor":
        inputs, targets = torch.tensor(inputs), torch.tensor(targets)
    dataset = from_arrays((inputs, targets), pair())
    digest = dataset.train.digest
    inputs[:], targets[:] = 7.0, 0
    again = Examples(inputs=dataset.train.inputs, targets=dataset.train.targets)
    assert again.digest == digest, "the data set does not follow the caller's array"
    dataset.train.inputs[:] = -1.0
    assert inputs.tolist() == [[7.0] * 3] * 20, "the caller's array does not follow the data set"


def test_validation_data_may_be_given() -> None:
    dataset = from_arrays(pair(), pair(8), validation=pair(12))
    splits = dataset.split()
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (20, 12, 8)
    assert splits.train is dataset.train and splits.validation is dataset.validation
    assert splits.provenance == "data: given as tensors"


def test_validation_data_are_split_off_the_training_data_class_by_class() -> None:
    dataset = from_arrays(pair(), pair(8), validation_fraction=0.4, seed=3)
    splits, again = dataset.split(), dataset.split()
    assert torch.bincount(splits.validation.targets).tolist() == [2, 2, 2, 2]
    assert torch.bincount(splits.train.targets).tolist() == [3, 3, 3, 3]
    assert splits.digest == again.digest
    assert splits.digest != from_arrays(pair(), pair(8), validation_fraction=0.4).split().digest
    rows = torch.cat([splits.train.inputs, splits.validation.inputs])
    assert sorted(rows.tolist()) == sorted(dataset.train.inputs.tolist())


def test_classes_count_over_all_parts() -> None:
    """The test data may hold a class that the training data lack."""
    assert from_arrays(pair(3), pair(4)).n_classes == 4
    assert from_arrays(pair(3), pair(3), validation=(INPUTS[:1], [6])).n_classes == 7


def test_it_says_what_it_holds() -> None:
    assert repr(from_arrays(pair(), pair(8), name="mine")) == (
        "Dataset('mine': 20 training examples of shape (3,), validation 10 % of training, "
        "8 test examples, 4 classes)"
    )
    assert "validation 12 examples" in repr(from_arrays(pair(), pair(8), validation=pair(12)))


def bad(value: float) -> np.ndarray:
    inputs = INPUTS.copy()
    inputs[3, 1] = value
    return inputs


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ((bad(np.nan), TARGETS), "inputs: NaN or infinite values"),
        ((bad(np.inf), TARGETS), "inputs: NaN or infinite values"),
        ((bad(1e300), TARGETS), "inputs: NaN or infinite values"),
        ((INPUTS.astype(np.uint8), TARGETS), "inputs of type torch.uint8; must be floating-point "
         "numbers (images: x.float() / 255), int64 (token numbers) or bool (masks)"),
        ((INPUTS > 0, TARGETS), "inputs of type torch.bool; must be floating-point"),
        ((INPUTS * 1j, TARGETS), "inputs of type torch.complex128; must be floating-point"),
        ((INPUTS, TARGETS[:5]), "20 inputs, 5 targets; there must be as many of each"),
        ((INPUTS, np.eye(20, dtype=int)), "labels of shape (20, 20); classification needs one class"),
        ((np.float64(1.0), [0]), "inputs of shape (); must be (n, ...)"),
        ((INPUTS[:0], TARGETS[:0]), "a data set without examples"),
        ((INPUTS, TARGETS / 2), "labels of type torch.float64; must be class numbers"),
        ((INPUTS, TARGETS > 1), "labels of type torch.bool; must be class numbers"),
        ((INPUTS, TARGETS - 1), "labels from -1; must be at least 0"),
        (("cat", TARGETS), "inputs: must be a tensor or an array of numbers"),
        (([[1.0], [1.0, 2.0]], [0, 1]), "inputs: must be a tensor or an array of numbers"),
        ((INPUTS, [None] * 20), "targets: got a ndarray; classification needs a tensor"),
        (INPUTS, "must be a pair (inputs, targets)"),
        (None, "must be a pair (inputs, targets)"),
        ((INPUTS, TARGETS, TARGETS), "must be a pair (inputs, targets)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_in_one_line(train: Any, message: str) -> None:
    for parts in (
        {"train": train, "test": pair()},
        {"train": pair(), "test": train},
        {"train": pair(), "test": pair(), "validation": train},
    ):
        where = next(part for part, given in parts.items() if given is train)
        if train is None and where == "validation":
            continue  # None splits validation data off
        with pytest.raises(InputError) as error:
            from_arrays(name="mine", **parts)
        line = str(error.value)
        assert line.startswith(f"data set 'mine': {where}: ") and message in line
        assert "\n" not in line


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_the_share_of_validation_data(fraction: float) -> None:
    with pytest.raises(InputError, match="data set 'data': validation_fraction: got"):
        from_arrays(pair(), pair(), validation_fraction=fraction)


def test_parts_of_different_shapes() -> None:
    with pytest.raises(
        InputError, match=r"training inputs of shape \(3,\), others of shape \(2,\)"
    ):
        from_arrays(pair(), (INPUTS[:, :2], TARGETS))


def test_parts_of_different_kinds() -> None:
    tokens = np.ones((20, 3), dtype=np.int64)
    with pytest.raises(InputError, match=r"training inputs of type torch.float32, others of type"):
        from_arrays(pair(), (tokens, TARGETS))


def test_importing_data_sets_loads_no_torch() -> None:
    code = "import sys; import lionheart_opt.datasets; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"

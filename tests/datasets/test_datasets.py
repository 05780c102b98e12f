"""Data sets are read as they are, normalised by their training part, and refused where malformed."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_files import cifar_batch, idx_files, write

from lionheart_opt import datasets
from lionheart_opt.datasets import Dataset, files
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError

# --- content -------------------------------------------------------------------------------------


def test_digits_come_with_scikit_learn() -> None:
    digits = datasets.load("digits")
    assert digits.train.inputs.shape == (1257, 1, 8, 8) and digits.test.inputs.shape == (
        540,
        1,
        8,
        8,
    )
    assert digits.train.inputs.dtype == torch.float32 and digits.train.targets.dtype == torch.int64
    assert digits.n_classes == 10 and "scikit-learn" in digits.provenance
    for part in (digits.train, digits.test):  # stratified: every class has its share
        share = torch.bincount(part.targets) / len(part)
        assert torch.allclose(share, torch.full((10,), 0.1), atol=0.005)


def test_digits_are_the_same_every_time_and_the_parts_disjoint() -> None:
    first, second = datasets.load("digits"), datasets.load("digits")
    assert first.train.digest == second.train.digest and first.test.digest == second.test.digest
    train = {image.numpy().tobytes() for image in first.train.inputs}
    assert not any(image.numpy().tobytes() in train for image in first.test.inputs)


def test_normalised_with_statistics_of_the_training_set(tmp_path: Path) -> None:
    content = idx_files()
    write(tmp_path / "mnist", content)
    dataset = datasets.load("mnist", tmp_path)
    raw = np.frombuffer(content[files.IDX_IMAGES[0]], np.uint8, offset=16).reshape(20, 1, 6, 5)
    test = np.frombuffer(content[files.IDX_IMAGES[1]], np.uint8, offset=16).reshape(10, 1, 6, 5)
    np.testing.assert_allclose(dataset.train.inputs, (raw - raw.mean()) / raw.std(), atol=1e-5)
    np.testing.assert_allclose(dataset.test.inputs, (test - raw.mean()) / raw.std(), atol=1e-5)
    assert dataset.train.targets.tolist() == [k % 10 for k in range(20)]


def test_padding_adds_black_pixels(tmp_path: Path) -> None:
    write(tmp_path / "mnist", idx_files())
    plain, padded = datasets.load("mnist", tmp_path), datasets.load("mnist", tmp_path, padding=2)
    assert padded.train.inputs.shape == (20, 1, 10, 9)
    assert torch.equal(padded.train.inputs[:, :, 2:-2, 2:-2], plain.train.inputs)
    assert (padded.train.inputs[:, :, :2] == padded.train.inputs.min()).all()


def test_cifar10(tmp_path: Path) -> None:
    batches = {
        name: cifar_batch(4, first=k) for k, name in enumerate(files.LAYOUTS["cifar10"].files)
    }
    folder = tmp_path / "cifar-10-batches-py"
    write(folder, {name: pickle.dumps(batch) for name, batch in batches.items()})
    dataset = datasets.load("cifar10", tmp_path)
    assert dataset.train.inputs.shape == (20, 3, 32, 32) and dataset.test.inputs.shape == (
        4,
        3,
        32,
        32,
    )
    assert dataset.train.targets.tolist() == [k + i for k in range(5) for i in range(4)]
    raw = np.concatenate([batches[f"data_batch_{k}"][b"data"] for k in range(1, 6)])
    red = raw[:, :1024].reshape(20, 32, 32)  # channels first, rows first
    expected = (red - red.mean()) / red.std()
    np.testing.assert_allclose(dataset.train.inputs[:, 0], expected, atol=1e-5)
    assert dataset.train.inputs.mean((0, 2, 3)).abs().max() < 1e-5


def test_cifar100_has_fine_labels(tmp_path: Path) -> None:
    batches = {
        name: cifar_batch(6, b"fine_labels") | {b"coarse_labels": [0] * 6}
        for name in ("train", "test")
    }
    write(
        tmp_path / "cifar-100-python",
        {name: pickle.dumps(batch) for name, batch in batches.items()},
    )
    dataset = datasets.load("cifar100", tmp_path)
    assert dataset.n_classes == 100 and dataset.test.targets.tolist() == [0, 1, 2, 3, 4, 5]


# --- bad input -----------------------------------------------------------------------------------


def test_an_incomplete_data_set_is_named_not_completed(tmp_path: Path) -> None:
    content = idx_files()
    del content[files.IDX_LABELS[0]]
    write(tmp_path / "mnist", content)
    with pytest.raises(
        InputError, match="lacks train-labels-idx1-ubyte; complete the folder, or remove it"
    ):
        datasets.load("mnist", tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(InputError, match=r"lacks data_batch_1, .*test_batch"):
        datasets.load("cifar10", tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty; must be a folder with its files"):
        datasets.load("mnist", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; must be a folder"):
        datasets.load("mnist", tmp_path / "file")


def own_data(n: int = 4, n_classes: int = 2) -> Dataset:
    images, labels = torch.zeros(n, 1, 2, 2), torch.arange(n) % 2
    examples = Examples(inputs=images, targets=labels)
    return Dataset(
        name="own", train=examples, test=examples, n_classes=n_classes, provenance="zeros"
    )


def no_data() -> list[int]:
    return []


def test_own_data_set() -> None:
    assert len(datasets.load(f"{__name__}:own_data", n=6).train) == 6


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("minst", {}, r"unknown data set 'minst' \(did you mean 'mnist'"),
        ("digits", {"fold": 1}, "data set 'digits': unknown argument 'fold'"),
        (
            f"{__name__}:own_data",
            {"folder": Path()},
            "unknown argument 'folder'; allowed: n, n_classes",
        ),
        (f"{__name__}:own_data", {"n_classes": 1}, "labels from 0 to 1; allowed: 0 to 0"),
        (f"{__name__}:no_data", {}, "got a list; must be a Dataset"),
        ("no_such_package:data", {}, "no module 'no_such_package'"),
    ],
)
def test_bad_names_and_arguments(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        datasets.load(name, **arguments)


def test_bad_padding(tmp_path: Path) -> None:
    write(tmp_path / "mnist", idx_files())
    with pytest.raises(InputError, match="padding: got -1; must be at least 0"):
        datasets.load("mnist", tmp_path, padding=-1)


def test_parts_of_different_shapes() -> None:
    parts = [
        Examples(inputs=torch.zeros(2, 1, n, n), targets=torch.zeros(2).long()) for n in (2, 3)
    ]
    with pytest.raises(InputError, match=r"training inputs of shape \(1, 2, 2\), others"):
        Dataset(name="own", train=parts[0], test=parts[1], n_classes=2, provenance="")

"""IDX files and CIFAR batches: read whatever wrote them, refused where malformed, never run."""

import gzip
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import cifar_batch, idx, listing

from lionheart_opt.datasets import formats
from lionheart_opt.errors import InputError


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_batches_of_any_pickle_protocol(protocol: int, tmp_path: Path) -> None:
    batch = cifar_batch(3)
    (tmp_path / "batch").write_bytes(pickle.dumps(batch, protocol=protocol))
    images, labels = formats.read_cifar(tmp_path / "batch")
    assert np.array_equal(images.reshape(3, -1), batch[b"data"]) and labels.tolist() == [0, 1, 2]


def test_batches_of_python_2(tmp_path: Path) -> None:
    """As the official files are: byte strings, and a module that newer versions of NumPy renamed."""
    pixels = bytes(range(256)) * 12
    dtype = (
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01M\x00\x0c\x86" + dtype + b"\x89T\x00\x0c\x00\x00" + pixels + b"tb"
    )
    (tmp_path / "batch").write_bytes(b"\x80\x02}(U\x04data" + array + b"U\x06labels]K\x03au.")
    images, labels = formats.read_cifar(tmp_path / "batch")
    assert images.tobytes() == pixels and labels.tolist() == [3]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "not an IDX file of bytes with 1 axes"),
        (idx(np.zeros((2, 3), np.uint8)), "not an IDX file of bytes with 1 axes"),
        (bytes((0, 0, 13, 1)) + bytes(8), "not an IDX file of bytes"),
        (idx(np.zeros(5, np.uint8))[:-1], "4 bytes of data; its header says 5"),
    ],
)
def test_files_that_are_not_idx(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"labels: {message}"):
        formats.read_idx(path, 1)
    (tmp_path / "labels.gz").write_bytes(content or b"no gzip")
    with pytest.raises(InputError, match=r"labels\.gz: cannot be read"):
        formats.read_idx(tmp_path / "labels.gz", 1)


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize(
    "batch, message",
    [
        ({b"data": Malicious()}, r"refused to load (posix|nt)\.mkdir"),
        ([1, 2], "not a batch of CIFAR images"),
        ({b"data": np.zeros((2, 5), np.uint8), b"labels": [1, 2]}, "not a batch of CIFAR images"),
        ({b"data": np.zeros((2, 3072), np.uint8)}, "not a batch of CIFAR images"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, "2 images, but labels of shape"),
    ],
)
def test_files_that_are_no_batches(
    batch: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch").write_bytes(pickle.dumps(batch))
    with pytest.raises(InputError, match=message):
        formats.read_cifar(tmp_path / "batch")
    assert listing(tmp_path) == ["batch"], "nothing was run"


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_idx_file_by_hand(is_packed: bool, tmp_path: Path) -> None:
    """Two rows of three bytes: the header says bytes, two axes, and their lengths."""
    content = bytes((0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255))
    path = tmp_path / ("images.gz" if is_packed else "images")
    path.write_bytes(gzip.compress(content) if is_packed else content)
    assert formats.read_idx(path, 2).tolist() == [[1, 2, 3], [4, 5, 255]]


def test_fine_labels_are_read_where_there_are_no_others(tmp_path: Path) -> None:
    batch = {
        b"data": np.zeros((2, 3072), np.uint8),
        b"fine_labels": [7, 99],
        b"coarse_labels": [0, 1],
    }
    (tmp_path / "batch").write_bytes(pickle.dumps(batch))
    images, labels = formats.read_cifar(tmp_path / "batch")
    assert images.shape == (2, 3, 32, 32) and labels.tolist() == [7, 99]


def test_a_damaged_batch_is_named(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(cifar_batch(2))[:-100])
    with pytest.raises(InputError, match="batch: cannot be read: "):
        formats.read_cifar(path)

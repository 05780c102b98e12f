"""File formats of image data sets: IDX (MNIST) and the pickled batches of CIFAR."""

from __future__ import annotations

import pickle
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lionheart_opt.datasets.files import read
from lionheart_opt.errors import InputError
from lionheart_opt.text import shown

#: What pickled NumPy arrays refer to, under the names of old and new versions of NumPy.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *(
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    ),
}


def read_idx(path: Path, n_axes: int) -> np.ndarray:
    """The array of an IDX file of bytes, packed with gzip or not.

    The format is two zero bytes, the type (8: unsigned byte), the number of axes, their lengths as
    big-endian 32-bit numbers, and the bytes (LeCun, "The MNIST database").

    Args:
        path: Path of the file; `.gz` is unpacked.
        n_axes: Number of axes that the array must have.

    Raises:
        InputError: The file cannot be read or holds something else.
    """
    content = read(path)
    header = 4 + 4 * n_axes
    if content[:4] != bytes((0, 0, 8, n_axes)) or len(content) < header:
        raise InputError(f"{path}: not an IDX file of bytes with {n_axes} axes")
    shape = [int(size) for size in np.frombuffer(content, ">u4", n_axes, offset=4)]
    if len(content) - header != prod(shape):
        raise InputError(
            f"{path}: {len(content) - header} bytes of data; its header says {prod(shape)}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_cifar(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 of shape (n, 3, 32, 32), and (fine) labels of a batch in the Python layout.

    Unpickling is limited to NumPy arrays and plain data, so that a file cannot run code.

    Raises:
        InputError: The file cannot be read or holds something else.
    """
    try:
        batch = _ArrayUnpickler(BytesIO(read(path)), encoding="bytes").load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise InputError(f"{path}: cannot be read: {error}") from error
    try:
        content = {
            key.decode() if isinstance(key, bytes) else key: value
            for key, value in dict(batch).items()
        }
        images = _integers(content["data"], 255).astype(np.uint8).reshape(-1, 3, 32, 32)
        labels = _integers(content.get("labels", content.get("fine_labels")), 2**31)
    except Exception as error:  # its values may be of any type and size
        raise InputError(f"{path}: not a batch of CIFAR images: {shown(error)}") from error
    if labels.shape != (len(images),):
        raise InputError(f"{path}: {len(images)} images, but labels of shape {labels.shape}")
    return images, labels


def _integers(values: Any, largest: int) -> np.ndarray:
    """An int64 array of whole numbers from 0 to `largest`."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or (
        array.size and not 0 <= array.min() <= array.max() <= largest
    ):
        raise ValueError(f"values that are not whole numbers from 0 to {largest}")
    return array.astype(np.int64)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"refused to load {module}.{name}; only arrays are allowed"
            )
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)

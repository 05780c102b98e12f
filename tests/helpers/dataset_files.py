"""Files of small made-up data sets in the layouts of the real ones."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lionheart_opt.datasets import files

RNG = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def idx_files(seed: int = 0) -> dict[str, bytes]:
    """A data set of 20 + 10 pictures of 6x5 pixels."""
    rng = np.random.default_rng(seed)
    content = {}
    for part, n in zip(files.IDX_IMAGES, (20, 10), strict=True):
        content[part] = idx(rng.integers(0, 256, (n, 6, 5), dtype=np.uint8))
    for part, n in zip(files.IDX_LABELS, (20, 10), strict=True):
        content[part] = idx(np.arange(n, dtype=np.uint8) % 10)
    return content


def cifar_batch(n: int, label_key: bytes = b"labels", first: int = 0) -> dict[bytes, Any]:
    data = RNG.integers(0, 256, (n, 3072), dtype=np.uint8)
    return {b"data": data, label_key: [(first + k) % 10 for k in range(n)]}


def write(folder: Path, content: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)


def packed(content: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(data) for name, data in content.items()}


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def official(
    monkeypatch: pytest.MonkeyPatch, name: str, content: dict[str, bytes], **changes: str
) -> None:
    """Make these files the official ones of a data set."""
    md5 = {file: hashlib.md5(data).hexdigest() for file, data in content.items()}
    before = files.LAYOUTS[name]
    layout = files.FileSet(
        places=before.places, files=md5, address=before.address, archive_md5=before.archive_md5
    )
    monkeypatch.setitem(files.LAYOUTS, name, files.FileSet(**{**vars(layout), **changes}))

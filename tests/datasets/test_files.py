"""Data sets are found in every layout, downloaded whole or not at all, and never mistaken."""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_files import cifar_batch, idx, idx_files, listing, official, packed, write

from lionheart_opt import datasets
from lionheart_opt.datasets import files
from lionheart_opt.errors import InputError

# --- where files may be --------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["mnist", "MNIST/raw", "."])
@pytest.mark.parametrize("is_packed", [True, False])
def test_layouts_of_idx_files(place: str, is_packed: bool, tmp_path: Path) -> None:
    write(tmp_path / place, packed(idx_files()) if is_packed else idx_files())
    assert len(datasets.load("mnist", tmp_path).train) == 20


def test_a_folder_of_a_linux_distribution(tmp_path: Path) -> None:
    write(tmp_path / "datasets" / "fashion-mnist", packed(idx_files()))
    assert len(datasets.load("fashion_mnist", tmp_path / "datasets").train) == 20
    assert len(datasets.load("fashion_mnist", tmp_path / "datasets" / "fashion-mnist").train) == 20


def test_default_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(datasets.FOLDER_VARIABLE, raising=False)
    write(tmp_path / "data" / "mnist", idx_files())
    assert len(datasets.load("mnist").train) == 20
    monkeypatch.setenv(datasets.FOLDER_VARIABLE, str(tmp_path / "elsewhere"))
    write(tmp_path / "elsewhere" / "mnist", idx_files(seed=1))
    elsewhere = datasets.load("mnist", tmp_path / "elsewhere")
    assert datasets.load("mnist").train.digest == elsewhere.train.digest


def test_provenance_tells_official_files_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official(monkeypatch, "mnist", idx_files())
    write(tmp_path / "mnist", packed(idx_files()))  # however they are packed
    assert "official files" in datasets.load("mnist", tmp_path).provenance
    write(
        tmp_path / "mnist",
        {f"{files.IDX_IMAGES[0]}.gz": gzip.compress(idx_files(1)[files.IDX_IMAGES[0]])},
    )
    assert "1 of 4 files are not the official ones" in datasets.load("mnist", tmp_path).provenance


def test_one_data_set_is_not_taken_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official(monkeypatch, "fashion_mnist", idx_files())
    write(tmp_path, idx_files())
    with pytest.raises(InputError, match=r"'mnist': .* holds the files of 'fashion_mnist'"):
        datasets.load("mnist", tmp_path)


# --- downloading ---------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it is served on this machine."""
    folder = tmp_path / "server"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{http.server_port}/"
        http.shutdown()
        thread.join()


def test_download_of_single_files(
    server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(server[0], packed(idx_files()))
    official(monkeypatch, "mnist", idx_files(), address=server[1])
    folder = tmp_path / "data"
    assert len(datasets.load("mnist", folder).train) == 20
    assert listing(folder) == ["mnist", *sorted(f"mnist/{name}.gz" for name in idx_files())]
    for path in server[0].iterdir():
        path.unlink()
    assert "official files" in datasets.load("mnist", folder).provenance, "downloaded once"


def cifar_archive(names: tuple[str, ...]) -> tuple[dict[str, bytes], bytes]:
    content = {name: pickle.dumps(cifar_batch(4, b"fine_labels")) for name in names}
    packed_up = io.BytesIO()
    with tarfile.open(fileobj=packed_up, mode="w:gz") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(f"cifar-100-python/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content, packed_up.getvalue()


def test_download_of_an_archive(
    server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, archive = cifar_archive(("train", "test"))
    write(server[0], {"cifar.tar.gz": archive})
    md5 = hashlib.md5(archive).hexdigest()
    official(monkeypatch, "cifar100", content, address=f"{server[1]}cifar.tar.gz", archive_md5=md5)
    assert len(datasets.load("cifar100", tmp_path / "data").test) == 4
    assert listing(tmp_path / "data") == [
        "cifar-100-python", "cifar-100-python/test", "cifar-100-python/train",
    ]  # fmt: skip


@pytest.mark.parametrize("damage", ["changed", "cut", "missing"])
def test_a_bad_download_leaves_nothing(
    damage: str, server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed(idx_files())
    victim = f"{files.IDX_LABELS[1]}.gz"  # the last one
    if damage == "changed":
        content[victim] = gzip.compress(idx(np.zeros(10, dtype=np.uint8)))
    elif damage == "cut":
        content[victim] = content[victim][:-9]
    else:
        del content[victim]
    write(server[0], content)
    official(monkeypatch, "mnist", idx_files(), address=server[1])
    with pytest.raises(InputError, match="mnist"):
        datasets.load("mnist", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    official(monkeypatch, "cifar10", {"a": b""}, address="http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(
        InputError, match=r"'cifar10': cannot be downloaded from http://127.* put its files there"
    ):
        datasets.load("cifar10", tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.network
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_official_addresses(name: str, tmp_path: Path) -> None:
    dataset = datasets.load(name, tmp_path)
    assert "the official files" in dataset.provenance
    info = datasets.available()[name]
    assert dataset.train.inputs.shape[1:] == info.image_shape and len(dataset.test) == 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_real_files_on_this_machine(name: str) -> None:
    folder = Path(os.environ.get(datasets.FOLDER_VARIABLE, ""))
    if not any((folder / place).is_dir() for place in files.LAYOUTS[name].places[:-1]):
        pytest.skip(f"${datasets.FOLDER_VARIABLE} has no {name}")
    dataset = datasets.load(name, folder)
    info = datasets.available()[name]
    assert len(dataset.train) in (50_000, 60_000) and len(dataset.test) == 10_000
    assert dataset.train.inputs.shape[1:] == info.image_shape
    for part in (dataset.train, dataset.test):
        assert torch.bincount(part.targets).min() >= 0.8 * len(part) / info.n_classes
    assert dataset.train.inputs.mean().abs() < 1e-3 and abs(dataset.train.inputs.std() - 1) < 1e-3

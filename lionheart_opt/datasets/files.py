"""Where the files of data sets are: layouts, official addresses and checksums, downloading."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from lionheart_opt.errors import InputError

IDX_IMAGES = ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz")
IDX_LABELS = ("train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz")

_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The files of a data set.

    Args:
        places: folders below the data folder in which they may be; the first is the download's.
        files: name -> MD5 of the official file. Files that end in `.gz` may be unpacked.
        address: of the archive, or of the folder in which the single files are.
        archive_md5: MD5 of the archive; empty where the files are downloaded one by one.
    """

    places: tuple[str, ...]
    files: dict[str, str]
    address: str
    archive_md5: str = ""


#: Addresses and checksums as the makers of the data sets, or torchvision, publish them.
LAYOUTS = {
    "mnist": Layout(
        places=("mnist", "MNIST/raw", "."),
        files={
            IDX_IMAGES[0]: "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            IDX_LABELS[0]: "d53e105ee54ea40749a09fcbcd1e9432",
            IDX_IMAGES[1]: "9fb629c4189551a2d022fa330f9573f3",
            IDX_LABELS[1]: "ec29112dd5afa0611ce80d1b7f02629c",
        },
        address="https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    "fashion_mnist": Layout(
        places=("fashion-mnist", "FashionMNIST/raw", "."),
        files={
            IDX_IMAGES[0]: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            IDX_LABELS[0]: "25c81989df183df01b3e8a0aad5dffbe",
            IDX_IMAGES[1]: "bef4ecab320f06d8554ea6380940ec79",
            IDX_LABELS[1]: "bb300cfdad3c16e7a12a480ee83cd310",
        },
        address="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    "cifar10": Layout(
        places=("cifar-10-batches-py", "."),
        files={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
        },
        address="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        archive_md5="c58f30108f718f92721af3b95e74349a",
    ),
    "cifar100": Layout(
        places=("cifar-100-python", "."),
        files={
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        },
        address="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        archive_md5="eb9058c3a382ffc7106e4002c42a8d85",
    ),
}


@dataclass(frozen=True)
class Found:
    """Complete files of a data set, and what is known of them."""

    folder: Path
    provenance: str

    def path(self, name: str) -> Path:
        """The file of that name, unpacked or not."""
        path = self.folder / name
        return path if path.exists() or path.suffix != ".gz" else path.with_suffix("")


def locate(name: str, folder: Path) -> Found:
    """The files of a data set below a folder, downloaded if there are none.

    Raises:
        InputError: some files are missing, they are those of another data set, or the download
            failed.
    """
    layout = LAYOUTS[name]
    candidates = [Found(folder / place, "") for place in layout.places]
    for found in candidates:
        if not _missing(layout, found):
            return Found(found.folder, _provenance(name, found))
    for found in candidates:
        missing = _missing(layout, found)
        if len(missing) < len(layout.files) or (found.folder != folder and found.folder.is_dir()):
            raise InputError(
                f"data set {name!r}: {found.folder} lacks {', '.join(missing)}; "
                "complete the folder, or remove it to have it downloaded"
            )
    _download(name, layout, candidates[0].folder)
    return Found(candidates[0].folder, _provenance(name, candidates[0]))


def _missing(layout: Layout, found: Found) -> list[str]:
    return [file for file in layout.files if not found.path(file).is_file()]


def _provenance(name: str, found: Found) -> str:
    """Whether the files are the official ones.

    Raises:
        InputError: they are the official files of another data set.
    """
    official = LAYOUTS[name].files
    digests = {file: _md5(found.path(file)) for file in official}
    for other, layout in LAYOUTS.items():
        if other != name and digests == layout.files:
            raise InputError(f"data set {name!r}: {found.folder} holds the files of {other!r}")
    if digests == official:
        return f"{found.folder}: official files (MD5)"
    if all(found.path(file).name != file for file in official):
        return f"{found.folder}: unpacked files, which no official checksum covers"
    differing = sum(digests[file] != official[file] for file in official)
    return (
        f"{found.folder}: {differing} of {len(official)} files are not the official ones (MD5), so "
        "results are not comparable with published ones; networks must be trained on these files"
    )


def _download(name: str, layout: Layout, place: Path) -> None:
    """Fill `place` in one step: what is interrupted leaves no half of a data set."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{name}-", dir=place.parent) as temporary:
        fresh = Path(temporary) / place.name
        if layout.archive_md5:
            archive = _fetch(name, layout.address, layout.archive_md5, Path(temporary), place)
            with tarfile.open(archive) as content:
                content.extractall(temporary, filter="data")
        else:
            fresh.mkdir()
            for file, md5 in layout.files.items():
                _fetch(name, layout.address + file, md5, fresh, place)
        try:
            fresh.rename(place)
        except OSError:
            if not place.is_dir():  # otherwise another process was faster
                raise


def _fetch(name: str, address: str, md5: str, folder: Path, place: Path) -> Path:
    from rich.console import Console
    from rich.progress import wrap_file

    target = folder / address.rpartition("/")[2]
    try:
        with urlopen(address, timeout=_TIMEOUT_S) as response, target.open("wb") as file:
            size = int(response.headers.get("Content-Length", 0))
            with wrap_file(
                response, size, description=target.name, console=Console(stderr=True)
            ) as watched:
                shutil.copyfileobj(watched, file, _CHUNK_BYTES)
    except (OSError, HTTPException) as error:
        raise InputError(
            f"data set {name!r}: cannot download {address} ({error}); "
            f"without a network, put its files into {place}"
        ) from error
    if (found := _md5(target)) != md5:
        raise InputError(
            f"data set {name!r}: {address} has MD5 {found}; must be {md5}; nothing was kept"
        )
    return target


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()

"""Where the files of data sets are: layouts, official addresses and checksums, downloading."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from lionheart_opt.errors import InputError
from lionheart_opt.text_files import check_file

IDX_IMAGES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
IDX_LABELS = ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")

_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class FileSet:
    """The files of a data set.

    Args:
        places: Folders below the data folder in which the files may be. Downloads go to the first.
        files: Name -> MD5 of the official file, unpacked. On disk it may be packed, with `.gz`.
        address: URL of the archive, or of the folder with the single files, packed with `.gz`.
        archive_md5: MD5 of the archive; empty where the files are downloaded one by one.
        packed: Whether single files are packed with `.gz` there.
    """

    places: tuple[str, ...]
    files: dict[str, str]
    address: str
    archive_md5: str = ""
    packed: bool = True


LAYOUTS = {
    "mnist": FileSet(
        places=("mnist", "MNIST/raw", "."),
        files={
            IDX_IMAGES[0]: "6bbc9ace898e44ae57da46a324031adb",
            IDX_LABELS[0]: "a25bea736e30d166cdddb491f175f624",
            IDX_IMAGES[1]: "2646ac647ad5339dbf082846283269ea",
            IDX_LABELS[1]: "27ae3e4e09519cfbb04c329615203637",
        },
        address="https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    "fashion_mnist": FileSet(
        places=("fashion-mnist", "FashionMNIST/raw", "."),
        files={
            IDX_IMAGES[0]: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            IDX_LABELS[0]: "9018921c3c673c538a1fc5bad174d6f9",
            IDX_IMAGES[1]: "8181f5470baa50b63fa0f6fddb340f0a",
            IDX_LABELS[1]: "15d484375f8d13e6eb1aabb0c3f46965",
        },
        address="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    "cifar10": FileSet(
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
    "cifar100": FileSet(
        places=("cifar-100-python", "."),
        files={
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        },
        address="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        archive_md5="eb9058c3a382ffc7106e4002c42a8d85",
    ),
    "shakespeare": FileSet(
        places=("shakespeare", "tinyshakespeare", "."),
        files={"input.txt": "6fb458f1232090904fb40fe944165e91"},
        address="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",
        packed=False,
    ),
}


@dataclass(frozen=True)
class Location:
    """A folder with the files of a data set, and whether they are the official ones."""

    folder: Path
    provenance: str = ""

    def path(self, name: str) -> Path:
        """The file of that name, packed or not."""
        packed = self.folder / f"{name}.gz"
        return packed if packed.is_file() else self.folder / name


def read(path: Path) -> bytes:
    """Content of a file, unpacked if its name ends in `.gz`.

    Raises:
        InputError: The file cannot be read.
    """
    check_file(path)
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def locate(name: str, folder: Path) -> Location:
    """The files of a data set below a folder. They are downloaded if there are none.

    Raises:
        InputError: Some files are missing, they are those of another data set, or the download failed.
    """
    layout = LAYOUTS[name]
    candidates = [Location(folder / place) for place in layout.places]
    for location in candidates:
        if not _missing(layout, location):
            return Location(location.folder, _provenance(name, location))
    for location in candidates:
        missing = _missing(layout, location)
        if len(missing) < len(layout.files) or (
            location.folder != folder and location.folder.is_dir()
        ):
            raise InputError(
                f"data set {name!r}: {location.folder} lacks {', '.join(missing)}; "
                "complete the folder, or remove it to have it downloaded"
            )
    _download(name, layout, candidates[0].folder)
    return Location(candidates[0].folder, _provenance(name, candidates[0]))


def _missing(layout: FileSet, location: Location) -> list[str]:
    return [file for file in layout.files if not location.path(file).is_file()]


def _provenance(name: str, location: Location) -> str:
    """Whether the files are the official ones.

    Raises:
        InputError: They are the official files of another data set.
    """
    official = LAYOUTS[name].files
    digests = {file: _md5(read(location.path(file))) for file in official}
    for other, layout in LAYOUTS.items():
        if other != name and digests == layout.files:
            raise InputError(f"data set {name!r}: {location.folder} holds the files of {other!r}")
    differing = sum(digests[file] != official[file] for file in official)
    if differing == 0:
        return f"{location.folder.name}: the official files (MD5)"
    return (
        f"{location.folder.name}: {differing} of {len(official)} files are not the official ones (MD5), "
        "so results do not compare with published ones, and networks must be trained on these files"
    )


def _download(name: str, layout: FileSet, place: Path) -> None:
    """Fill `place` in one step, so that an interrupted download leaves no half of a data set."""
    where = f"data set {name!r}"
    is_new = not place.parent.exists()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}-", dir=place.parent) as temporary:
            fresh = Path(temporary) / place.name
            if layout.archive_md5:
                archive = _fetch(where, layout.address, layout.archive_md5, Path(temporary))
                with tarfile.open(archive) as content:
                    content.extractall(temporary, filter="data")
            else:
                fresh.mkdir()
                for file, md5 in layout.files.items():
                    _fetch(where, f"{layout.address}{file}{'.gz' * layout.packed}", md5, fresh)
            try:
                fresh.rename(place)
            except OSError:
                if not place.is_dir():  # if it is, another process was faster
                    raise
    except (OSError, HTTPException) as error:
        raise InputError(
            f"{where}: cannot be downloaded from {layout.address} to {place}: {error}; "
            "without a network, put its files there"
        ) from error
    finally:
        if is_new and not place.exists():  # the download failed
            with suppress(OSError):
                place.parent.rmdir()


def _fetch(where: str, address: str, md5: str, folder: Path) -> Path:
    """Download a file; `md5` is that of its content if the file is packed with `.gz`."""
    from rich.console import Console
    from rich.progress import wrap_file

    target = folder / address.rpartition("/")[2]
    with urlopen(address, timeout=_TIMEOUT_S) as response, target.open("wb") as file:
        size = int(response.headers.get("Content-Length", 0))
        console = Console(stderr=True)
        with wrap_file(response, size, description=target.name, console=console) as watched:
            shutil.copyfileobj(watched, file, _CHUNK_BYTES)
    is_archive = target.name.endswith(".tar.gz")
    downloaded = _md5(target.read_bytes() if is_archive else read(target))
    if downloaded != md5:
        raise InputError(
            f"{where}: {address} has MD5 {downloaded}; must be {md5}; nothing was kept"
        )
    return target


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()

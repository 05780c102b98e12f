"""Data sets by name: found on disk or downloaded, normalised, with their provenance."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.datasets import files, formats
from lionheart_opt.errors import InputError, unknown

if TYPE_CHECKING:
    from lionheart_opt.datasets.splits import Examples, Splits
    from lionheart_opt.tasks import Task

#: Environment variable with the default folder of data sets, and the folder where it is not set.
FOLDER_VARIABLE = "LIONHEART_OPT_DATA"
DEFAULT_FOLDER = Path("data")

#: Name of the data set that is made of the user's own files of texts.
TEXT = "text"

#: Share and seed of the test set of digits, the only data set that comes without one.
DIGITS_TEST_FRACTION = 0.3
DIGITS_SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Dataset:
    """Training and test data and what a network is to do with them; never augmented.

    Args:
        name: What messages and reports call it.
        train: The training data.
        test: The test data, for the final report only.
        n_classes: Labels are 0 ... n_classes - 1, where examples have a class; None does not say.
        provenance: Where the data come from, for reports.
        validation: The examples that a search is judged on. None splits them off the training data.
        validation_fraction: Share of the training data that is split off.
        split_seed: Seed of the split.

    Raises:
        InputError: A label is out of range, or the inputs or tasks of two parts differ.
    """

    name: str
    train: Examples
    test: Examples
    n_classes: int | None = None
    provenance: str = ""
    validation: Examples | None = None
    validation_fraction: float = 0.1
    split_seed: int = 0

    def __post_init__(self) -> None:
        for part in (self.train, self.test, self.validation):
            if part is None:
                continue
            classes = part.task.classes(part.targets)
            if classes is not None and self.n_classes is not None:
                low, high = int(classes.min()), int(classes.max())
                if low < 0 or high >= self.n_classes:
                    raise InputError(
                        f"data set {self.name!r}: labels from {low} to {high}; "
                        f"allowed: 0 to {self.n_classes - 1}"
                    )
            self._check_alike(part)

    def _check_alike(self, part: Examples) -> None:
        """Refuse a part that a network for the training data cannot take."""
        from lionheart_opt.tasks import batches

        if part.task != self.train.task:
            raise InputError(
                f"data set {self.name!r}: training data for {self.train.task}, others for {part.task}"
            )
        ours = batches.parts(self.train[:1].loaded.inputs)
        theirs = batches.parts(part[:1].loaded.inputs)
        if list(ours) != list(theirs):
            raise InputError(
                f"data set {self.name!r}: training inputs {', '.join(ours)}; others {', '.join(theirs)}"
            )
        for name, mine in ours.items():
            called, other = f" {name!r}" if name else "", theirs[name]
            shapes, kinds = (mine.shape[1:], other.shape[1:]), (mine.dtype, other.dtype)
            for what, (given, another) in {"shape": map(tuple, shapes), "type": kinds}.items():
                if given != another:
                    raise InputError(
                        f"data set {self.name!r}: training inputs{called} of {what} {given}, "
                        f"others of {what} {another}"
                    )

    @property
    def task(self) -> Task:
        """What a network is to do with the data."""
        return self.train.task

    def for_task(self, task: Task | None) -> Dataset:
        """The same data for another task; None leaves it.

        Raises:
            InputError: The targets are not what the task needs.
        """
        if task is None:
            return self
        return replace(
            self,
            train=self.train.for_task(task),
            test=self.test.for_task(task),
            validation=self.validation and self.validation.for_task(task),
        )

    def split(self, validation_fraction: float | None = None, seed: int | None = None) -> Splits:
        """Training, validation and test data.

        Args:
            validation_fraction: Instead of the data set's own.
            seed: Instead of the data set's own.
        """
        from lionheart_opt.datasets.splits import Splits, split

        if self.validation is not None:
            return Splits(
                train=self.train,
                validation=self.validation,
                test=self.test,
                provenance=self.provenance,
            )
        fraction = self.validation_fraction if validation_fraction is None else validation_fraction
        parts = split(self.train, self.test, fraction, self.split_seed if seed is None else seed)
        return replace(parts, provenance=self.provenance)

    def __repr__(self) -> str:
        from lionheart_opt.tasks import CLASSIFICATION, batches

        validation = (
            f"{100 * float(self.validation_fraction):g} % of training"
            if self.validation is None
            else f"{len(self.validation):,} examples"
        )
        classes = "" if self.n_classes is None else f", {self.n_classes} classes"
        task = "" if self.task == CLASSIFICATION else f", {self.task}"
        return (
            f"Dataset({self.name!r}: {len(self.train):,} training examples of "
            f"{batches.described(self.train[:1].loaded.inputs)}, validation {validation}, "
            f"{len(self.test):,} test examples{classes}{task})"
        )


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """A built-in data set.

    Args:
        name: Its name in study files.
        description: One line.
        source: Who made it.
        image_shape: (channels, height, width); None where inputs are no images.
        n_classes: Number of classes, or of characters; None where the files say it.
        load: Function of the folder (None is the default one) and the data set's own arguments.
    """

    name: str
    description: str
    source: str
    image_shape: tuple[int, int, int] | None
    n_classes: int | None
    load: Callable[..., Dataset]


def available() -> dict[str, DatasetInfo]:
    """Name -> description of each built-in data set."""
    return {info.name: info for info in _BUILT_IN}


def usual_folder() -> Path:
    """Where data sets are if nothing else is said."""
    return Path(os.environ.get(FOLDER_VARIABLE, DEFAULT_FOLDER))


def load(name: str, folder: Path | None = None, **arguments: Any) -> Dataset:
    """A data set. Its files are downloaded first if they are not on disk.

    Args:
        name: A name of `available()`, or `package.module:factory` for a function that returns a
            `Dataset`, to which `folder` is passed on if it is given.
        folder: Where the files are, or where to put them; None is $LIONHEART_OPT_DATA or `./data`.
        arguments: Arguments of the data set: `padding` (black pixels added on each side) for `mnist`
            and `fashion_mnist`; those of `lionheart_opt.datasets.text.load_text` for `text`.

    Raises:
        InputError: There is no such data set or argument, the files are incomplete or malformed, or
            they are not on disk and cannot be downloaded.
    """
    where = f"data set {name!r}"
    if ":" in name:
        if folder is not None:
            arguments["folder"] = folder
        made = plugins.call(plugins.attribute(name, "data set"), arguments, where)
        if not isinstance(made, Dataset):
            given = type(made).__name__
            raise InputError(f"{where}: got a {given}; must be a Dataset (`lo.dataset` makes one)")
        return made
    if name not in available():
        raise unknown("data set", name, available())
    dataset: Dataset = plugins.call(available()[name].load, {"folder": folder, **arguments}, where)
    return dataset


def _digits(folder: Path | None) -> Dataset:
    """It comes with scikit-learn and needs no folder."""
    del folder
    import sklearn
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    train, test, train_labels, test_labels = train_test_split(
        digits.images[:, np.newaxis].astype(np.uint8),
        digits.target,
        test_size=DIGITS_TEST_FRACTION,
        random_state=DIGITS_SEED,
        stratify=digits.target,
    )
    provenance = (
        f"scikit-learn {sklearn.__version__}, load_digits; stratified test share "
        f"{DIGITS_TEST_FRACTION}, seed {DIGITS_SEED}"
    )
    return _normalised("digits", (train, train_labels, test, test_labels), provenance)


def _idx(name: str) -> Callable[..., Dataset]:
    def load_idx(folder: Path | None, padding: int = 0) -> Dataset:
        place = _locate(name, folder)
        images = [formats.read_idx(place.path(part), 3)[:, np.newaxis] for part in files.IDX_IMAGES]
        labels = [formats.read_idx(place.path(part), 1) for part in files.IDX_LABELS]
        return _normalised(
            name, (images[0], labels[0], images[1], labels[1]), place.provenance, padding
        )

    return load_idx


def _cifar(name: str) -> Callable[..., Dataset]:
    def load_cifar(folder: Path | None) -> Dataset:
        place = _locate(name, folder)
        *train, test = [formats.read_cifar(place.path(part)) for part in files.LAYOUTS[name].files]
        images = np.concatenate([batch[0] for batch in train])
        labels = np.concatenate([batch[1] for batch in train])
        return _normalised(name, (images, labels, *test), place.provenance)

    return load_cifar


def _shakespeare(folder: Path | None, block: int = 64, characters: int | None = None) -> Dataset:
    from lionheart_opt.datasets.characters import character_blocks

    place = _locate("shakespeare", folder)
    text = files.read(place.path("input.txt")).decode("ascii")[:characters]
    try:
        train, test, n_characters = character_blocks(text, block)
    except InputError as error:
        raise InputError(f"data set 'shakespeare': {error}") from error
    return Dataset(
        name="shakespeare",
        train=train,
        test=test,
        n_classes=n_characters,
        provenance=place.provenance,
    )


def _text(folder: Path | None, **arguments: Any) -> Dataset:
    """Texts in the user's files, relative to the folder."""
    function = plugins.attribute("lionheart_opt.datasets.text:load_text")
    arguments["folder"] = Path() if folder is None else folder
    dataset: Dataset = plugins.call(function, arguments, f"data set {TEXT!r}")
    return dataset


def _locate(name: str, folder: Path | None) -> files.Location:
    if folder is not None and folder.exists() and (folder.is_file() or not any(folder.iterdir())):
        problem = "is a file" if folder.is_file() else "is empty"
        raise InputError(f"data set {name!r}: {folder} {problem}; must be a folder with its files")
    return files.locate(name, usual_folder() if folder is None else folder)


def _normalised(
    name: str,
    parts: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    provenance: str,
    padding: int = 0,
) -> Dataset:
    """A data set with zero mean and unit variance of each channel over the unpadded training images.

    Args:
        name: Name of the data set.
        parts: Training images, uint8 of shape (n, channels, height, width), their labels, test images
            and their labels.
        provenance: Provenance of the data set.
        padding: Black pixels on each side.
    """
    import torch

    from lionheart_opt.datasets.splits import Examples

    if padding < 0:
        raise InputError(f"data set {name!r}: padding: got {padding}; must be at least 0")
    train, train_labels, test, test_labels = parts
    values = np.arange(256)
    mean, deviation = np.empty((2, train.shape[1], 1, 1), dtype=np.float32)
    for channel in range(train.shape[1]):  # the histogram is exact and needs no copy in float64
        share = np.bincount(train[:, channel].ravel(), minlength=256) / train[:, channel].size
        mean[channel] = share @ values
        deviation[channel] = np.sqrt(share @ (values - mean[channel, 0, 0]) ** 2) or 1.0

    def examples(images: np.ndarray, labels: np.ndarray) -> Examples:
        if padding:
            images = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        pixels = images.astype(np.float32)
        pixels -= mean
        pixels /= deviation
        return Examples(
            inputs=torch.from_numpy(pixels), targets=torch.from_numpy(labels.astype(np.int64))
        )

    return Dataset(
        name=name,
        train=examples(train, train_labels),
        test=examples(test, test_labels),
        n_classes=available()[name].n_classes,
        provenance=provenance,
    )


_BUILT_IN = (
    DatasetInfo(
        name="digits",
        description="1,797 handwritten digits; comes with scikit-learn",
        source="Alpaydin and Kaynak, UCI Machine Learning Repository, 1998",
        image_shape=(1, 8, 8),
        n_classes=10,
        load=_digits,
    ),
    DatasetInfo(
        name="mnist",
        description="60,000 + 10,000 handwritten digits",
        source="LeCun et al., Proceedings of the IEEE, 1998",
        image_shape=(1, 28, 28),
        n_classes=10,
        load=_idx("mnist"),
    ),
    DatasetInfo(
        name="fashion_mnist",
        description="60,000 + 10,000 pictures of clothes",
        source="Xiao et al., arXiv 1708.07747, 2017 (MIT licence)",
        image_shape=(1, 28, 28),
        n_classes=10,
        load=_idx("fashion_mnist"),
    ),
    DatasetInfo(
        name="cifar10",
        description="50,000 + 10,000 small colour photographs in 10 classes",
        source="Krizhevsky, University of Toronto, 2009",
        image_shape=(3, 32, 32),
        n_classes=10,
        load=_cifar("cifar10"),
    ),
    DatasetInfo(
        name="cifar100",
        description="50,000 + 10,000 small colour photographs in 100 classes",
        source="Krizhevsky, University of Toronto, 2009",
        image_shape=(3, 32, 32),
        n_classes=100,
        load=_cifar("cifar100"),
    ),
    DatasetInfo(
        name="shakespeare",
        description="1,115,394 characters of plays, for language models",
        source="Karpathy, char-rnn, 2015 (public domain)",
        image_shape=None,
        n_classes=65,
        load=_shakespeare,
    ),
    DatasetInfo(
        name=TEXT,
        description="texts in your own files: csv, tsv, json, jsonl, parquet, txt",
        source="your files",
        image_shape=None,
        n_classes=None,
        load=_text,
    ),
)

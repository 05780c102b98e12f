"""Trained weights as artifacts. Their names are digests of everything that they depend on.

Under each name is the SHA-256 of the artifact. An artifact that does not have it is damaged; it is never
used. The artifact of finished weights is also called by it, so that Optuna can be told of it.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import re
import warnings
import zipfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import torch
from torch import nn

from lionheart_opt.artifacts import ArtifactFolder, Artifacts, Damaged, keep, kept, store_at
from lionheart_opt.errors import InputError
from lionheart_opt.text import shown
from lionheart_opt.text_files import check_file, reported

Weights = dict[str, torch.Tensor]
_SHA_256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """Trained weights and the time that their training took.

    Args:
        weights: State dict of the floating-point network, on the CPU.
        training_s: Seconds that this training took when it was run.
        losses: Mean training loss of every epoch.
        note: A message for the user, such as that training diverged; empty if there is none.
    """

    weights: Weights
    training_s: float = 0.0
    losses: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class WeightStore:
    """Weights in an Optuna artifact store.

    Args:
        artifacts: Where they are.
        is_temporary: Whether it is gone when the process ends.
    """

    artifacts: Artifacts
    is_temporary: bool = False

    @staticmethod
    def folder(path: Path) -> WeightStore:
        """A store in a folder, which is created when something is first written."""
        return WeightStore(ArtifactFolder(path))

    @staticmethod
    def at(place: str | Path | None) -> WeightStore:
        """A store in a folder or a bucket, or a temporary one without any."""
        return WeightStore.temporary() if place is None else WeightStore(store_at(place))

    @staticmethod
    def temporary() -> WeightStore:
        """A store in a temporary folder, which is removed when the process ends."""
        folder = TemporaryDirectory(prefix="lionheart_opt-")
        atexit.register(folder.cleanup)
        return WeightStore(ArtifactFolder(Path(folder.name)), is_temporary=True)

    def alone(self, key: str) -> AbstractContextManager[None]:
        """Let one process at a time do a training, of those that share the folder.

        Buckets cannot be locked: there, nobody waits.
        """
        if isinstance(self.artifacts, ArtifactFolder):
            return self.artifacts.alone(key)
        return nullcontext()

    def get(self, key: str) -> Trained | None:
        """The trained weights with that key; None if there are none, or if they are damaged."""
        name = f"{key}.pt"
        try:
            checksums = self._checksums(name)
            content = self.read(name) if checksums is None else self._finished(name, checksums)
        except (Damaged, InputError, OSError) as error:
            _warn(name, str(error))
            return None
        if content is None:
            return None
        try:
            return Trained(**{**content, "losses": tuple(content["losses"])})
        except (KeyError, TypeError, InputError) as error:
            _warn(name, f"no trained weights: {error}")
            return None

    def _finished(self, name: str, checksums: Sequence[str]) -> dict[str, Any]:
        """What is stored under the SHA-256; older versions stored it under the name.

        Raises:
            Damaged: It is not what was stored, or is not there.
            InputError: It cannot be read.
        """
        for place in (*(each for each in checksums[:1] if _SHA_256.fullmatch(each)), name):
            with suppress(FileNotFoundError):
                if place == name:
                    return self._read(name)
                return _load(io.BytesIO(kept(self.artifacts, place)), name)
        raise Damaged("there is no artifact with its SHA-256")

    def put(self, key: str, trained: Trained) -> None:
        """Store trained weights under a key."""
        content = _saved({**vars(trained), "losses": list(trained.losses)})
        self._write_checksums(f"{key}.pt", [keep(self.artifacts, content.getvalue())])

    def artifact_of(self, key: str) -> str | None:
        """Id of the artifact with the weights that were stored last under a key; None without any."""
        return next(iter(self._checksums(f"{key}.pt") or ()), None)

    def read(self, name: str) -> dict[str, Any] | None:
        """What `write` stored under the name; None if there is nothing, or if it is damaged.

        A damaged artifact is named in a warning. One that has no checksum, because an older version
        wrote it, is used if the checksums in its own format are right, and gets a checksum.
        """
        try:
            return self._read(name)
        except FileNotFoundError:
            return None
        except (InputError, OSError) as error:
            _warn(name, str(error))
            return None

    def _read(self, name: str) -> dict[str, Any]:
        """What is stored under the name.

        Raises:
            InputError: It is damaged.
        """
        with self.artifacts.open_reader(name) as file:
            content: bytes = file.read()
        digest, checksums = hashlib.sha256(content).hexdigest(), self._checksums(name)
        if checksums is None:
            if not _is_whole(content):
                raise InputError("it is cut off or changed")
            with suppress(OSError, InputError):  # the folder may be read-only
                self._write_checksums(name, [digest])
        elif digest not in checksums:
            raise InputError("its SHA-256 is another one")
        return _load(io.BytesIO(content), name)

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Store tensors and plain data under a name, replacing what was stored before."""
        buffer = _saved(content)
        digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
        # first, and with the checksum of what is replaced: an interruption leaves either one right
        self._write_checksums(name, [digest, *(self._checksums(name) or ())[:1]])
        self.artifacts.write(name, buffer)

    def _checksums(self, name: str) -> list[str] | None:
        """SHA-256 that an artifact may have, the latest first; None if there is no checksum."""
        try:
            with self.artifacts.open_reader(f"{name}.sha256") as file:
                return [line.decode(errors="replace") for line in file.read().split()]
        except FileNotFoundError:
            return None

    def _write_checksums(self, name: str, digests: list[str]) -> None:
        self.artifacts.write(f"{name}.sha256", io.BytesIO("\n".join(digests).encode() + b"\n"))

    def remove(self, name: str) -> None:
        """Delete what is stored under the name, if anything is."""
        for artifact in (name, f"{name}.sha256"):
            with suppress(FileNotFoundError):
                self.artifacts.remove(artifact)


def _saved(content: dict[str, Any]) -> io.BytesIO:
    """What `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    buffer.seek(0)
    return buffer


def _warn(name: str, reason: str) -> None:
    """Warn that an artifact is not used."""
    warnings.warn(
        f"artifact {name} is damaged ({reason}); it is not used, and its training is done again",
        stacklevel=3,
    )


def _is_whole(content: bytes) -> bool:
    """Whether the checksums inside a file of `torch.save`, a ZIP archive, are right."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.testzip() is None
    except Exception:  # a damaged archive may raise anything
        return False


def weights_digest(weights: Weights) -> str:
    """Digest of all names, types, shapes and numbers."""
    content = hashlib.sha256()
    for name, tensor in weights.items():
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(tensor.detach().cpu().numpy().tobytes())
    return content.hexdigest()[:16]


def load_weights(path: Path, model: nn.Module) -> Weights:
    """Load a user's checkpoint: a state dict, or a dictionary with one under `state_dict`.

    Args:
        path: A file that `torch.save` wrote.
        model: The network that the weights are for.

    Raises:
        InputError: The file cannot be read, is not a checkpoint or does not fit the network.
    """
    check_file(path)
    with reported(path):
        content = _load(path, str(path))
    weights = content.get("state_dict", content)
    check_fit(model, weights, str(path))
    expected = model.state_dict()
    other = {
        str(tensor.dtype)
        for name, tensor in weights.items()
        if tensor.is_floating_point() and tensor.dtype != expected[name].dtype
    }
    if other:
        warnings.warn(
            f"{path}: weights of {', '.join(sorted(other))}; they are computed in float32",
            stacklevel=2,
        )
    return {
        name: tensor.detach().cpu().to(expected[name].dtype) for name, tensor in weights.items()
    }


def check_fit(model: nn.Module, weights: Any, where: str) -> None:
    """Refuse weights that do not fit the network, naming the first difference.

    Raises:
        InputError: A tensor is missing, unknown or of another shape.
    """
    if not isinstance(weights, dict):
        raise InputError(f"{where}: holds a {type(weights).__name__}, not a state dict")
    expected = model.state_dict()
    for name, tensor in expected.items():
        if name not in weights:
            raise InputError(f"{where}: does not fit the network: no tensor {name!r}")
        weight = weights[name]
        if not isinstance(weight, torch.Tensor) or weight.shape != tensor.shape:
            is_tensor = isinstance(weight, torch.Tensor)
            shape = tuple(weight.shape) if is_tensor else type(weight).__name__
            raise InputError(
                f"{where}: does not fit the network: {name!r} is {shape}, "
                f"needed {tuple(tensor.shape)}"
            )
        if weight.device.type == "meta" or weight.layout != torch.strided:
            raise InputError(
                f"{where}: {name!r} has no values, or is sparse; must be a dense tensor"
            )
        if weight.is_complex() != tensor.is_complex():
            raise InputError(f"{where}: {name!r} is {weight.dtype}; needed {tensor.dtype}")
    for name in weights:
        if name not in expected:
            raise InputError(f"{where}: does not fit the network: unknown tensor {shown(name)}")


def _load(file: Path | BinaryIO, where: str) -> dict[str, Any]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(f"{where}: not a checkpoint of tensors: {reason}") from error
    if not isinstance(content, dict):
        raise InputError(f"{where}: holds a {type(content).__name__}, not a state dict")
    return content


#: Settings in a configuration of Hugging Face that say how a network was saved, or what it keeps.
_ABOUT_FILES = {"architectures", "dtype", "torch_dtype", "transformers_version", "use_cache"}


def network_text(network: nn.Module) -> str:
    """A network's modules and their settings, the same in every process; weights are left out.

    Networks of Hugging Face have settings in a configuration, which their modules do not show.
    """
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(network))  # addresses of functions
    config: Any = getattr(network, "config", None)
    if hasattr(config, "to_dict"):
        settings = {
            name: value
            for name, value in config.to_dict().items()
            if name not in _ABOUT_FILES and not name.startswith("_")
        }
        text += json.dumps(settings, sort_keys=True, default=str)
    return text

"""A folder of artifacts, as an artifact store of Optuna that is safe to interrupt."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import warnings
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

from lionheart_opt.errors import InputError
from lionheart_opt.example_statistics import ExampleStatistics, Told
from lionheart_opt.text_files import reported


class ArtifactFolder(FileSystemArtifactStore):  # type: ignore[misc, unused-ignore]
    """Optuna's store in a folder. The folder is created when needed; files are written atomically."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._folder = path

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """As Optuna's.

        Raises:
            InputError: It cannot be written.
        """
        with reported(self._folder):
            self._write(artifact_id, content_body)

    def _write(self, artifact_id: str, content_body: BinaryIO) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{artifact_id}.{uuid4().hex}.part"
        try:
            with part.open("wb") as file:
                shutil.copyfileobj(content_body, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._folder / artifact_id)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


class OutcomeStore:
    """Outcomes of examples in an artifact folder; the name of each is the digest of its content.

    Args:
        folder: The folder, which is created when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self._artifacts = ArtifactFolder(folder)
        self._folder = folder

    def __repr__(self) -> str:
        return f"OutcomeStore({str(self._folder)!r})"

    def put(self, outcomes: Told) -> str:
        """Store outcomes; their name."""
        content = outcomes.to_bytes()
        name = _name(content)
        if not (self._folder / name).exists():
            self._artifacts.write(name, io.BytesIO(content))
        return name

    def get(self, name: str) -> Told | None:
        """The outcomes of that name; None if there are none, or with a warning if they are damaged."""
        try:
            with self._artifacts.open_reader(name) as file:
                content: bytes = file.read()
            if _name(content) != name:
                raise InputError("its SHA-256 is another one")
            return ExampleStatistics.from_bytes(content)
        except ArtifactNotFound:
            return None
        except (InputError, OSError) as error:
            warnings.warn(f"artifact {name} is damaged ({error}); it is not used", stacklevel=2)
            return None


def _name(content: bytes) -> str:
    return f"outcomes-{hashlib.sha256(content).hexdigest()[:32]}.npz"

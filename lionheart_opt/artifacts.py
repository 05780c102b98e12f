"""Artifacts in a folder or a bucket, in Optuna's stores: safe to interrupt, and checked when read.

An artifact that Optuna is told of is named by the SHA-256 of its content: optuna-dashboard opens no other
names than hexadecimal ones.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import mimetypes
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from lionheart_opt.buckets import ArtifactBucket
from lionheart_opt.statistics.example_statistics import ExampleStatistics, Told
from lionheart_opt.text_files import reported


class ArtifactFolder:
    """A store like Optuna's in a folder, which is created when needed. Files are written atomically."""

    def __init__(self, path: Path) -> None:
        self._folder = path

    @property
    def where(self) -> str:
        """Path of the folder."""
        return str(self._folder)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The content of an artifact.

        Raises:
            FileNotFoundError: There is none of that name.
        """
        return (self._folder / artifact_id).open("rb")

    def remove(self, artifact_id: str) -> None:
        """Delete an artifact.

        Raises:
            FileNotFoundError: There is none of that name.
        """
        (self._folder / artifact_id).unlink()

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

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Let one process at a time run the block, of those that share the folder and give this name.

        A process that is killed gives way. Where files cannot be locked, nobody waits.
        """
        path = self._folder / f"{name}.lock"
        file = None
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            while file is None:
                file = path.open("ab")
                fcntl.flock(file, fcntl.LOCK_EX)
                if not _is_at(path, file):  # who held it before has removed it
                    file.close()
                    file = None
        try:
            yield
        finally:
            if file is not None:
                with suppress(OSError):
                    path.unlink()
                file.close()


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


#: Any artifact store of ours.
Artifacts = ArtifactFolder | ArtifactBucket
#: Prefix of the system attributes that tell Optuna of an artifact.
LINK = "artifacts:"


class Damaged(Exception):
    """An artifact is not what was stored."""


def store_at(place: str | Path) -> Artifacts:
    """The artifact store in a folder, or in a bucket; see `lionheart_opt.buckets.place_of`."""
    return ArtifactBucket(place) if isinstance(place, str) else ArtifactFolder(place)


def keep(artifacts: Artifacts, content: bytes) -> str:
    """Store an artifact, once; its id, which is the SHA-256 of the content."""
    artifact_id = hashlib.sha256(content).hexdigest()
    with suppress(Damaged, OSError):
        kept(artifacts, artifact_id)
        return artifact_id
    artifacts.write(artifact_id, io.BytesIO(content))
    return artifact_id


def kept(artifacts: Artifacts, artifact_id: str) -> bytes:
    """The content of an artifact that `keep` stored.

    Raises:
        FileNotFoundError: There is none.
        Damaged: Its SHA-256 is another one.
    """
    with artifacts.open_reader(artifact_id) as file:
        content: bytes = file.read()
    if hashlib.sha256(content).hexdigest() != artifact_id:
        raise Damaged("its SHA-256 is another one")
    return content


def links(artifact_ids: dict[str, str]) -> dict[str, str]:
    """System attributes of a study or a trial that tell Optuna, and its dashboard, of artifacts.

    Args:
        artifact_ids: What Optuna calls the file -> id of the artifact; empty where there is none.
    """
    from optuna.artifacts import ArtifactMeta  # which loads boto3, where that is installed

    attributes = {}
    for filename, artifact_id in artifact_ids.items():
        if artifact_id:
            kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
            about = ArtifactMeta(artifact_id, filename, kind, None)
            attributes[LINK + artifact_id] = json.dumps(asdict(about))
    return attributes


class OutcomeStore:
    """Outcomes of examples, in a folder or a bucket.

    Args:
        place: Where; a folder is created when something is first written.
    """

    def __init__(self, place: str | Path) -> None:
        self.artifacts = store_at(place)
        self._place = place

    def __repr__(self) -> str:
        return f"OutcomeStore({str(self._place)!r})"

    def put(self, outcomes: Told) -> str:
        """Store outcomes; the id of their artifact."""
        return keep(self.artifacts, outcomes.to_bytes())

    def get(self, artifact_id: str) -> Told | None:
        """The outcomes with that id; None if there are none, or with a warning if they are damaged."""
        try:
            return ExampleStatistics.from_bytes(kept(self.artifacts, artifact_id))
        except FileNotFoundError:
            return None
        except (Damaged, OSError) as error:
            warnings.warn(
                f"artifact {artifact_id} is damaged ({error}); it is not used", stacklevel=2
            )
            return None

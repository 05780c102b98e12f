"""Artifacts in a bucket of S3 or Google Cloud Storage, for machines that share no disk."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from lionheart_opt.errors import InputError
from lionheart_opt.masking import masked
from lionheart_opt.text import shown

#: Scheme of a URL -> the package that opens it, and the extra that installs that.
PACKAGES = {"s3": ("boto3", "s3"), "gs": ("google-cloud-storage", "gcs")}
_URL = re.compile(r"(s3|gs)://([a-zA-Z0-9][\w.-]*)/?((?:[\w.=+-]+/?)*)", re.ASCII)


def place_of(where: str | Path, folder: Path = Path()) -> str | Path:
    """Where artifacts are kept: a folder, or the URL of a bucket.

    Args:
        where: A folder, `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`; the prefix may be left out.
        folder: What a relative folder is relative to.

    Raises:
        InputError: It is neither.
    """
    if isinstance(where, str) and ":/" in where:
        return ArtifactBucket(where).url
    if not isinstance(where, str | Path) or not str(where) or "\0" in str(where):
        raise _wrong(where)
    return folder / where


def check_place(place: str | Path | None) -> None:
    """Refuse a bucket that cannot be reached.

    Raises:
        InputError: It cannot be reached, or its package is not installed.
    """
    if isinstance(place, str):
        ArtifactBucket(place).check()


@dataclass(frozen=True)
class ArtifactBucket:
    """Optuna's artifact store of a bucket. It can be pickled: each process opens the bucket itself.

    Keys and the address of the server are looked for where boto3 and google-cloud-storage look for them,
    such as `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` and `GOOGLE_APPLICATION_CREDENTIALS`.

    Args:
        url: `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`.

    Raises:
        InputError: It is no such URL. Methods raise it where the bucket cannot be used.
    """

    url: str

    def __post_init__(self) -> None:
        if not isinstance(self.url, str) or _URL.fullmatch(self.url) is None:
            raise _wrong(self.url)

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    @property
    def where(self) -> str:
        """URL of the bucket."""
        return self.url

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The content of an artifact.

        Raises:
            FileNotFoundError: There is none of that name.
        """
        with self._reported(), closing(self._store.open_reader(self._prefix + artifact_id)) as body:
            return io.BytesIO(body.read())

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Store an artifact."""
        with self._reported():
            self._store.write(self._prefix + artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Delete an artifact."""
        with self._reported():
            self._store.remove(self._prefix + artifact_id)

    def check(self) -> None:
        """Refuse a bucket that does not exist, or cannot be reached."""
        with self._reported():
            _ = self._store

    @cached_property
    def _store(self) -> Any:
        """Optuna's store of the bucket, which exists."""
        from optuna.artifacts import Boto3ArtifactStore, GCSArtifactStore
        from optuna.exceptions import ExperimentalWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            opened = Boto3ArtifactStore if self._scheme == "s3" else GCSArtifactStore
            store: Any = opened(self._bucket)
        if self._scheme == "s3":  # to S3, what is missing looks like a bucket that is missing
            store.client.head_bucket(Bucket=self._bucket)
        elif not store.bucket_obj.exists():
            raise FileNotFoundError("there is no such bucket")
        return store

    @property
    def _scheme(self) -> str:
        return self._parts[0]

    @property
    def _bucket(self) -> str:
        return self._parts[1]

    @property
    def _prefix(self) -> str:
        prefix = self._parts[2].rstrip("/")
        return f"{prefix}/" if prefix else ""

    @property
    def _parts(self) -> tuple[str, str, str]:
        match = _URL.fullmatch(self.url)
        assert match is not None, "it was checked"
        return match[1], match[2], match[3]

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn what the libraries raise into bad input; they raise all kinds of errors."""
        from optuna.artifacts.exceptions import ArtifactNotFound

        try:
            yield
        except ArtifactNotFound as error:
            raise FileNotFoundError(f"artifacts: {self.url}: {error}") from error
        except InputError:
            raise
        except ImportError as error:
            package, extra = PACKAGES[self._scheme]
            raise InputError(
                f"artifacts: {self.url} needs {package}: pip install 'lionheart_opt[{extra}]'"
            ) from error
        except Exception as error:
            said = str(error).strip().partition("\n")[0]
            raise InputError(f"artifacts: {self.url}: {type(error).__name__}: {said}") from error


def _wrong(where: object) -> InputError:
    return InputError(
        f"artifacts: got {masked(shown(where))}; must be a folder, s3://BUCKET/PREFIX or "
        "gs://BUCKET/PREFIX"
    )

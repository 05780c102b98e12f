"""Outcomes are artifacts that are named by their content."""

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys

import numpy as np
import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore

from lionheart_opt.artifacts import ArtifactFolder, OutcomeStore, links
from lionheart_opt.errors import InputError
from lionheart_opt.statistics.outcomes import Outcomes

OUTCOMES = Outcomes.of(np.ones(9, bool), np.arange(18).reshape(2, 1, 9) % 3 > 0)


def test_equal_outcomes_are_stored_once(tmp_path) -> None:
    store = OutcomeStore(tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists(), "reading needs no folder"
    name = store.put(OUTCOMES)
    assert store.put(OUTCOMES) == name and [
        each.name for each in (tmp_path / "artifacts").iterdir()
    ] == [name]
    loaded = store.get(name)
    assert loaded is not None and loaded.to_bytes() == OUTCOMES.to_bytes()
    assert store.get("outcomes-none.npz") is None and store.get("0" * 64) is None
    assert name == hashlib.sha256(OUTCOMES.to_bytes()).hexdigest()


def test_optuna_is_told_of_artifacts(tmp_path) -> None:
    """Its own functions list and open them."""
    store = OutcomeStore(tmp_path / "artifacts")
    name = store.put(OUTCOMES)
    trial = optuna.trial.create_trial(value=1.0, system_attrs=links({"e.npz": name, "w.pt": ""}))
    study = optuna.create_study()
    study.add_trial(trial)
    [about] = optuna.artifacts.get_all_artifact_meta(study.trials[0], storage=study._storage)
    assert (about.artifact_id, about.filename) == (name, "e.npz")
    path = tmp_path / "copy.npz"
    optuna.artifacts.download_artifact(
        artifact_store=FileSystemArtifactStore(tmp_path / "artifacts"),
        artifact_id=about.artifact_id,
        file_path=str(path),
    )
    assert path.read_bytes() == OUTCOMES.to_bytes()


def test_damaged_ones_are_named_and_not_used(tmp_path) -> None:
    store = OutcomeStore(tmp_path)
    name = store.put(OUTCOMES)
    other = Outcomes.of(np.zeros(9, bool), np.zeros((2, 1, 9), bool)).to_bytes()
    for content in (other, b"", OUTCOMES.to_bytes()[:-1]):
        (tmp_path / name).write_bytes(content)
        with pytest.warns(UserWarning, match=f"{name} is damaged"):
            assert store.get(name) is None


def test_an_interrupted_write_leaves_nothing(tmp_path) -> None:
    class Stops:
        def read(self, size: int = -1) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ArtifactFolder(tmp_path).write("name", Stops())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path) -> None:
    (tmp_path / "artifacts").write_text("a file")
    with pytest.raises(InputError, match="artifacts"):
        OutcomeStore(tmp_path / "artifacts").put(OUTCOMES)


@pytest.mark.parametrize("step", ["copyfileobj", "fsync", "replace", "after"])
def test_a_kill_inside_a_write_leaves_the_artifact_whole_or_not_there(step, tmp_path):
    code = f"""
import io, os, pathlib, shutil, signal
from lionheart_opt import artifacts
def die(*arguments):
    if {step!r} == "copyfileobj":
        arguments[1].write(b"half"); arguments[1].flush()
    if {step!r} == "after":
        replace(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
replace = pathlib.Path.replace
place = {{"copyfileobj": shutil, "fsync": os, "replace": pathlib.Path, "after": pathlib.Path}}[{step!r}]
setattr(place, {step!r}.replace("after", "replace"), die)
artifacts.ArtifactFolder(pathlib.Path({str(tmp_path)!r})).write("a", io.BytesIO(b"whole"))
"""
    process = subprocess.run([sys.executable, "-c", code], timeout=60)
    assert process.returncode == -signal.SIGKILL
    kept = tmp_path / "a"
    assert kept.read_bytes() == b"whole" if step == "after" else not kept.exists()
    ArtifactFolder(tmp_path).write("a", io.BytesIO(b"whole"))
    assert kept.read_bytes() == b"whole"


def test_a_full_disk_is_one_line_and_leaves_no_part(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device") as error:
        ArtifactFolder(tmp_path).write("a", io.BytesIO(b"whole"))
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []

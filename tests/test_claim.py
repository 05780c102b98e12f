"""A driver's sign of life: it outlives a storage that fails for a moment."""

import threading

import pytest
from optuna.exceptions import StorageInternalError

from lionheart_opt.study import claim

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def quick_heart(monkeypatch):
    monkeypatch.setattr(claim, "HEARTBEAT_S", 0.01)


def test_a_beat_that_fails_is_tried_again(caplog):
    beats: list[int] = []
    third = threading.Event()

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 2:
            raise StorageInternalError("database is locked")
        if len(beats) == 3:
            third.set()

    with claim.heartbeat(beat):
        assert third.wait(PATIENCE_S)
    assert "heartbeat failed, will be tried again: database is locked" in caplog.text


def test_a_storage_that_fails_at_once_is_an_error():
    def beat() -> None:
        raise StorageInternalError("no such table")

    with pytest.raises(StorageInternalError), claim.heartbeat(beat):
        pass

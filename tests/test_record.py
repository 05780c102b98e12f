"""A worker's sign of life: it outlives a storage that fails for a moment."""

import threading

import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError

from lionheart_opt.study import record

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def quick_heart(monkeypatch):
    monkeypatch.setattr(record, "HEARTBEAT_S", 0.01)


def test_a_beat_that_fails_is_tried_again(caplog):
    beats: list[int] = []
    third = threading.Event()

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 2:
            raise StorageInternalError("database is locked")
        if len(beats) == 3:
            third.set()

    with record.heartbeat(beat):
        assert third.wait(PATIENCE_S)
    assert "heartbeat failed, will be tried again: database is locked" in caplog.text


def test_the_heart_stops_when_another_process_finished_the_trial():
    beats: list[int] = []
    second = threading.Event()

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 2:
            second.set()
            raise UpdateFinishedTrialError

    with record.heartbeat(beat):
        assert second.wait(PATIENCE_S)
        threading.Event().wait(0.2)  # twenty beats' time
    assert len(beats) == 2


def test_a_storage_that_fails_at_once_is_an_error():
    def beat() -> None:
        raise StorageInternalError("no such table")

    with pytest.raises(StorageInternalError), record.heartbeat(beat):
        pass

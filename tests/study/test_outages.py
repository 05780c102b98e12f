"""Database servers that are restarted or cut off while a search runs."""

from __future__ import annotations

import signal
import threading
import time

import optuna
import pytest
from front_door import made_up, wait_until
from search_in_a_process import study

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.study import claim, fence, outages
from lionheart_opt.study.patience import impatient
from lionheart_opt.study.storage import open_storage


def whole(tmp_path, trials):
    search = study(f"journal:///{tmp_path / 'whole'}", "random", trials)
    search.run()
    return [(t.number, t.params, t.values) for t in search.record.keeper.study.trials]


def recorded(search):
    return [(t.number, t.params, t.values) for t in search.record.keeper.study.trials]


def lines(caplog):
    return [each.getMessage() for each in caplog.records if each.name.startswith("lionheart_opt")]


def run_with_stops(postgres, tmp_path, caplog, stops, away_s, trials):
    """A search whose server is stopped after every fourth trial, until that is said and for a while."""
    search = study(postgres.new_database(), "random", trials, 0.05)
    restarts = []

    def said(what: str) -> int:
        return sum(what in line for line in lines(caplog))

    def restart() -> None:
        wait_until(lambda: said("is out of reach") == len(restarts))
        time.sleep(away_s)
        postgres.start()

    def stop(progress) -> None:
        n_trials = len(search.record)
        if progress.state == "answered" and n_trials % 4 == 0 and len(restarts) < stops:
            for thread in restarts:
                thread.join()
            restarts.append(threading.Thread(target=restart))
            postgres.stop()
            restarts[-1].start()

    search.run(stop)
    for thread in restarts:
        thread.join()
    assert recorded(search) == whole(tmp_path, trials)
    assert len(restarts) == stops, "the test is about a server that is stopped"
    assert said("is out of reach") == said("is back after") == stops, "said once for each outage"
    assert said("trying again for 10 minutes") == stops


def test_a_server_that_is_restarted_is_waited_for(postgres, tmp_path, caplog):
    run_with_stops(postgres, tmp_path, caplog, stops=2, away_s=0.5, trials=12)


@pytest.mark.slow
def test_a_server_that_is_away_for_half_a_minute_ten_times(postgres, tmp_path, caplog):
    run_with_stops(postgres, tmp_path, caplog, stops=10, away_s=30.0, trials=60)


def test_connections_that_are_cut_lose_and_repeat_nothing(postgres, tmp_path, monkeypatch):
    """Also in the middle of a transaction, and after it was committed: then nobody knows that it was."""
    trials = 8
    search = study(postgres.new_database(), "random", trials, 0.05)
    check, count = fence._check_session, iter(range(1000))

    def cut_before_commit(session) -> None:
        check(session)
        if fence.current_fence() is not None and next(count) % 3 == 0:
            postgres.cut_connections()

    from sqlalchemy import event

    sessions = search.record.keeper.study._storage._backend.scoped_session.session_factory
    event.listen(sessions, "before_commit", cut_before_commit)
    search.run()
    assert recorded(search) == whole(tmp_path, trials)
    assert next(count) > trials, "the test is about transactions that are cut"


def test_a_trial_that_was_written_before_the_connection_broke_is_not_written_twice(
    postgres, tmp_path
):
    search = study(postgres.new_database(), "random", 4, 0.05)
    kept = search.record.keeper.study
    add, is_broken = kept.add_trial, iter([False, True, False, True])

    def add_and_add_again(trial) -> None:
        add(trial)
        if next(is_broken):
            add(trial)  # as Optuna does if the answer to the commit is lost

    kept.add_trial = add_and_add_again
    search.run()
    del kept.add_trial
    assert recorded(search) == whole(tmp_path, 4)
    assert [trial.number for trial in search.record.trials()] == [0, 1, 2, 3]


def test_a_server_that_stays_away_ends_the_search_in_one_line(
    postgres, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(outages, "PATIENCE_S", 1.0)
    url = postgres.new_database()
    search = study(url, "random", 5)

    def stop_once(progress) -> None:
        if progress.state == "answered" and len(search.record) == 2:
            postgres.stop()

    try:
        with pytest.raises(
            InputError, match=r"its record cannot be \w+: OperationalError:"
        ) as error:
            search.run(stop_once)
        assert "\n" not in str(error.value)
    finally:
        postgres.start()
    resumed = study(url, "random", 5)
    assert len(resumed.record) == 2, "nothing is lost that was recorded"
    resumed.run()
    assert recorded(resumed) == whole(tmp_path, 5)


def test_a_wrong_address_and_the_impatient_do_not_wait(postgres, tmp_path):
    start = time.monotonic()
    with pytest.raises(InputError, match="cannot open"):
        open_storage(f"postgresql+psycopg://lab@/lab?host={tmp_path}")
    storage = open_storage(postgres.new_database())
    postgres.stop()
    try:
        with impatient(), pytest.raises(optuna.exceptions.StorageInternalError):
            storage.get_study_id_from_name("s")
    finally:
        postgres.start()
    assert time.monotonic() - start < outages.PATIENCE_S / 4


def test_beats_do_not_wait_and_are_spoken_of_once(postgres, monkeypatch, caplog):
    monkeypatch.setattr(claim, "HEARTBEAT_S", 0.05)
    recorded = study(postgres.new_database(), "random", 1).record.keeper.study
    with claim.claimed(recorded):
        postgres.stop()
        time.sleep(1.0)
        postgres.start()
        deadline = time.monotonic() + 30
        before = recorded.user_attrs.get(claim.BEAT)
        while recorded.user_attrs.get(claim.BEAT) == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    failed = [line for line in lines(caplog) if "heartbeat failed" in line]
    assert len(failed) == 1 and "\n" not in failed[0]


def test_an_interruption_ends_all_searches_that_wait_for_a_server(postgres, caplog):
    """Nobody waits for the rest of the ten minutes, and what was finished is kept."""
    study = lo.Study.of(
        made_up(), ["random"], seeds=(0, 1), trials=400, storage=postgres.new_database()
    )

    waits = threading.Event()

    def interrupt() -> None:
        try:
            wait_until(lambda: sum(len(result) for result in study.results()) > 4)
            postgres.stop()
            wait_until(lambda: any("is out of reach" in line for line in lines(caplog)))
            waits.set()
            time.sleep(1.0)
        finally:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    start = time.monotonic()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # xdist ignores it
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            study.run(workers=2, checks=False)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, handler)
        postgres.start()
    assert waits.is_set()
    assert time.monotonic() - start < outages.PATIENCE_S / 2

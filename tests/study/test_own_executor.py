"""Candidates on an executor of the user's own."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import loky
import pytest
from deadly import Broken, Slow, deadly, toy
from front_door import data, outcome, small

import lionheart_opt as lo
from lionheart_opt.mapping import Candidate
from lionheart_opt.study import own_executor, same_code
from lionheart_opt.study.own_executor import OwnExecutor
from lionheart_opt.study.pending import WorkStopped
from lionheart_opt.study.worker import Evaluate


class Scheduled(concurrent.futures.Executor):
    """An executor as others write it: it knows the interface, and nothing of ours."""

    def __init__(self, inner: concurrent.futures.Executor) -> None:
        self._inner = inner

    def submit(self, *arguments: Any, **keywords: Any) -> Any:
        return self._inner.submit(*arguments, **keywords)


def spawned(count: int = 2) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with spawned() as made:
        yield made


@pytest.mark.parametrize("strategy", ["random", "greedy", "exhaustive"])
def test_its_record_is_that_of_one_process(pool, strategy):
    alone = lo.search(toy(), strategy, trials=10)
    result = lo.search(toy(), strategy, trials=10, executor=pool)
    assert len(alone) >= 4 and outcome(result) == outcome(alone)
    assert pool.submit(int, "3").result() == 3  # it stays open


def test_any_executor_will_do(pool):
    alone = lo.search(toy(), "random", trials=6)
    made = loky.ProcessPoolExecutor(1)
    try:
        for executor in (Scheduled(pool), made):
            assert outcome(lo.search(toy(), "random", trials=6, executor=executor)) == outcome(
                alone
            )
    finally:
        made.shutdown(kill_workers=True)


def test_searches_of_a_study_share_it(pool):
    problem = replace(toy(), oracle=Slow(toy().oracle))
    study = lo.Study.of(problem, ["random", "greedy"], trials=6)
    results = study.run(executor=pool)
    processes = {each.accuracy.note for result in results for each in result.evaluations}
    assert [len(result) > 2 for result in results] == [True, True] and len(processes) == 2


def test_errors_of_own_code_are_said_as_in_one_process(pool):
    for error in (ValueError("broken oracle"), SystemExit(0), BaseException("nothing usual")):
        problem = replace(toy(), oracle=Broken(error))
        with pytest.raises(Exception, match=r"broken oracle|SystemExit|nothing usual"):
            lo.search(problem, "random", trials=3, executor=pool)


def test_where_a_worker_dies_one_line_says_how_to_resume(tmp_path):
    storage = f"sqlite:///{tmp_path / 'k.db'}"
    problem = deadly(tmp_path)
    options = {"trials": 12, "storage": storage}
    with spawned() as broken, pytest.raises(lo.InputError) as error:
        lo.search(problem, "exhaustive", executor=broken, **options)
    assert str(error.value).startswith("executor: it takes no more work (")
    assert str(error.value).endswith("run again with a new one to resume")
    assert "\n" not in str(error.value)
    with pytest.raises(lo.InputError, match="executor: it takes no more work"):
        lo.search(problem, "exhaustive", executor=broken, **options)


def test_one_that_was_shut_down_is_refused():
    closed = spawned(1)
    closed.shutdown()
    with pytest.raises(
        lo.InputError, match=r"executor: it takes no more work \(cannot schedule new"
    ):
        lo.search(toy(), "random", trials=2, executor=closed)


class Cancels(concurrent.futures.Executor):
    """Gives up what it was asked for, as a pool does whose time is up."""

    def submit(self, *arguments: Any, **keywords: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.cancel()
        return future


def test_one_that_gives_up_is_said():
    with pytest.raises(lo.InputError, match=r"it takes no more work \(CancelledError\); finished"):
        lo.search(toy(), "random", trials=2, executor=Cancels())


def test_what_is_no_executor_of_processes_is_refused():
    with (
        ThreadPoolExecutor(1) as threads,
        pytest.raises(lo.InputError, match="share torch's random"),
    ):
        lo.search(toy(), "random", trials=2, executor=threads)
    for wrong in (2, "tcp://h:1", ProcessPoolExecutor):
        with pytest.raises(
            lo.InputError, match=r"executor: got .*must be a concurrent.futures.Exec"
        ):
            lo.search(toy(), "random", trials=2, executor=wrong)


def test_it_excludes_other_workers(pool):
    with pytest.raises(lo.InputError, match="workers: got 2 beside executor"):
        lo.search(toy(), "random", trials=2, workers=2, executor=pool)
    with pytest.raises(lo.InputError, match="scheduler: got one beside executor"):
        lo.search(toy(), "random", trials=2, scheduler="tcp://h:1", executor=pool)


def test_workers_with_other_code_are_refused(monkeypatch, pool):
    other = {**same_code.code_here(), "torch": "1.0"}
    monkeypatch.setattr(own_executor, "code_here", lambda: other)
    with pytest.raises(
        lo.InputError, match=r"executor: a worker has torch \d.* instead of 1\.0; inst"
    ):
        lo.search(toy(), "random", trials=2, executor=pool)


def test_what_waits_is_given_up_when_it_is_stopped():
    problem = replace(toy(), oracle=Slow(toy().oracle, pause_s=0.5))
    candidates = [
        Candidate(problem.all_analog.move(name, "cpu"), training="none")
        for name in ("fc0", "fc1", "fc2", "fc3")
    ]
    with spawned(1) as single, OwnExecutor(problem, single) as executor:
        answers = executor.evaluate(candidates)
        next(answers)
        started = time.monotonic()
        executor.stop()
        with pytest.raises(WorkStopped):
            next(answers)
        assert time.monotonic() - started < 5
        with pytest.raises(WorkStopped):
            executor.submit(Evaluate(candidates[0]))


def test_it_trains_as_one_process_does(pool):
    hat = {"hat": {"epochs": 1, "batch_size": 64}}
    limits = {"draws": [2, 3], "max_drop": 0.9, "objectives": ["energy_j"]}
    problem = lo.problem(small(), data(), oracle=hat, **limits)
    alone = lo.search(problem, "mac_greedy", trials=3)
    result = lo.search(problem, "mac_greedy", trials=3, executor=pool)
    assert outcome(result, seconds=False) == outcome(alone, seconds=False)


def test_its_representation_names_the_executor(pool):
    assert repr(OwnExecutor(toy(), pool)).startswith("OwnExecutor(<concurrent.futures.process.Proc")

"""Candidates on a Dask cluster: a scheduler and two worker processes on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from cli_setup import call, make_study
from deadly import Broken, OneByOne, Slow, deadly, toy
from front_door import outcome, wait_until

import lionheart_opt as lo
from lionheart_opt.mapping import Candidate
from lionheart_opt.study.cluster import Cluster
from lionheart_opt.study.executors import DIED
from lionheart_opt.study.pending import WorkStopped
from lionheart_opt.study.same_code import code_here


def started(folder: Path, *arguments: str, own: str = "") -> subprocess.Popen[bytes]:
    path = [own, str(Path(__file__).parents[1] / "helpers"), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory) -> Iterator[str]:
    """Address of a scheduler with two workers, which a nanny starts again when they die."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    processes = [started(folder, "scheduler", *local, "--port", "0", "--scheduler-file", str(file))]
    try:
        wait_until(lambda: file.exists() and file.read_text().endswith("}"))
        address = json.loads(file.read_text())["address"]
        workers = ["--nworkers", "2", "--nthreads", "1"]
        processes.append(started(folder, "worker", address, *local, *workers))
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=60)


def test_a_cluster_gives_the_record_of_one_process(scheduler, tmp_path):
    storage = f"sqlite:///{tmp_path / 'k.db'}"
    options = {"trials": 8, "seed": 2}
    result = lo.search(toy(), "random", scheduler=scheduler, storage=storage, **options)
    assert len(result) == 8
    assert outcome(result) == outcome(lo.search(toy(), "random", **options))


def test_the_answers_come_from_the_workers_in_order(scheduler):
    problem = replace(toy(), oracle=Slow(toy().oracle))
    candidates = [problem.pretrained(problem.mapping({u.name: "tile"})) for u in problem.units]
    with Cluster(problem, scheduler) as cluster:
        answers = list(cluster.evaluate(candidates))
        assert repr(cluster).startswith(f"Cluster('{scheduler}' for Problem(")
    assert [answer.mapping for answer in answers] == [each.mapping for each in candidates]
    pids = {answer.accuracy.note for answer in answers}
    assert len(pids) == 2 and str(os.getpid()) not in pids


def test_a_candidate_whose_worker_is_killed_is_tried_elsewhere(scheduler, tmp_path):
    problem = deadly(tmp_path, times=1)
    result = lo.search(problem, OneByOne(), scheduler=scheduler)
    assert [count.read_text() for count in tmp_path.iterdir()] == ["x"]
    assert outcome(result) == outcome(lo.search(toy(), OneByOne()))


@pytest.mark.filterwarnings("ignore:OneByOne/seed0. trial 2 has failed")
def test_a_candidate_that_kills_every_worker_has_failed_and_no_other(scheduler, tmp_path):
    problem = deadly(tmp_path)
    result = lo.search(problem, OneByOne(), scheduler=scheduler)
    assert [each.failed for each in result.evaluations] == ["", "", DIED, ""]


@pytest.mark.slow
def test_workers_that_come_and_go_give_the_record_of_one_process():
    """As those of `adapt` do, in any of Dask's deployments."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 0, "threads_per_worker": 1, "dashboard_address": None}
    problem = replace(toy(), oracle=Slow(toy().oracle, 0.3))
    with distributed.LocalCluster(**options) as cluster:
        cluster.adapt(maximum=2, interval="200ms", target_duration="200ms", wait_count=1)
        for seed in (1, 2):
            assert not cluster.scheduler.workers
            with pytest.warns(UserWarning, match="has no workers yet: waiting for them"):
                result = lo.search(
                    problem, "random", trials=8, seed=seed, scheduler=cluster.scheduler_address
                )
            assert outcome(result) == outcome(lo.search(toy(), "random", trials=8, seed=seed))
            wait_until(lambda: not cluster.scheduler.workers)


@pytest.mark.parametrize(
    ("raised", "error", "message"),
    [
        (ValueError("broken oracle"), ValueError, "broken oracle"),
        (SystemExit(0), RuntimeError, "SystemExit: 0"),
        (BaseException("odd"), RuntimeError, "BaseException: odd"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_said(raised, error, message, scheduler):
    problem = replace(toy(), oracle=Broken(raised))
    with (
        pytest.raises(error, match=rf"^{message}\nraised in .*deadly\.py, line \d+$"),
        Cluster(problem, scheduler) as cluster,
    ):
        list(cluster.evaluate([problem.pretrained(problem.all_analog)]))


def test_workers_with_other_packages_are_refused(scheduler, monkeypatch):
    monkeypatch.setattr(
        "lionheart_opt.study.cluster.code_here", lambda: {**code_here(), "torch": "1.0"}
    )
    problem = toy()
    line = rf"^scheduler: the worker tcp://\S+ has torch {version('torch').partition('+')[0]} instead of "
    with pytest.raises(lo.InputError, match=line + "1.0; install there what is installed here$"):
        lo.search(problem, "random", trials=2, scheduler=scheduler)


def test_a_worker_without_our_package_is_refused(tmp_path):
    """Dask would end it, and the search wait for ever."""
    distributed = pytest.importorskip("distributed")
    (tmp_path / "lionheart_opt").mkdir()
    (tmp_path / "lionheart_opt" / "__init__.py").write_text("raise ImportError('not here')")
    options = {"host": "127.0.0.1", "dashboard_address": None}
    with distributed.LocalCluster(n_workers=0, **options) as alone:
        address = alone.scheduler_address
        worker = started(tmp_path, "worker", address, "--nthreads", "1", own=str(tmp_path))
        try:
            wait_until(lambda: alone.scheduler.workers)
            with pytest.raises(lo.InputError, match="has another lionheart_opt, or none: "):
                lo.search(toy(), "random", trials=2, scheduler=address)
        finally:
            worker.terminate()
            worker.wait(timeout=60)


def test_a_connection_that_is_lost_between_two_candidates_is_one_line(scheduler):
    problem = toy()
    with Cluster(problem, scheduler) as cluster:
        cluster._client.close()
        with pytest.raises(lo.InputError, match=r"connection to .* is lost; finished trials are"):
            list(cluster.evaluate([problem.pretrained(problem.all_analog)]))


def test_searches_that_wait_for_a_cluster_end_when_it_is_stopped(scheduler):
    """They give their candidates up while the connection is being closed."""
    problem = replace(toy(), oracle=Slow(toy().oracle, 1.0))
    names = [unit.name for unit in problem.units]
    searches = [
        [
            problem.pretrained(problem.mapping(dict.fromkeys({first, name}, "tile")))
            for name in names
        ]
        for first in names
    ]
    for pause_s in (0.0, 0.3, 0.6):
        ended: list[BaseException] = []

        def search(cluster: Cluster, candidates: list[Candidate], ended=ended) -> None:
            try:
                list(cluster.evaluate(candidates))
            except BaseException as stop:
                ended.append(stop)

        with Cluster(problem, scheduler) as cluster:
            threads = [threading.Thread(target=search, args=(cluster, s)) for s in searches]
            for thread in threads:
                thread.start()
            time.sleep(pause_s)
        for thread in threads:
            thread.join(120.0)
        assert [type(error) for error in ended] == [WorkStopped] * len(searches)


def test_nobody_answers_is_one_line(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("lionheart_opt.study.cluster.CONNECTION_S", 1)
    for address in ("tcp://127.0.0.1:9", "nosuch://x"):
        with pytest.raises(lo.InputError, match="no Dask scheduler answers at") as error:
            lo.search(toy(), "random", trials=1, scheduler=address)
        assert "\n" not in str(error.value)


def test_without_dask_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(lo.InputError, match=r"Dask is missing.*lionheart_opt\[cluster\]"):
        lo.search(toy(), "random", trials=1, scheduler="tcp://127.0.0.1:9")
    study = make_study(tmp_path / "study")
    code, out, err = call("run", study, "--scheduler", "tcp://127.0.0.1:9")
    assert code == 2 and out == "" and err.startswith("error: scheduler: Dask is missing")


@pytest.mark.parametrize("address", ["", 3, ["tcp://h:1"]])
def test_an_address_is_a_text(address):
    with pytest.raises(lo.InputError, match=r"scheduler: got .*such as tcp://host:8786"):
        lo.search(toy(), "random", trials=1, scheduler=address)


def test_workers_and_a_scheduler_exclude_each_other():
    with pytest.raises(lo.InputError, match="workers: got 2 beside scheduler"):
        lo.search(toy(), "random", trials=1, workers=2, scheduler="tcp://h:1")

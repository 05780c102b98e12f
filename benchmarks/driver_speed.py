"""What the driver itself takes for a trial, and how workers shorten a run.

    python benchmarks/driver_speed.py --trials 1000 10000
    python benchmarks/driver_speed.py --sleeping 40 --workers 4
    python benchmarks/driver_speed.py --verbs 10000

Trials are mappings of ResNet20 on LionHeart's system that a table answers at once, proposed in one batch.
Processor time is the driver's, with pricing, bounds and writing; time that passes includes the disk. The
aim is 5 ms of processor time for a trial, as much at 10,000 as at 1,000. With `--sleeping`, candidates of
one second are evaluated by one worker and by several; the aim is a run 3.5 times shorter with four.
With `--verbs`, whole processes that read a record are measured; the aim is 5 s and 500 MB each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.cost_models.alpine import Alpine
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.plugins import load_system
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping
from lionheart_opt.strategy import Proposals
from lionheart_opt.study.executors import Workers
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Search
from lionheart_opt.study.storage import open_storage
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.tracing import trace_model

TIMES_S = (1.0, 86_400.0)
DRAWS = 5


@dataclass(frozen=True)
class Listed:
    """Proposes mappings in one batch."""

    mappings: Sequence[Mapping]

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """All at once."""
        yield [problem.pretrained(mapping) for mapping in self.mappings]


@dataclass(frozen=True)
class Sleeping:
    """Takes a second for an answer."""

    oracle: Any

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """As the inner oracle's, a second later."""
        time.sleep(1.0)
        accuracy: Accuracy = self.oracle.accuracy(candidate, fidelity, seed)
        return accuracy


def table_problem(n_mappings: int) -> tuple[Problem, list[Mapping]]:
    """ResNet20 on LionHeart's system, and mappings that a made-up table answers."""
    system, workload, rng = (
        load_system("lionheart"),
        trace_model("resnet20"),
        np.random.default_rng(0),
    )
    problem = Problem(
        workload=workload,
        system=system,
        cost_model=Alpine(system),
        oracle=synthetic_problem(n_units=2).oracle,
        objectives=("latency_s", "drop"),
        accuracy_limit=AccuracyLimit(max_drop=0.1, time_s=TIMES_S[-1], draws=(DRAWS,)),
        training="none",
    )
    different: dict[Mapping, None] = {}
    while len(different) < n_mappings:
        different[random_mapping(problem, rng)] = None
    mappings = list(different)
    units, targets = (
        [unit.name for unit in workload.units],
        [target.name for target in system.targets],
    )
    rows = np.array(
        [[targets.index(each[unit]) for unit in units] for each in mappings], dtype=np.uint8
    )
    drops = 0.1 * rows.mean(axis=1)[:, None, None] * rng.normal(1.0, 0.1, (n_mappings, DRAWS, 2))
    table = AccuracyTable(
        units=tuple(units),
        targets=tuple(targets),
        times_s=TIMES_S,
        baseline=0.9,
        trainings=("none",) * n_mappings,
        assignments=rows,
        samples=0.9 - drops,
        training_s=np.zeros(n_mappings),
        draw_s=np.full(n_mappings, 2.0),
    )
    return replace(problem, oracle=table), mappings


def print_driver(n_trials: int) -> None:
    """Milliseconds a trial: in memory, with a journal, and with SQLite."""
    problem, mappings = table_problem(n_trials)
    urls = {"in memory": None, "journal": "journal:///k.log", "sqlite": "sqlite:///k.db"}
    for kind, url in urls.items():
        with TemporaryDirectory() as folder:
            keeper = InMemory()
            fresh = replace(problem, prices=type(problem.prices)())
            if url is not None:
                storage = open_storage(url, Path(folder))
                keeper = OptunaKeeper.open(fresh, "search", storage, {})  # type: ignore[assignment]
            search = Search(Record(fresh, keeper), Listed(mappings))
            start, start_cpu = time.perf_counter(), time.process_time()
            search.run()
            spent, spent_cpu = time.perf_counter() - start, time.process_time() - start_cpu
            assert len(search.record) == n_trials
            print(
                f"{n_trials:7,} trials, {kind:9}: {1e3 * spent_cpu / n_trials:6.2f} ms of processor time "
                f"a trial, {1e3 * spent / n_trials:6.2f} ms pass",
                flush=True,
            )
            if kind == "journal":
                _print_reading(fresh, Path(folder), n_trials)


def _print_reading(problem: Problem, folder: Path, n_trials: int) -> None:
    """Seconds that the record takes to read, as `show`, `compare` and `plot` do first."""
    start_cpu = time.process_time()
    keeper = OptunaKeeper.open(problem, "search", open_storage("journal:///k.log", folder), {})
    assert len(Record(problem, keeper)) == n_trials
    spent_cpu = time.process_time() - start_cpu
    print(f"{n_trials:7,} trials are read in {spent_cpu:.2f} s of processor time", flush=True)


def _wait(problem: Problem) -> None:  # noqa: ARG001
    """A job that keeps a worker busy until the others have started."""
    time.sleep(3.0)


def print_workers(n_candidates: int, n_workers: int) -> None:
    """Seconds that candidates of one second take with one worker and with several."""
    problem = synthetic_problem(n_units=8)
    problem = replace(problem, oracle=Sleeping(problem.oracle))
    limit = replace(problem.accuracy_limit, draws=(DRAWS,))
    problem = replace(problem, accuracy_limit=limit)
    rng = np.random.default_rng(0)
    different: dict[Mapping, None] = {}
    while len(different) < n_candidates:
        different[random_mapping(problem, rng)] = None
    times_s = []
    for count in (1, n_workers):
        start = time.perf_counter()
        with Workers(problem, count) as workers:
            for pending in [workers.submit(_wait) for _ in range(count)]:
                pending.result()
            ready = time.perf_counter()
            Search(Record(problem, InMemory()), Listed(list(different))).run(workers=workers)
            times_s.append(time.perf_counter() - ready)
        print(
            f"{n_candidates} candidates of 1 s, {count} workers: {times_s[-1]:.1f} s, after "
            f"{ready - start:.1f} s in which they started",
            flush=True,
        )
    print(f"{times_s[0] / times_s[1]:.2f} times faster")


STUDY = """
question = "How fast?"
system = "lionheart"
objectives = ["latency_s", "drop"]
training = "none"
storage = "{storage}"
model = {{ name = "resnet20" }}
oracle = {{ kind = "table", file = "table.npz" }}
limits = {{ over = "examples", max_drop = 0.1, time_s = 86400.0, draws = [{draws}] }}
budget = {{ trials = {trials} }}
[[run]]
strategy = "whole_table:WholeTable"
"""
WHOLE_TABLE = """
class WholeTable:
    def search(self, problem, rng):
        oracle = getattr(problem.oracle, "oracle", problem.oracle)
        yield [problem.pretrained(mapping) for mapping in oracle.mappings("none")]
"""


def print_verbs(n_trials: int) -> None:
    """Seconds of processor time and memory of the verbs that read a record."""
    problem, _ = table_problem(n_trials)
    for storage in ("journal:///k.log", "sqlite:///k.db"):
        with TemporaryDirectory() as folder:
            problem.oracle.save(Path(folder) / "table.npz")  # type: ignore[attr-defined]
            said = STUDY.format(storage=storage, draws=DRAWS, trials=n_trials)
            (Path(folder) / "study.toml").write_text(said)
            (Path(folder) / "whole_table.py").write_text(WHOLE_TABLE)
            for verb in ("run", "show", "compare", "plot"):
                command = [sys.executable, "-m", "lionheart_opt.cli.main", verb, folder]
                quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                process = subprocess.Popen(command, **quiet)
                _, status, used = os.wait4(process.pid, 0)
                assert status == 0, verb
                print(
                    f"{n_trials:7,} trials, {storage.partition(':')[0]:7}, {verb:7}: "
                    f"{used.ru_utime:6.2f} s of processor time, {used.ru_maxrss / 1024:5.0f} MB",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--sleeping", type=int, help="candidates of one second, instead of trials")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--verbs", type=int, help="trials of a record that verbs read, instead")
    options = parser.parse_args()
    if options.sleeping:
        print_workers(options.sleeping, options.workers)
        return
    if options.verbs:
        print_verbs(options.verbs)
        return
    for n_trials in options.trials:
        print_driver(n_trials)


if __name__ == "__main__":
    main()

"""Runs the searches of a study and checks what they find."""

from __future__ import annotations

import concurrent.futures
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from lionheart_opt.accuracy import AccuracyOracle
from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.results.finalists import check_finalists
from lionheart_opt.results.live import Live, Silent
from lionheart_opt.study.cluster import Cluster
from lionheart_opt.study.executors import Executor, Workers
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.own_executor import OwnExecutor
from lionheart_opt.study.plan import SearchPlan
from lionheart_opt.study.script import StudyScript
from lionheart_opt.study.side_by_side import run_side_by_side


def run_searches(
    source: StudyFile | StudyScript,
    plans: Sequence[SearchPlan],
    workers: int,
    scheduler: str | None,
    executor: concurrent.futures.Executor | None,
    *,
    trainings: int | None,
    wait: bool,
    progress: bool | None,
) -> None:
    """Run or resume searches: side by side with workers, otherwise one after the other.

    Args:
        source: The study.
        plans: The searches.
        workers: As for `Study.run`.
        scheduler: As for `Study.run`.
        executor: As for `Study.run`.
        trainings: Trainings that a verdict rests on; None makes no final checks.
        wait: As for `Study.run`.
        progress: As for `live`.

    Raises:
        InputError: As for `Study.run`.
    """
    pool = workers_of(source.problem, workers, scheduler, executor)
    at_once = pool.at_once if pool else 1
    names = [plan.name for plan in plans]
    opening = threading.Lock()
    with pool or nullcontext(), live(source.oracle, progress, names, at_once) as shown:
        oracle = pool.checking(source.oracle) if pool else source.oracle
        if pool:
            pool.hear = shown.heard

        def run(plan: SearchPlan) -> None:
            with opening:
                search = source.search(plan)
            with search.record.claimed(wait=wait):
                shown.ended(plan.name, search.run(shown.start(search, plan.name), pool))
                if trainings is not None:
                    check_finalists(search.record, oracle, trainings)

        run_side_by_side([partial(run, plan) for plan in plans], pool)


def workers_of(
    problem: Problem,
    workers: int,
    scheduler: str | None,
    executor: concurrent.futures.Executor | None,
) -> Executor | None:
    """What evaluates the candidates of a run; None is this process.

    Args:
        problem: The problem whose candidates are evaluated.
        workers: As for `Study.run`.
        scheduler: As for `Study.run`.
        executor: As for `Study.run`.

    Raises:
        InputError: More than one of them is given, or as for `Workers`, `Cluster` and `OwnExecutor`.
    """
    others = {"scheduler": scheduler, "executor": executor}
    given = [name for name, value in others.items() if value is not None]
    if given and workers != 1:
        raise InputError(
            f"workers: got {workers} beside {given[0]}, whose workers are used; leave one of them out"
        )
    if len(given) > 1:
        raise InputError("scheduler: got one beside executor; leave one of them out")
    if scheduler is not None:
        return Cluster(problem, scheduler)
    if executor is not None:
        return OwnExecutor(problem, executor)
    return Workers(problem, workers) if workers > 1 else None


def live(
    oracle: AccuracyOracle, progress: bool | None, names: Sequence[str], at_once: int = 1
) -> Live | Silent:
    """What shows the progress of searches.

    Args:
        oracle: The oracle of the searches.
        progress: Whether it shows anything. None shows it on a terminal and in a notebook.
        names: Names of the searches.
        at_once: Searches that run at once.
    """
    if progress is None:
        in_notebook = "ipykernel" in sys.modules and "JPY_PARENT_PID" in os.environ
        progress = sys.stderr.isatty() or in_notebook
    return Live(oracle, names, at_once) if progress else Silent()

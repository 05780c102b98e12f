"""Runs several searches at once, each in a thread; their workers do the computing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue

from lionheart_opt.signals import GIVEN_UP, held_back
from lionheart_opt.study.executors import Executor

#: Seconds between two looks for a signal that another thread has got.
LOOK_S = 0.5


def run_side_by_side(jobs: Sequence[Callable[[], None]], workers: Executor | None) -> None:
    """Do the jobs, as many at once as there are workers to share; one after the other without workers.

    A job that fails, or an interruption, stops the workers. The other jobs end with `WorkStopped` at
    their next answer. The first error is raised. With workers the calling thread only waits, so that
    what a signal raises there cannot get lost and harms no step that must be whole.

    Args:
        jobs: What is to be done. Each asks `workers` for all that takes long.
        workers: What the jobs share; None is this process, which does one job at a time.
    """
    if workers is None:
        for job in jobs:
            job()
        return
    threads = ThreadPoolExecutor(min(workers.at_once, len(jobs)) or 1, "search")
    futures: list[Future[None]] = []
    ended: SimpleQueue[Future[None]] = SimpleQueue()
    try:
        with held_back():
            for job in jobs:
                futures.append(threads.submit(copy_context().run, job))
                futures[-1].add_done_callback(ended.put)
        for _ in jobs:
            _first(ended).result()
    except BaseException:
        with held_back():
            for future in futures:
                future.cancel()
            workers.stop()
            GIVEN_UP.set()
            threads.shutdown()
            GIVEN_UP.clear()
        raise
    finally:
        with held_back():
            threads.shutdown()


def _first(ended: SimpleQueue[Future[None]]) -> Future[None]:
    while True:
        with suppress(Empty):
            return ended.get(timeout=LOOK_S)

"""Runs several searches at once, each in a thread; their workers do the computing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context

from lionheart_opt.study.executors import Executor


def run_side_by_side(jobs: Sequence[Callable[[], None]], workers: Executor | None) -> None:
    """Do the jobs, as many at once as there are workers to share; one after the other without workers.

    A job that fails, or an interruption, stops the workers. The other jobs end with `WorkStopped` at
    their next answer. The first error is raised.

    Args:
        jobs: What is to be done. Each asks `workers` for all that takes long.
        workers: What the jobs share; None is this process, which does one job at a time.
    """
    if workers is None or len(jobs) == 1:
        for job in jobs:
            job()
        return
    threads = ThreadPoolExecutor(min(workers.at_once, len(jobs)), "search")
    futures = [threads.submit(copy_context().run, job) for job in jobs]
    try:
        for future in as_completed(futures):
            future.result()
    except BaseException:
        for future in futures:
            future.cancel()
        workers.stop()
        from lionheart_opt.study.outages import giving_up  # it loads optuna

        with giving_up():
            threads.shutdown()
        raise
    finally:
        threads.shutdown()

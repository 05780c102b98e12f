"""Starts a search again and again, and kills it at random moments; everything is imported only once.

Run as a script: URL, strategy, trials, kills, seconds of an evaluation, workers, seed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import nullcontext, suppress

import optuna
from search_in_a_process import study

from lionheart_opt.study.executors import Workers
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.search import Progress, Search


def kill_at_random(
    url: str,
    strategy: str,
    trials: int,
    kills: int,
    pause_s: float = 0.02,
    workers: int = 0,
    seed: int = 0,
) -> int:
    """Kill so many drivers, or workers and drivers in turn; how many were killed while they ran."""
    warm = study(optuna.storages.InMemoryStorage(), strategy, trials)
    Search(warm.record, warm.strategy, seed=7, budget=Budget(trials=2)).run()  # imports the rest
    dice = random.Random(seed)
    most_reports = 3 if strategy == "trained" else 8
    spread_s = 1.0 if workers or strategy == "trained" else 0.1
    hits = 0
    for number in range(kills):
        ready, say = os.pipe()
        if (child := os.fork()) == 0:
            os.close(ready)
            _run(url, strategy, trials, pause_s, workers, say)
        os.close(say)
        for _ in range(dice.randrange(most_reports)):  # 0: it may be killed before it has begun
            os.read(ready, 1)  # nothing, if it has ended
        time.sleep(dice.uniform(0, spread_s))
        os.close(ready)
        family = _workers_of(child) if workers else []
        if workers and number % 2 and family:  # one worker: the search goes on
            _kill(dice.choice(family))
            time.sleep(dice.uniform(0, 1.0))
        _kill(child)
        for orphan in family:
            _kill(orphan)
        _, status = os.waitpid(child, 0)
        hits += os.WIFSIGNALED(status)
    return hits


def _workers_of(pid: int) -> list[int]:
    from front_door import descendants  # it loads torch

    return sorted(descendants(pid))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _run(url: str, strategy: str, trials: int, pause_s: float, workers: int, say: int) -> None:
    code = 1
    try:
        search = study(url, strategy, trials, pause_s)

        def watch(progress: Progress) -> None:
            if progress.state != "replaying":
                with suppress(BrokenPipeError):  # nobody listens any more
                    os.write(say, b"x")

        with Workers(search.problem, workers) if workers else nullcontext() as pool:
            search.run(watch, pool)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    url, strategy, trials, kills, pause_s, workers, seed = sys.argv[1:]
    print(
        kill_at_random(
            url, strategy, int(trials), int(kills), float(pause_s), int(workers), int(seed)
        )
    )

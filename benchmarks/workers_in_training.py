"""How much sooner two workers of one thread end than one: hardware-aware trainings on two cores.

    taskset -c 0,1 python benchmarks/workers_in_training.py

Every candidate of a search is trained on its own, on the digits, from weights that are there already. The
aim is 1.8 times with two workers. The start of the workers is shown apart. Seconds of cores say how busy
the workers were: where other programs have the cores, they are fewer than the seconds that pass.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import lionheart_opt as lo
from lionheart_opt import datasets
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping
from lionheart_opt.strategy import Proposals
from lionheart_opt.study.executors import Workers
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Search


@dataclass(frozen=True)
class Trained:
    """Proposes mappings in one batch; each is trained."""

    mappings: tuple[Mapping, ...]

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """All at once."""
        yield [problem.pretrained(mapping) for mapping in self.mappings]


@dataclass(frozen=True)
class Run:
    """One run.

    Args:
        start_s: Seconds until the workers are ready.
        run_s: Seconds of the search after that.
        busy_s: Seconds of cores that the workers took, their start included.
        objectives: What the trials measured.
    """

    start_s: float
    run_s: float
    busy_s: float
    objectives: list[dict[str, float]]


def made(epochs: int, artifacts: Path) -> Problem:
    """A convolutional network on the digits, whose pretrained weights are in the folder or get there."""
    oracle = {
        "pretrain": {"epochs": 3, "batch_size": 64},
        "hat": {"epochs": epochs, "batch_size": 64, "patience": epochs},
    }
    problem = lo.problem(
        "digits_cnn",
        datasets.load("digits"),
        oracle=oracle,
        draws=(2,),
        max_drop=0.5,
        objectives=("latency_s", "drop"),
        artifacts=artifacts,
    )
    problem.evaluate(problem.pretrained(problem.all_digital))
    return problem


def _warm(problem: Problem) -> None:
    """Load what a worker needs, and keep it busy until the others have started, too."""
    problem.evaluate(Candidate(problem.all_analog, training="none"))
    time.sleep(1.0)


def run(workers: int, candidates: int, epochs: int) -> Run:
    """Train so many mappings in fresh folders, so that nothing is there from an earlier run."""
    with tempfile.TemporaryDirectory() as folder:
        problem, rng = made(epochs, Path(folder)), np.random.default_rng(0)
        mappings: dict[Mapping, None] = {}
        while len(mappings) < candidates:
            mappings[random_mapping(problem, rng)] = None
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with Workers(problem, workers) as pool:
            for pending in [pool.submit(_warm) for _ in range(workers)]:
                pending.result()
            ready = time.perf_counter()
            search = Search(Record(problem, InMemory()), Trained(tuple(mappings)))
            search.run(workers=pool)
            end = time.perf_counter()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        objectives = [dict(trial.evaluation.objectives) for trial in search.record.trials()]
        return Run(ready - start, end - ready, busy_s, objectives)


def main() -> None:
    """Runs in turn with one worker and with two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    for _ in range(options.rounds):
        alone, together = (run(count, options.candidates, options.epochs) for count in (1, 2))
        for name, each in (("one worker", alone), ("two workers", together)):
            print(
                f"{name}: {each.run_s:.1f} s, after a start of {each.start_s:.1f} s; "
                f"{each.busy_s:.1f} s of cores in all",
                flush=True,
            )
        assert alone.objectives == together.objectives, "workers must not change what is found"
        print(f"{alone.run_s / together.run_s:.2f} times sooner with two workers", flush=True)


if __name__ == "__main__":
    main()

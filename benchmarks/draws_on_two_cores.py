"""How long ten chips of an all-analog ResNet-20 take on two cores, compared with ten plain passes.

    taskset -c 0,1 python benchmarks/draws_on_two_cores.py [--images 256] [--rounds 9]

Both evaluate the same images ten times. The plain network uses torch with two threads. The chips are
measured as a search measures a single candidate: the draws are split over two workers of one thread
each, which program a chip, let it drift for a day, and count what is right. The two ways take turns, so
that other work on the machine slows both alike; each uses the batch size at which it is fastest. The aim
is 1.6 times. The start of the workers is not counted: a run starts them once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import lionheart_opt as lo
from lionheart_opt import models
from lionheart_opt.accuracy import Fidelity
from lionheart_opt.datasets import Dataset
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.study.executors import Workers
from lionheart_opt.study.split import Measure, split

DRAWS, WORKERS, BATCHES = 10, 2, (16, 32, 64, 128)


def made(images: int, batch_size: int) -> Problem:
    """An untrained ResNet-20, and random images to measure it on."""
    rng = np.random.default_rng(0)

    def some(n: int) -> Examples:
        inputs = rng.normal(size=(n, 3, 32, 32)).astype(np.float32)
        return Examples(inputs=torch.from_numpy(inputs), targets=torch.arange(n) % 10)

    data = Dataset(
        name="noise", train=some(64), validation=some(images), test=some(64), n_classes=10
    )
    oracle = {"pretrain": False, "batch_size": batch_size, "times_s": [86400.0]}
    torch.manual_seed(0)
    network = models.build("resnet20")
    return lo.problem(network, data, oracle=oracle, draws=DRAWS, max_drop=0.5)


def chips(pool: Workers, problem: Problem, first: int) -> None:
    """Measure ten chips from that number on."""
    candidate = Candidate(problem.all_analog, training="none")
    parts = split(Fidelity(draws=(first, first + DRAWS)), WORKERS)
    for pending in [pool.submit(Measure(candidate, part)) for part in parts]:
        pending.result()


def passes(network: torch.nn.Module, inputs: torch.Tensor, batch_size: int) -> None:
    """Ten plain passes."""
    with torch.no_grad():
        for _ in range(DRAWS):
            for part in inputs.split(batch_size):
                network(part)


def seconds(work: Callable[..., None], *arguments: Any) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def main() -> None:
    """Both ways in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(WORKERS)
    network = models.build("resnet20").eval()
    inputs = torch.randn(options.images, 3, 32, 32)
    sizes = [size for size in BATCHES if size <= options.images]
    took = {size: seconds(passes, network, inputs, size) for size in sizes * 2}
    batch_size = min(took, key=took.__getitem__)
    problem = made(options.images, 64)
    ratios, plain, analog = [], [], []
    with Workers(problem, WORKERS) as pool:
        chips(pool, problem, 0)  # loads what the workers need
        for number in range(1, options.rounds + 1):
            plain.append(seconds(passes, network, inputs, batch_size))
            analog.append(seconds(chips, pool, problem, DRAWS * number))
            ratios.append(analog[-1] / plain[-1])
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f"{options.images} images: ten plain passes {statistics.median(plain):.2f} s, ten chips "
        f"{statistics.median(analog):.2f} s: {middle:.2f} times (quartiles {low:.2f} to {high:.2f})"
    )


if __name__ == "__main__":
    main()

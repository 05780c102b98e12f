"""Speed and memory of both engines on a GPU against plain torch, and of the fast one on the CPU.

As `engine_speed.py`: all-analog networks with LionHeart's configuration; those on the GPU take turns, and
ratios of times of the same round are reported (median and quartiles). The CPU computes with all of its
cores, in batches of its own size.

    python benchmarks/gpu_speed.py [--case resnet20] [--rounds 5]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import torch
from engine_speed import CASES, ENGINES, WORK, Case, prepare, run

#: A GPU wants more examples at once.
LARGER = 4


def now() -> float:
    """Seconds, once the GPU has done what it was given."""
    torch.cuda.synchronize()
    return time.perf_counter()


def measure(case: Case, work: str, rounds: int) -> None:
    """Print the times of one network."""
    batch = LARGER * max(case.batches)
    on_cpu = torch.randn(batch, *case.example)
    inputs = on_cpu.to("cuda")
    networks = {
        each: prepare(case, each, device="cuda").train(work == "training") for each in ENGINES
    }
    times: dict[str, list[float]] = {each: [] for each in ENGINES}
    memory = {}
    for each, network in networks.items():
        run(network, work, inputs, batch, each)  # warms up
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run(network, work, inputs, batch, each)
        memory[each] = (torch.cuda.max_memory_allocated() - before) / 2**20
    for _ in range(rounds):
        for each, network in networks.items():
            times[each].append(run(network, work, inputs, batch, each, now))
    for a, b in (("fast", "plain"), ("aihwkit", "fast")):
        pairs = zip(times[a], times[b], strict=True)
        low, middle, high = np.quantile([x / y for x, y in pairs], [0.25, 0.5, 0.75])
        share = memory[a] / memory[b]
        print(f"  {a:>7} / {b:5} time {middle:6.2f} ({low:.2f} to {high:.2f}), memory {share:.2f}")
    network = prepare(case, "fast").train(work == "training")
    run(network, work, on_cpu[: max(case.batches)], max(case.batches), "fast")
    seconds = run(network, work, on_cpu, max(case.batches), "fast")
    there = float(np.median(times["fast"]))
    print(
        f"  fast: {there:.4f} s, on the CPU {seconds:.3f} s ({seconds / there:.1f} times)",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--work", choices=WORK, action="append", help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("needs a CUDA device")
        return
    print(f"{torch.cuda.get_device_name()}; CPU with {torch.get_num_threads()} threads")
    for name in chosen.case or CASES:
        for work in chosen.work or WORK:
            print(f"{name} {work}, {LARGER * max(CASES[name].batches)} examples")
            measure(CASES[name], work, chosen.rounds)


if __name__ == "__main__":
    main()

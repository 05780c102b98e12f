"""Speed and memory of the fast engine against plain torch and aihwkit, side by side in one run.

Every network is all-analog with LionHeart's configuration. Each engine runs at its own best batch size.
The engines take turns, and ratios of times of the same round are reported (median and quartiles), so that
other work on the machine slows all engines alike. Memory is the most that one pass of the same batch adds
to a process; every engine has a process of its own. `draws` is an evaluation on ten chips, programmed and
drifted one after the other.

Everything is measured twice, in processes of their own: with OpenMP's threads as torch starts them, which
spin while they wait (a notebook, a script), and with threads that sleep (`OMP_WAIT_POLICY=PASSIVE`, the
command line). The fast engine should be as fast in both.

    python benchmarks/engine_speed.py [--case resnet8 --case bert128] [--rounds 9] [--json FILE]

With `--json` every result is written at once, and results that are in the file are not measured again. On
a busy machine use one thread and the clock that counts processor time.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lionheart_opt import models
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.rpu import lionheart

ENGINES = ("plain", "fast", "aihwkit")
WORK = ("evaluation", "draws", "training")
#: Chips of `draws`.
DRAWS = 10
#: What threads do while they wait -> environment variables.
WAITING: dict[str, dict[str, str]] = {"spinning": {}, "sleeping": {"OMP_WAIT_POLICY": "PASSIVE"}}
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
Clock = Callable[[], float]
RATIOS = (("aihwkit", "fast"), ("fast", "plain"), ("aihwkit", "plain"))


class EncoderLayer(nn.Module):
    """One layer of a BERT-like encoder: attention, then a feed-forward part four times as wide."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, hidden)
        self.up = nn.Linear(hidden, 4 * hidden)
        self.down = nn.Linear(4 * hidden, hidden)
        self.norm1 = nn.LayerNorm(hidden)
        self.norm2 = nn.LayerNorm(hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens of shape (n, length, hidden) to tokens."""
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
        x = self.norm1(x + self.output(mixed))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


@dataclass(frozen=True)
class Case:
    """A network and its inputs.

    Args:
        make: Builds the network.
        example: Shape of one input.
        examples: Number of inputs of one measurement.
        batches: Batch sizes to choose from.
    """

    make: Callable[[], nn.Module]
    example: tuple[int, ...]
    examples: int
    batches: tuple[int, ...]


CASES = {
    "resnet8": Case(lambda: models.build("resnet8"), (3, 32, 32), 128, (16, 32, 64, 128)),
    "resnet20": Case(lambda: models.build("resnet20"), (3, 32, 32), 64, (16, 32, 64)),
    "bert128": Case(lambda: EncoderLayer(128, 2), (128, 128), 32, (4, 16, 32)),
    "bert384": Case(lambda: EncoderLayer(384, 6), (128, 384), 16, (4, 16)),
}


def prepare(case: Case, name: str, settle: int = 32, device: str = "cpu") -> nn.Module:
    """The network on an engine, batch-norm statistics settled, programmed and drifted by a day."""
    torch.manual_seed(0)
    network = case.make().train().to(device)
    with torch.no_grad():
        for _ in range(30):
            network(torch.randn(settle, *case.example, device=device))
    if name == "plain":
        return network.eval()
    modules = [
        path for path, part in network.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)
    ]
    simulator = engine("fast" if name == "fast" else "aihwkit")
    analog = simulator.analog(network, modules, lionheart()).eval()
    put_on_chip(analog, 0)
    return analog


def put_on_chip(analog: AnalogNetwork, draw: int) -> None:
    """Program a chip and let it drift for a day."""
    seeds = {path: 1000 * draw + number for number, path in enumerate(analog.analog)}
    analog.program(seeds)
    analog.drift(86400.0, seeds)


def run(
    network: nn.Module,
    work: str,
    inputs: torch.Tensor,
    batch: int,
    simulator: str,
    clock: Clock = time.perf_counter,
) -> float:
    """Seconds for all inputs, in batches."""
    if work != "training":
        started = clock()
        with torch.no_grad():
            for draw in range(DRAWS if work == "draws" else 1):
                if work == "draws" and isinstance(network, AnalogNetwork):
                    put_on_chip(network, draw)
                for part in inputs.split(batch):
                    network(part)
        return clock() - started
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    after_step = None if simulator == "plain" else network.after_step
    started = clock()
    for part in inputs.split(batch):
        optimizer.zero_grad()
        network(part).square().mean().backward()
        optimizer.step()
        if after_step:
            after_step()
    return clock() - started


def measure(name: str, work: str, rounds: int, clock: Clock) -> dict[str, Any]:
    """Best batch sizes, and seconds of each round, of one network."""
    case = CASES[name]
    inputs = torch.randn(case.examples, *case.example)
    networks = {each: prepare(case, each).train(work == "training") for each in ENGINES}
    tried: dict[str, dict[int, float]] = {each: {} for each in ENGINES}
    for batch in case.batches:
        for each, network in networks.items():
            run(network, work, inputs[:batch], batch, each)  # compiles, warms up
            tried[each][batch] = run(network, work, inputs, batch, each, clock)
    best = {each: min(seconds, key=seconds.__getitem__) for each, seconds in tried.items()}
    times: dict[str, list[float]] = {each: [] for each in ENGINES}
    for number in range(rounds):
        first = number % len(ENGINES)
        for each in ENGINES[first:] + ENGINES[:first]:
            times[each].append(run(networks[each], work, inputs, best[each], each, clock))
    return {"case": name, "work": work, "examples": case.examples, "batch": best, "seconds": times}


def ratios(result: dict[str, Any], a: str, b: str) -> list[float]:
    """Lower quartile, median and upper quartile of a's time over b's in the same round."""
    pairs = zip(result["seconds"][a], result["seconds"][b], strict=True)
    quartiles: list[float] = np.quantile([x / y for x, y in pairs], [0.25, 0.5, 0.75]).tolist()
    return quartiles


def memory(name: str, work: str, simulator: str) -> float:
    """The most MiB that a pass of the largest batch adds to this process (Linux)."""
    case = CASES[name]
    network = prepare(case, simulator, settle=2).train(work == "training")
    batch = max(case.batches)
    inputs = torch.randn(batch, *case.example)
    run(network, work, inputs[:2], 2, simulator)  # compiles
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is used now
    before = resident("VmRSS")
    run(network, work, inputs, batch, simulator)
    return resident("VmHWM") - before


def resident(which: str) -> float:
    """Resident size of this process in MiB: `VmRSS` now, `VmHWM` the most so far."""
    status = Path("/proc/self/status").read_text()
    return float(status.split(which + ":")[1].split()[0]) / 1024


def memories(name: str, work: str, threads: int) -> dict[str, float]:
    """`memory` of each engine."""
    # freed memory goes back to the system at once, so that the peak is that of memory in use
    at_once = {"MALLOC_MMAP_THRESHOLD_": "65536"}
    return {
        each: float(in_a_process(threads, at_once, "--memory-of", f"{name}:{work}:{each}"))
        for each in ENGINES
    }


def in_a_process(threads: int, environment: dict[str, str], *arguments: str) -> str:
    """What this file prints when it is run with arguments."""
    inherited = {key: text for key, text in os.environ.items() if key != "OMP_WAIT_POLICY"}
    command = [sys.executable, __file__, "--threads", str(threads), *arguments]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env=inherited | environment, text=True
    )
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--work", choices=WORK, action="append", help="default: both")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="processor: on a busy machine"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="add results to this file")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--measure-of", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    if chosen.memory_of:
        print(memory(*chosen.memory_of.split(":")))
        return
    if chosen.measure_of:
        name, work = chosen.measure_of.split(":")
        print(json.dumps(measure(name, work, chosen.rounds, CLOCKS[chosen.clock])))
        return
    there = json.loads(chosen.json.read_text()) if chosen.json and chosen.json.exists() else []
    results = {(result["case"], result["work"], result["waiting"]): result for result in there}
    print(
        f"{chosen.threads} threads; {chosen.clock} time; medians of {chosen.rounds} rounds (quartiles)"
    )
    for key in product(chosen.case or CASES, chosen.work or WORK, WAITING):
        if key not in results:
            name, work, waiting = key
            how = ("--rounds", str(chosen.rounds), "--clock", chosen.clock)
            said = in_a_process(
                chosen.threads, WAITING[waiting], *how, "--measure-of", f"{name}:{work}"
            )
            result = json.loads(said)
            result |= {"waiting": waiting, "threads": chosen.threads, "clock": chosen.clock}
            result["memory_mib"] = memories(name, work, chosen.threads)
            for a, b in RATIOS:
                result[f"{a} / {b}"] = ratios(result, a, b)
            results[key] = result
            if chosen.json:
                chosen.json.write_text(json.dumps(list(results.values()), indent=2))
        show(results[key])


def show(result: dict[str, Any]) -> None:
    print(f"{result['case']} {result['work']}, threads {result['waiting']} while they wait")
    for a, b in RATIOS:
        low, middle, high = result[f"{a} / {b}"]
        memory = result["memory_mib"][a] / result["memory_mib"][b]
        print(f"  {a:>7} / {b:7} time {middle:6.2f} ({low:.2f} to {high:.2f}), memory {memory:.2f}")
    for each in ENGINES:
        seconds = statistics.median(result["seconds"][each])
        mib, batch = result["memory_mib"][each], result["batch"][each]
        print(f"  {each:>7} {seconds:.3f} s, batches of {batch}; {mib:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()

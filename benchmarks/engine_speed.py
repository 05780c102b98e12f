"""Speed and memory of the fast engine against plain torch and aihwkit, side by side in one run.

Every network is all-analog with LionHeart's configuration. Each engine runs at its own best batch
size; measurements are interleaved, and what is reported are medians of the ratios of one round, so
that whatever else the machine does hits all engines alike.

    python benchmarks/engine_speed.py [--networks resnet8,bert128] [--rounds 7] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from lionheart_opt import models
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.rpu import lionheart

ENGINES = ("plain", "fast", "aihwkit")
WORK = ("evaluation", "training")


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
    """A network and what is put into it.

    Args:
        make: builds the network.
        example: shape of one input.
        examples: inputs of one measurement.
        batches: batch sizes to choose from.
    """

    make: Callable[[], nn.Module]
    example: tuple[int, ...]
    examples: int
    batches: tuple[int, ...]


CASES = {
    "resnet8": Case(lambda: models.build("resnet8"), (3, 32, 32), 256, (16, 32, 64, 128)),
    "resnet20": Case(lambda: models.build("resnet20"), (3, 32, 32), 128, (16, 32, 64, 128)),
    "bert128": Case(lambda: EncoderLayer(128, 2), (128, 128), 64, (4, 16, 64)),
    "bert384": Case(lambda: EncoderLayer(384, 6), (128, 384), 32, (4, 16, 32)),
}


def prepare(case: Case, name: str, settle: int = 32) -> nn.Module:
    """The network on an engine, batch-norm statistics settled, programmed and drifted by a day."""
    torch.manual_seed(0)
    network = case.make().train()
    with torch.no_grad():
        for _ in range(30):
            network(torch.randn(settle, *case.example))
    if name == "plain":
        return network.eval()
    modules = [
        path for path, part in network.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)
    ]
    simulator = engine("fast" if name == "fast" else "aihwkit")
    analog = simulator.analog(network, modules, lionheart()).eval()
    seeds = {path: number for number, path in enumerate(modules)}
    simulator.program(analog, seeds)
    simulator.drift(analog, 86400.0, seeds)
    return analog


def run(network: nn.Module, work: str, inputs: torch.Tensor, batch: int, simulator: str) -> float:
    """Seconds for all inputs, in batches."""
    started = time.perf_counter()
    if work == "evaluation":
        with torch.no_grad():
            for part in inputs.split(batch):
                network(part)
        return time.perf_counter() - started
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    after_step = None if simulator == "plain" else engine(simulator).after_step  # type: ignore[arg-type]
    started = time.perf_counter()
    for part in inputs.split(batch):
        optimizer.zero_grad()
        network(part).square().mean().backward()
        optimizer.step()
        if after_step:
            after_step(network)
    return time.perf_counter() - started


def measure(name: str, work: str, rounds: int) -> dict[str, object]:
    """Best batch sizes, median seconds and median ratios of one network."""
    case = CASES[name]
    inputs = torch.randn(case.examples, *case.example)
    networks = {each: prepare(case, each) for each in ENGINES}
    for network in networks.values():
        network.train(work == "training")
    best = {}
    for each, network in networks.items():
        run(network, work, inputs[: case.batches[0]], case.batches[0], each)  # compiles, warms up
        seconds = {b: run(network, work, inputs, b, each) for b in case.batches}
        best[each] = min(seconds, key=seconds.__getitem__)
    times: dict[str, list[float]] = {each: [] for each in ENGINES}
    for _ in range(rounds):
        for each, network in networks.items():
            times[each].append(run(network, work, inputs, best[each], each))

    def ratio(a: str, b: str) -> float:
        return statistics.median(x / y for x, y in zip(times[a], times[b], strict=True))

    return {
        "network": name,
        "work": work,
        "examples": case.examples,
        "batch": best,
        "seconds": {each: statistics.median(values) for each, values in times.items()},
        "aihwkit / fast": ratio("aihwkit", "fast"),
        "fast / plain": ratio("fast", "plain"),
        "aihwkit / plain": ratio("aihwkit", "plain"),
    }


def memory(name: str, work: str, simulator: str) -> float:
    """MiB by which a pass of a batch raises the peak of this process: run in a process of its own."""
    case = CASES[name]
    network = prepare(case, simulator, settle=2).train(work == "training")
    run(network, work, torch.randn(2, *case.example), 2, simulator)  # compiles
    batch = max(case.batches)
    inputs = torch.randn(batch, *case.example)
    before = peak_mib()
    run(network, work, inputs, batch, simulator)
    return peak_mib() - before


def peak_mib() -> float:
    """Largest resident size of this process so far (Linux)."""
    status = Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


def memories(name: str, work: str) -> dict[str, float]:
    """`memory` of each engine at the same batch size."""
    found = {}
    for each in ENGINES:
        command = [sys.executable, __file__, "--memory-of", f"{name}:{work}:{each}"]
        found[each] = float(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    if chosen.memory_of:
        print(memory(*chosen.memory_of.split(":")))
        return
    results = []
    if not chosen.json:
        print(f"{chosen.threads} threads; seconds are medians of {chosen.rounds} rounds")
        print(
            f"{'network':10}{'work':12}{'aihwkit/fast':>13}{'fast/plain':>12}{'memory':>9}  ",
            end="",
        )
        print("seconds (batch size)")
    for name in chosen.networks.split(","):
        for work in WORK:
            result = measure(name, work, chosen.rounds)
            result["memory_mib"] = memories(name, work)
            results.append(result)
            if not chosen.json:
                show(result)
    if chosen.json:
        print(json.dumps(results, indent=2))


def show(result: dict) -> None:
    mib = result["memory_mib"]
    print(
        f"{result['network']:10}{result['work']:12}{result['aihwkit / fast']:12.1f}x"
        f"{result['fast / plain']:11.2f}x{mib['fast'] / max(mib['plain'], 1):8.2f}x  "
        + ", ".join(
            f"{each} {result['seconds'][each]:.3f} ({result['batch'][each]})" for each in ENGINES
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()

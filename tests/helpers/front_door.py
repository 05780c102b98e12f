"""A user's network, data and problem, as a script makes them; made-up oracles that need no training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import lionheart_opt as lo
from lionheart_opt.digest import digest
from lionheart_opt.problem import Problem


class Small(nn.Module):
    """Three linear layers on 4x4 images of three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 12)
        self.second = nn.Linear(12, 12)
        self.last = nn.Linear(12, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.first(images.flatten(1)))
        return self.last(torch.relu(self.second(hidden)))


def small(seed: int = 0) -> Small:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Small()


def examples(n: int = 240) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise with a bright pixel that gives the class away."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    images = torch.randn(n, 1, 4, 4, generator=generator)
    images[torch.arange(n), 0, labels, labels] += 2.5
    return images, labels


def data(shift: float = 0.0) -> Any:
    images, labels = examples()
    images = images + shift
    return lo.dataset(train=(images[:160], labels[:160]), test=(images[160:], labels[160:]))


@dataclass(frozen=True)
class MadeUp:
    """Drops that depend on mapping, draw and seed alone; an answer takes $PAUSE_S of real time."""

    times_s: tuple[float, ...] = field(default=(1.0, 86_400.0))

    @classmethod
    def from_study(cls, context: Any, settings: dict[str, Any]) -> MadeUp:
        return cls(**settings)

    def accuracy(self, candidate: Any, fidelity: Any, seed: int) -> lo.Accuracy:
        time.sleep(float(os.environ.get("PAUSE_S", "0")))
        draws = []
        for draw in range(*fidelity.draws):
            drop = 0.0
            for k, (unit, target) in enumerate(candidate.mapping.items()):
                if target == "tile":
                    dice = np.random.default_rng(int(digest([seed, draw, unit]), 16))
                    drop += 0.01 * (k + 1) + 0.002 * dice.normal()
            draws.append([drop / 2, drop])
        return lo.Accuracy(
            samples=0.9 - np.array(draws),
            times_s=self.times_s,
            baseline=0.9,
            training_s=7.0,
            evaluation_s=2.0 * len(draws),
        )


def made_up(**changes: Any) -> Problem:
    """A problem on ResNet8 that is answered at once."""
    settings = {"kind": "front_door:MadeUp", **changes.pop("oracle", {})}
    arguments = {"draws": [2, 4], "max_drop": 0.05, "objectives": ["latency_s", "drop"], **changes}
    return lo.problem(arguments.pop("model", "resnet8"), oracle=settings, **arguments)


def outcome(result: lo.SearchResult, seconds: bool = True) -> list[tuple[Any, ...]]:
    """What must be equal between two runs: all, or all but measured seconds."""
    return [
        (
            number,
            evaluation.candidate.to_json(),
            evaluation.objectives,
            evaluation.violations,
            evaluation.accuracy and evaluation.accuracy.samples.tolist(),
            evaluation.oracle_s if seconds else None,
        )
        for number, evaluation in zip(result.numbers, result.evaluations, strict=True)
    ]


def python(folder: Path, *arguments: object, pause_s: float = 0.0) -> subprocess.Popen[str]:
    """Python in a folder; it can be stopped by Ctrl-C (SIGINT)."""
    path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    changes = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path), "PAUSE_S": str(pause_s)}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **changes},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # a shell that runs the tests in the background has Ctrl-C ignored in all its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def output_of(folder: Path, *arguments: object) -> str:
    """Standard output of Python in a folder, which must succeed."""
    process = python(folder, *arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def descendants(pid: int) -> set[int]:
    """Living processes that a process has started, and those that they have."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:  # it has ended meanwhile
            continue
        state, parent = text.rpartition(")")[2].split()[:2]
        if state != "Z":
            parents[int(status.parent.name)] = int(parent)
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family - {pid}


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run."""
    running = set()
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if text.rpartition(")")[2].split()[0] != "Z":
            running.add(pid)
    return running


def wait_until(true: Any, timeout_s: float = 120.0) -> None:
    """Wait until a function returns something true."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)

"""A user's network, data and problem, as a script makes them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from made_up_drops import MadeUp as MadeUp
from signals_heard import hear_signals
from torch import nn

import lionheart_opt as lo
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
    """Python in a folder; signals can stop it."""
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
        preexec_fn=hear_signals,
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


def n_trials(file: Path) -> int:
    """Trials in an SQLite file, none while it is being made; asking takes no time."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("select count(*) from trials").fetchone()[0]
    except sqlite3.OperationalError:
        return 0

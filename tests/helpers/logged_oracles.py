"""Oracles for worker processes, which can import them from here: one writes down what it is asked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0


@dataclass(frozen=True)
class Logged:
    """An oracle that writes down which candidates it is asked for, also in workers."""

    inner: Any
    log: Path

    def accuracy(self, candidate, fidelity, seed):
        if fidelity.draws[0] == 0:
            with self.log.open("a") as file:
                file.write(f"{candidate.digest}\n")
        return self.inner.accuracy(candidate, fidelity, seed)

    def asked(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


@dataclass(frozen=True)
class FailsAtLast:
    """An oracle that fails for one candidate, as soon as a file is there."""

    inner: Any
    first: str
    go: Path

    def accuracy(self, candidate, fidelity, seed):
        if candidate.digest == self.first:
            deadline = time.monotonic() + PATIENCE_S
            while not self.go.exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            raise ValueError("broken oracle")
        return self.inner.accuracy(candidate, fidelity, seed)

"""An oracle that counts its questions, in a file that other processes read, too."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import nn

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.digest import digest
from lionheart_opt.questions import Answer, Proxies


def deep() -> nn.Module:
    layers = (nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    return nn.Sequential(*layers)


TIMES_S = (1.0, 86400.0)
BASELINE = 0.9


@dataclass(frozen=True)
class Counting:
    """Made-up accuracies: unit k loses about k points a day after programming, two lose more."""

    log: Path

    @classmethod
    def from_study(cls, context, settings):
        assert not settings
        return cls(log=context.folder / "asked.txt")

    def accuracy(self, candidate, fidelity, seed):
        training = candidate.trained_by
        with self.log.open("a") as file:
            file.write(f"{training} {' '.join(candidate.mapping.units_on('tile'))}\n")
        draws = [self._draw(candidate.mapping, training, k, seed) for k in range(*fidelity.draws)]
        return Accuracy(
            samples=BASELINE - np.array(draws),
            times_s=TIMES_S,
            baseline=BASELINE,
            training_s=7.0,
            evaluation_s=2.0 * len(draws),
        )

    def _draw(self, mapping, training, draw, seed):
        """Drops at both times; a unit's part of draw k is the same in every mapping."""
        total = 0.0
        for k, unit in enumerate(mapping):
            if mapping[unit] == "tile":
                dice = np.random.default_rng(int(digest([seed, draw, unit]), 16))
                total += 0.01 * (k + 1) + 0.002 * dice.normal()
        both = len(mapping.units_on("tile")) > 1
        factor = 1.0 if training == "none" else 0.1
        return [factor * total / 2, factor * (total + 0.05 * both)]

    questions: ClassVar = (Proxies,)

    def consult(self, question, seed):
        with self.log.open("a") as file:
            file.write("proxies\n")
        values = {
            "right": {u: float(k) for k, u in enumerate(question.units)},
            "flat": dict.fromkeys(question.units, 1.0),
        }
        return Answer(values=values, oracle_s=3.0)


class StopsAtTwo(Counting):
    """Interrupted at its third question as by Ctrl-C, until there is a file `go on`."""

    def accuracy(self, candidate, fidelity, seed):
        folder = self.log.parent
        if len(asked(folder)) == 2 and not (folder / "go on").exists():
            raise KeyboardInterrupt
        return super().accuracy(candidate, fidelity, seed)


def asked(folder: Path) -> list[str]:
    """The questions so far: training and analog units, or `proxies`."""
    log = folder / "asked.txt"
    return log.read_text().splitlines() if log.exists() else []

"""What a user would write: a network, data, hardware and a strategy of one's own."""

import os
import time
from dataclasses import dataclass

import torch
from torch import nn

from lionheart_opt.datasets import Dataset
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.rpu import lionheart


def network(hidden: int = 12) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, hidden), nn.ReLU(), nn.Linear(hidden, 3))


class Block(nn.Module):
    """Seven layers, each of which adds to its input."""

    def __init__(self):
        super().__init__()
        for name in "abcdefg":
            self.add_module(name, nn.Linear(16, 16))

    def forward(self, x):
        for layer in self.children():
            x = x + 0.2 * torch.relu(layer(x))
        return x


def many_layers(blocks: int = 7) -> nn.Module:
    """Seven blocks of seven layers, and a head."""
    return nn.Sequential(
        nn.Flatten(), nn.Sequential(*(Block() for _ in range(blocks))), nn.Linear(16, 3)
    )


class Attends(nn.Module):
    """Rows of a 4x4 image attend to each other; the projections of attention are bare parameters."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, images):
        rows = images.flatten(1, 2)
        mixed, _ = self.attention(rows, rows, rows, need_weights=False)
        return self.fc(mixed.flatten(1))


def data(n: int = 240) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    images = torch.randn(n, 1, 4, 4, generator=generator)
    images[torch.arange(n), 0, labels, labels] += 2.5
    train, test = slice(0, 2 * n // 3), slice(2 * n // 3, n)
    return Dataset(
        name="blobs",
        train=Examples(inputs=images[train], targets=labels[train]),
        test=Examples(inputs=images[test], targets=labels[test]),
        n_classes=3,
        provenance="made up",
    )


@dataclass(frozen=True)
class Patient:
    """The usual oracle, which takes $PATIENCE_S longer for every answer: time to be interrupted."""

    oracle: HatOracle

    @classmethod
    def from_study(cls, context, settings):
        return cls(HatOracle.from_study(context, settings))

    def accuracy(self, candidate, fidelity, seed):
        time.sleep(float(os.environ.get("PATIENCE_S", "0")))
        return self.oracle.accuracy(candidate, fidelity, seed)


def noisy_tiles():
    config = lionheart()
    config.forward.out_noise = 0.3
    return config


@dataclass(frozen=True)
class LargestOnly:
    """Only the unit with the most MACs is analog."""

    def search(self, problem, rng):
        largest = max(problem.units, key=problem.workload.unit_macs)
        yield [problem.pretrained(problem.all_digital.move(largest.name, "tile"))]

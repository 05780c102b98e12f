"""How much time it saves to measure mappings together: layers that they share are computed once.

    python benchmarks/shared_layers.py

ResNet8 with its initial weights: random mappings, and neighbours (the first ones in the order of
`exhaustive`), against one mapping after the other. Prints ratios of times of one run.
"""

from __future__ import annotations

import argparse
from itertools import product
from time import perf_counter

import numpy as np
import torch
from torch import nn

from lionheart_opt import models
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measurement import Conditions, measure
from lionheart_opt.oracle.rpu import lionheart

Mapping = tuple[str, ...]


def seconds(network: nn.Module, mappings: list[Mapping], examples: Examples) -> float:
    started = perf_counter()
    measure(
        engine("fast"),
        network,
        mappings,
        lionheart(),
        examples,
        Conditions(times_s=(86400.0,), draws=range(2), seed=0, batch_size=64),
    )
    return perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--alone", type=int, default=8, help="mappings measured one by one")
    arguments = parser.parse_args()
    network = models.build("resnet8").eval()
    layers = [p for p, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    n = arguments.inputs
    examples = Examples(inputs=torch.randn(n, 3, 32, 32), targets=torch.arange(n) % 10)
    mappings = [
        tuple(path for path, is_analog in zip(layers, chosen, strict=True) if is_analog)
        for chosen in product((False, True), repeat=len(layers))
    ][1:]
    rng = np.random.default_rng(0)
    drawn = [mappings[k] for k in rng.permutation(len(mappings))[:128]]
    seconds(network, drawn[:1], examples)  # compiles
    for name, group in (("128 random mappings", drawn), ("256 neighbours", mappings[:256])):
        sample = [group[k] for k in rng.permutation(len(group))[: arguments.alone]]
        alone_s = sum(seconds(network, [mapping], examples) for mapping in sample) / len(sample)
        together_s = seconds(network, group, examples) / len(group)
        print(f"{name}: {alone_s / together_s:.1f} times faster together than one by one")


if __name__ == "__main__":
    main()

"""How much cheaper mappings are measured together, because layers that they share are computed once.

    python benchmarks/shared_layers.py

ResNet8 with initial weights (only time is looked at), random mappings and neighbours (the first ones in
the order of `exhaustive`), against one mapping after the other. Prints ratios of one run.
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
    n = arguments.images
    examples = Examples(images=torch.randn(n, 3, 32, 32), labels=torch.arange(n) % 10)
    every = [
        tuple(path for path, on in zip(layers, chosen, strict=True) if on)
        for chosen in product((False, True), repeat=len(layers))
    ][1:]
    rng = np.random.default_rng(0)
    drawn = [every[k] for k in rng.permutation(len(every))[:128]]
    seconds(network, drawn[:1], examples)  # compiles
    for name, group in (("128 random mappings", drawn), ("256 neighbours", every[:256])):
        few = [group[k] for k in rng.permutation(len(group))[: arguments.alone]]
        alone = sum(seconds(network, [one], examples) for one in few) / len(few)
        print(f"{name}: {alone / (seconds(network, group, examples) / len(group)):.1f} x cheaper")


if __name__ == "__main__":
    main()

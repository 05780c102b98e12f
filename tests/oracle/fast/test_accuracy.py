"""A trained network has the same accuracy on both engines, at several times after programming."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from fast_setup import FAST, REFERENCE, outputs
from oracle_setup import NAMES, made_up_examples, small_network
from scipy import stats
from torch import nn
from torch.nn import functional as F

from lionheart_opt.oracle.fast import matrix
from lionheart_opt.oracle.rpu import lionheart

TIMES_S = (60.0, 86400.0, 3.15e7)
EXAMPLES = made_up_examples(500, 2)


@cache
def trained_network() -> nn.Module:
    """The small network, trained without noise on made-up examples."""
    examples = made_up_examples(1500, 1)
    network = small_network().train()
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for _ in range(8):
        for numbers in torch.randperm(len(examples)).split(50):
            loss = F.cross_entropy(network(examples.inputs[numbers]), examples.targets[numbers])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


def accuracies(
    simulator: Any, output_noise: float = 0.12, n_draws: int = 12, batch: int = 50
) -> np.ndarray:
    """Shape (n_draws, n_times); equal draws have equal hardware, whatever the engine."""
    config = lionheart()
    config.forward.out_noise = output_noise  # twice LionHeart's: it must matter
    analog = simulator.analog(trained_network(), NAMES, config).eval()
    shares = np.empty((n_draws, len(TIMES_S)))
    for draw in range(n_draws):
        seeds = {name: 10 * draw + k for k, name in enumerate(NAMES)}
        analog.program(seeds)
        for number, time_s in enumerate(TIMES_S):
            analog.drift(time_s, seeds)
            torch.manual_seed(draw)
            scores = torch.cat([outputs(analog, part) for part in EXAMPLES.inputs.split(batch)])
            right = scores.argmax(1) == EXAMPLES.targets
            shares[draw, number] = float(right.float().mean())
    return shares


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return accuracies(REFERENCE)


def z_scores(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Mean difference over its standard error, of each time; draws are pairs."""
    differences = ours - theirs
    z: np.ndarray = differences.mean(0) / (differences.std(0, ddof=1) / len(differences) ** 0.5)
    return z


@pytest.mark.parametrize("path", ["kernels", "torch"])
def test_a_trained_network_has_the_same_accuracy_on_both_engines(
    path: str, reference: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path == "torch":
        monkeypatch.setattr(matrix, "numba_works", lambda: False)
    ours = accuracies(FAST)
    critical = stats.t.isf(5e-4 / len(TIMES_S), df=len(ours) - 1)  # 0.1 % for all times together
    assert abs(z_scores(ours, reference)).max() < critical
    assert abs(z_scores(accuracies(FAST, 0.2), reference)).max() > critical  # the test can tell


def test_accuracies_depend_neither_on_batches_nor_on_threads() -> None:
    whole = accuracies(FAST, n_draws=2)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        other = accuracies(FAST, n_draws=2, batch=37)
    finally:
        torch.set_num_threads(before)
    # sums are rounded alike but for the order in which batch norm and the like add up
    assert abs(other - whole).max() <= 2 / len(EXAMPLES)

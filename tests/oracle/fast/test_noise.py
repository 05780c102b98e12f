"""With noise the fast engine draws from aihwkit's distributions, reproducibly."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from fast_setup import FAST, PATH, outputs, programmed, window_of
from scipy import stats
from torch import nn

from lionheart_opt.oracle.fast import matrix as fast_matrix
from lionheart_opt.oracle.fast.noise import normal_pair, stream
from lionheart_opt.oracle.fast.simd import LANES, add_words, lane_numbers, splat_word, store
from lionheart_opt.oracle.rpu import lionheart

numba = pytest.importorskip("numba")


@numba.njit  # type: ignore[untyped-decorator]
def _fill(numbers: Any, key: Any, n_streams: int) -> None:
    """Streams of normal numbers, one behind the other, as the kernels draw them."""
    length = len(numbers) // n_streams
    for number in range(n_streams):
        key0, key1 = stream(key, number)
        for i in range(0, length, 2 * LANES):
            counter = add_words(lane_numbers(), splat_word(numba.uint32(i // 2)))
            first, second = normal_pair(counter, key0, key1)
            store(numbers, number * length + i, first)
            store(numbers, number * length + i + LANES, second)


@pytest.fixture(scope="module")
def normal() -> np.ndarray:
    """A thousand streams of 1,024 numbers."""
    numbers = np.zeros(1000 * 1024, np.float32)
    _fill(numbers, np.uint64(12345), 1000)
    return numbers.reshape(1000, 1024).astype(np.float64)


def test_generated_numbers_are_normal(normal: np.ndarray) -> None:
    flat = normal.ravel()
    assert stats.kstest(flat, "norm").pvalue > 1e-3
    n = flat.size
    for power, moment, spread in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)]:
        assert abs((flat**power).mean() - moment) < 4 * (spread / n) ** 0.5
    for z in (3.0, 4.0):  # the tails
        expected = 2 * n * stats.norm.sf(z)
        assert abs((abs(flat) > z).sum() - expected) < 4 * expected**0.5


def test_generated_numbers_are_independent(normal: np.ndarray) -> None:
    bound = 4 / normal.size**0.5
    for lag in (1, 2, 7, 8, 16, 512):  # within a stream: lanes, pairs, panels
        assert abs((normal[:, :-lag] * normal[:, lag:]).mean()) < bound * 1.5, lag
    for lag in (1, 2, 24):  # between the streams of rows
        assert abs((normal[:-lag] * normal[lag:]).mean()) < bound * 1.5, lag
    assert abs((normal[:, ::2] ** 2 * normal[:, 1::2] ** 2).mean() - 1) < 4 * (8 / 512000) ** 0.5
    assert stats.kstest(normal.sum(1) / 32, "norm").pvalue > 1e-3
    assert stats.kstest(normal.sum(0) / 1000**0.5, "norm").pvalue > 1e-3


def test_a_stream_has_the_same_numbers_for_ever(normal: np.ndarray) -> None:
    """Else a study that an older version began would go on with other noise."""
    pairs = normal[[0, 1, 7, 999]][:, [0, LANES]]  # of the first counter, whatever the lanes
    expected = [
        [-0.382817, -1.27349],
        [0.658808, 0.515188],
        [0.896561, 0.235303],
        [-1.570367, 0.73229],
    ]
    np.testing.assert_allclose(pairs, expected, rtol=1e-4)


@pytest.mark.parametrize("path", ["kernels", "torch"])
def test_outputs_have_the_distribution_of_the_reference(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path == "torch":
        monkeypatch.setattr(fast_matrix, "numba_works", lambda: False)
    torch.manual_seed(0)
    config = lionheart()
    config.mapping.max_input_size = 30  # three tiles
    layer, x = nn.Conv2d(9, 20, 3, padding=1), torch.randn(1, 9, 4, 4)
    reference, fast = programmed(layer, config)
    draws = []
    for network in (reference, fast):
        # one call for each draw: an output that clips repeats the reference's whole batch
        draws.append(torch.stack([outputs(network, x) for _ in range(600)]).flatten(1).numpy())
    # sums of levels of converters: equal but for their last bits, which a test of ranks would see
    theirs, ours = (np.round(each.astype(np.float64), 4) for each in draws)
    error = theirs.std(0) * (2 / 600) ** 0.5
    t = (ours.mean(0) - theirs.mean(0)) / error
    assert abs(t).max() < 5
    assert abs((t**2).mean() - 1) < 0.35
    np.testing.assert_allclose(ours.std(0), theirs.std(0), rtol=0.17)
    np.testing.assert_allclose((ours.std(0) / theirs.std(0)).mean(), 1.0, atol=0.01)
    pvalues = [stats.ks_2samp(a, b).pvalue for a, b in zip(ours.T, theirs.T, strict=True)]
    assert min(pvalues) > 1e-5  # 320 of them
    whitened = [((d - theirs.mean(0)) / theirs.std(0)).ravel() for d in (ours, theirs)]
    assert stats.ks_2samp(*whitened).pvalue > 1e-3
    for q in (0.01, 0.1, 0.9, 0.99):
        assert np.quantile(whitened[0], q) == pytest.approx(np.quantile(whitened[1], q), abs=0.03)


def test_training_noise_follows_torchs_generator() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(30, 20), torch.randn(50, 30)
    network = FAST.analog(nn.Sequential(layer), [PATH], lionheart()).train()
    ys = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        ys.append(outputs(network, x))
    assert torch.equal(ys[0], ys[1])
    assert (ys[2] - ys[0]).abs().mean() > 0.01 * ys[0].abs().mean()


def fresh(config: Any = None) -> Any:
    """A small convolutional network on the fast engine, programmed and drifted."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 20, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(20, 24, 3, stride=2),
        nn.Flatten(),
        nn.Linear(24 * 9, 5),
    )
    analog = FAST.analog(network, ["0", "2", "4"], config or lionheart()).eval()
    analog.program({"0": 1, "2": 2, "4": 3})
    analog.drift(60.0, {"0": 4, "2": 5, "4": 6})
    return analog


X = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(7))


def test_evaluation_depends_neither_on_batches_nor_on_threads() -> None:
    whole = outputs(fresh(), X)
    analog = fresh()
    parts = torch.cat([outputs(analog, part) for part in X.split(7)])
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        threads = outputs(fresh(), X)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(threads, whole, rtol=1e-4, atol=1e-5)


def test_output_noise_differs_between_passes_layers_draws_and_times() -> None:
    analog = fresh()
    first, again = outputs(analog, X), outputs(analog, X)
    assert (first - again).abs().mean() > 1e-3 * first.abs().mean()
    torch.testing.assert_close(outputs(fresh(), X), first)
    made = fresh()
    layer = partial(made.analog["0"], bias=None, window=window_of(made.network[0]))
    rows = torch.ones(30, 3, 3, 3)  # the same vector everywhere
    with torch.no_grad():
        noise = layer(rows)[:, :, 1, 1]
    noise = noise - noise.mean(0)
    correlation = np.corrcoef(noise.numpy().T)
    assert abs(correlation[~np.eye(20, dtype=bool)]).max() < 0.75


def test_backward_gives_the_same_gradients_whatever_the_threads() -> None:
    gradients = []
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            torch.manual_seed(5)
            analog = fresh().train()
            torch.manual_seed(6)
            analog(X).square().sum().backward()
        finally:
            torch.set_num_threads(before)
        gradients.append({name: p.grad for name, p in analog.named_parameters()})
    assert len(gradients[0]) == 3 * 3  # weights, output scales and biases
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-3, atol=1e-3)

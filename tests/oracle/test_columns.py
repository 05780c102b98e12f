"""Gains and offsets: what each estimator finds, how they are rounded, how they are applied."""

from __future__ import annotations

import pytest
import torch

from lionheart_opt.oracle.columns import Columns, Moments, rounded
from lionheart_opt.oracle.settings import Calibration

CPU = torch.device("cpu")
GAIN, OFFSET = torch.tensor([2.0, -0.5, 1.0]), torch.tensor([0.3, 0.0, -4.0])
EVERYTHING = slice(None)


def settings(**changes: object) -> Calibration:
    return Calibration.model_validate({"bits": 24, **changes})


def fitted(outputs: torch.Tensor, t: torch.Tensor, **changes: object) -> Columns:
    moments = Moments(len(t), CPU)
    moments.add(EVERYTHING, outputs, t)
    return moments.columns(settings(**changes))


def noisy(n_reads: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Reads with noise, and what they are fitted to: gain times what they have without, plus offset."""
    generator = torch.Generator().manual_seed(0)
    y = 1.5 + torch.randn(3, 20000, generator=generator)
    reads = y + noise * torch.randn(n_reads, 3, 20000, generator=generator)
    return reads, GAIN[:, None] * y + OFFSET[:, None]


@pytest.mark.parametrize(
    ("estimator", "n_reads"),
    [("least_squares", 1), ("least_squares", 3), ("errors_in_variables", 2)],
)
def test_without_noise_the_gain_and_offset_are_found(estimator: str, n_reads: int) -> None:
    reads, t = noisy(n_reads, 0.0)
    columns = fitted(reads, t, estimator=estimator, reads=n_reads)
    torch.testing.assert_close(columns.gain, GAIN, rtol=1e-5, atol=0.0)
    torch.testing.assert_close(columns.offset, OFFSET, rtol=1e-5, atol=1e-5)
    assert columns.gain.dtype == torch.float32


def test_deviations_know_no_sign() -> None:
    columns = fitted(*noisy(1, 0.0), estimator="deviations")
    torch.testing.assert_close(columns.gain, GAIN.abs(), rtol=1e-5, atol=0.0)


def test_noise_shrinks_least_squares_and_not_errors_in_variables() -> None:
    """The noise has half the variance of the signal: SNR / (1 + SNR) = 2 / 3; with two reads 4 / 5."""
    reads, t = noisy(2, 0.5**0.5)
    one, two = fitted(reads[:1], t), fitted(reads, t, reads=2)
    torch.testing.assert_close(one.gain / GAIN, torch.full((3,), 2 / 3), rtol=0.02, atol=0.0)
    torch.testing.assert_close(two.gain / GAIN, torch.full((3,), 4 / 5), rtol=0.02, atol=0.0)
    true = fitted(reads, t, reads=2, estimator="errors_in_variables")
    torch.testing.assert_close(true.gain / GAIN, torch.ones(3), rtol=0.02, atol=0.0)
    equal = fitted(reads[:1], t, estimator="deviations")
    torch.testing.assert_close(
        equal.gain / GAIN.abs(), torch.full((3,), (2 / 3) ** 0.5), rtol=0.02, atol=0.0
    )


def test_a_column_of_noise_alone_is_amplified_at_most_twice() -> None:
    generator = torch.Generator().manual_seed(0)
    reads, t = torch.randn(2, 3, 50, generator=generator), torch.randn(3, 50, generator=generator)
    least = fitted(reads, t, reads=2)
    other = fitted(reads, t, reads=2, estimator="errors_in_variables")
    assert (other.gain.abs() <= 2.001 * least.gain.abs()).all()


def test_a_column_that_does_not_vary_has_the_gain_one() -> None:
    y, t = torch.full((1, 2, 5), 3.0), torch.tensor([[1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]])
    for estimator in ("least_squares", "deviations"):
        columns = fitted(y, t, estimator=estimator)
        assert columns.gain.tolist() == [1.0, 1.0]
        assert columns.offset.tolist() == pytest.approx([-2.0, 0.0])


def test_a_column_without_weights_is_silenced() -> None:
    reads, _ = noisy(1, 1.0)
    columns = fitted(reads, torch.zeros(3, 20000))
    assert columns.gain.tolist() == columns.offset.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("estimator", ["least_squares", "deviations", "errors_in_variables"])
def test_moments_of_parts_are_those_of_the_whole(estimator: str) -> None:
    reads, t = noisy(2, 0.7)
    whole = fitted(reads, t, estimator=estimator, reads=2)
    moments = Moments(3, CPU)
    for part in (slice(0, 13), slice(13, 14), slice(14, 20000)):
        moments.add(slice(0, 2), reads[:, :2, part], t[:2, part])  # some columns, then the others
        moments.add(slice(2, 3), reads[:, 2:, part], t[2:, part])
    parts = moments.columns(settings(estimator=estimator, reads=2))
    torch.testing.assert_close(parts.gain, whole.gain, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parts.offset, whole.offset, rtol=1e-4, atol=1e-5)


def test_rounding() -> None:
    numbers = torch.tensor([-1.0, -0.34, 0.0, 0.1, 0.74])
    assert rounded(numbers, 2).tolist() == [-1.0, 0.0, 0.0, 0.0, 1.0]
    assert rounded(numbers, 3).tolist() == pytest.approx([-1.0, -1 / 3, 0.0, 0.0, 2 / 3])
    many = torch.linspace(-3.0, 2.0, 1001)
    assert len(set(rounded(many, 8).tolist())) <= 255
    assert (rounded(many, 8) - many).abs().max() <= 3.0 / 127 / 2 + 1e-6
    assert rounded(torch.zeros(3), 8).tolist() == [0.0, 0.0, 0.0]


def test_eight_bits_are_the_default() -> None:
    reads, t = noisy(1, 0.0)
    moments = Moments(3, CPU)
    moments.add(EVERYTHING, reads, t)
    columns = moments.columns(Calibration())
    levels = columns.gain / (columns.gain.abs().max() / 127)
    torch.testing.assert_close(levels, levels.round())
    assert not torch.equal(columns.gain, fitted(reads, t).gain)


@pytest.mark.parametrize("is_map", [False, True])
@pytest.mark.parametrize("bias", [None, torch.tensor([1.0, 2.0])])
def test_applied_to_some_rows(is_map: bool, bias: torch.Tensor | None) -> None:
    y = torch.randn(4, 2, 3, 5) if is_map else torch.randn(4, 5, 2)
    applied = Columns(GAIN, OFFSET).apply(y, slice(1, 3), bias, is_map)
    shape = (2, 1, 1) if is_map else (2,)
    expected = y * GAIN[1:].view(shape) + OFFSET[1:].view(shape)
    expected = expected if bias is None else expected + bias.view(shape)
    torch.testing.assert_close(applied, expected)


@pytest.mark.parametrize("at_once", [1, 700, 1 << 18])
def test_moments_do_not_depend_on_how_many_numbers_are_taken_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lionheart_opt.oracle.columns.AT_ONCE", at_once)
    reads, t = (each[..., :1500].double() + 100.0 for each in noisy(2, 0.5))
    columns = fitted(reads, t, reads=2)
    y = reads.mean(0)
    centred = y - y.mean(1, keepdim=True)
    gain = (centred * t).sum(1) / (centred * centred).sum(1)
    torch.testing.assert_close(columns.gain.double(), gain, rtol=1e-6, atol=0.0)
    offset = t.mean(1) - gain * y.mean(1)
    torch.testing.assert_close(columns.offset.double(), offset, rtol=1e-5, atol=1e-4)

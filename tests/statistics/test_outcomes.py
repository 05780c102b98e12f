"""Which examples are right is kept in bits, and gives the moments that the bounds need."""

import numpy as np
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.statistics.outcomes import Outcomes, Spread

N = 21  # no multiple of 8


def made_up(
    seed: int = 0, draws: int = 3, times: int = 2, n: int = N
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random(n) < 0.8, rng.random((draws, times, n)) < 0.7


def test_bits_are_what_was_packed() -> None:
    baseline, right = made_up()
    outcomes = Outcomes.of(baseline, right)
    np.testing.assert_array_equal(outcomes.right_at_baseline, baseline)
    np.testing.assert_array_equal(outcomes.right, right)
    np.testing.assert_array_equal(outcomes.samples, right.mean(-1))
    assert outcomes.baseline_share == baseline.mean()
    assert repr(outcomes) == "Outcomes(3 draws at 2 times, 21 examples)"


def test_ten_draws_of_five_thousand_examples_are_six_kilobytes() -> None:
    outcomes = Outcomes.of(*made_up(draws=10, times=1, n=5000))
    assert outcomes.draws.nbytes == 6250
    alike = np.ones((10, 1, 5000), bool)
    alike[:, 0, ::50] = False  # one in fifty disagrees
    assert len(Outcomes.of(np.ones(5000, bool), alike).to_bytes()) < 1500


def test_the_spread_is_that_of_the_losses() -> None:
    baseline, right = made_up(n=400)
    spread = Outcomes.of(baseline, right).spread
    losses = baseline.astype(float) - right
    np.testing.assert_allclose(spread.each, losses.std(-1))
    mean = losses.mean(0)
    np.testing.assert_allclose(spread.deviation, mean.std(-1))
    np.testing.assert_allclose(spread.third, ((mean - mean.mean(-1, keepdims=True)) ** 3).mean(-1))


def test_parts_join_to_the_whole() -> None:
    whole = Outcomes.of(*made_up())
    first, rest = whole.part(slice(0, 1), slice(None)), whole.part(slice(1, 3), slice(None))
    assert first.with_draws(rest).to_bytes() == whole.to_bytes()
    left, right = whole.part(slice(None), slice(0, 8)), whole.part(slice(None), slice(8, N))
    assert left.with_examples(right).to_bytes() == whole.to_bytes()
    baseline, draws = made_up()
    baseline[3] = not baseline[3]  # a single example is another one
    with pytest.raises(ValueError, match="different examples"):
        whole.with_draws(Outcomes.of(baseline, draws))


def test_what_is_written_is_read_and_damage_is_refused() -> None:
    content = Outcomes.of(*made_up()).to_bytes()
    assert Outcomes.from_bytes(content).to_bytes() == content
    for damaged in (
        content[:-20],
        b"",
        b"PK\x03\x04nothing",
        content.replace(b"differs", b"differed"),
    ):
        with pytest.raises(InputError, match="damaged"):
            Outcomes.from_bytes(damaged)
    good = {"baseline": np.zeros(3, np.uint8), "draws": np.zeros((1, 1, 3), np.uint8)}
    assert Outcomes(n_examples=21, **good).baseline_share == 0.0
    for broken in (
        {"baseline": np.zeros(2, np.uint8)},
        {"baseline": np.zeros((1, 3), np.uint8)},
        {"baseline": np.zeros(3, int)},
        {"draws": np.zeros((1, 1, 2), np.uint8)},
        {"draws": np.zeros((1, 3), np.uint8)},
        {"draws": np.zeros((1, 1, 3), int)},
    ):
        with pytest.raises(InputError, match="21 examples need 3 bytes"):
            Outcomes(n_examples=21, **{**good, **broken})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deviation", [np.nan]),
        ("deviation", [1.5]),
        ("third", [-2.0]),
        ("third", [0.0, 0.0]),
        ("each", [[]]),
    ],
)
def test_a_spread_that_no_losses_have_is_refused(name: str, value: list[float]) -> None:
    good = {"deviation": [0.1], "third": [0.0], "each": [[0.1]]}
    assert Spread.from_json(good, 1).to_json() == good
    with pytest.raises(InputError, match="spread"):
        Spread(**{key: np.array(each) for key, each in {**good, name: value}.items()})

"""Statistics of examples: values, spreads by the delta method, joining, artifacts."""

from math import inf

import numpy as np
import pytest

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.statistics.bounds import losses_of
from lionheart_opt.statistics.example_statistics import ExampleStatistics, joined, outcomes_of, told
from lionheart_opt.statistics.outcomes import Outcomes

RNG = np.random.default_rng(0)
N, DRAWS, TIMES = 400, 6, 2
PERPLEXITY = Metric(
    name="perplexity", value="exponential", higher_is_better=False, low=1.0, high=inf, unit=""
)
F1 = Metric(name="F1", value="ratio")


def language(n: int = N, rng: np.random.Generator = RNG) -> ExampleStatistics:
    """Texts of different lengths, which chips make less probable."""
    tokens = rng.integers(5, 60, n)
    exact = tokens * rng.gamma(8.0, 0.2, n)
    worse = exact + tokens * rng.normal(0.05, 0.03, (DRAWS, TIMES, 1)) * rng.gamma(2.0, 0.5, n)
    draws = np.stack([worse, np.broadcast_to(tokens, worse.shape)], axis=-1)
    return ExampleStatistics.of(np.stack([exact, tokens], axis=-1), draws)


def bits() -> Outcomes:
    right = RNG.random((DRAWS, TIMES, N)) < 0.8
    return Outcomes.of(RNG.random(N) < 0.9, right)


def test_of_right_answers_it_is_what_outcomes_say() -> None:
    outcomes = bits()
    same = ExampleStatistics.from_outcomes(outcomes)
    np.testing.assert_allclose(same.samples(ACCURACY), outcomes.samples)
    assert same.baseline_value(ACCURACY) == outcomes.baseline_share
    spread, expected = same.spread(ACCURACY), outcomes.spread
    for name in ("deviation", "third", "each"):
        np.testing.assert_allclose(getattr(spread, name), getattr(expected, name), atol=1e-12)
    assert spread.largest is not None and spread.largest.max() <= 1.0 + 1e-12


@pytest.mark.parametrize("relative", [False, True])
def test_the_spread_is_that_of_other_samples_of_examples(relative: bool) -> None:
    """The delta method against the bootstrap over examples."""
    statistics = language()
    metric = Metric(**{**vars(PERPLEXITY), "relative": relative})
    rng = np.random.default_rng(1)

    def drop(numbers: np.ndarray) -> np.ndarray:
        some = ExampleStatistics(
            baseline=statistics.baseline[numbers], draws=statistics.draws[:, :, numbers]
        )
        return metric.drop(some.baseline_value(metric), some.samples(metric)).mean(axis=0)

    again = np.array([drop(rng.integers(N, size=N)) for _ in range(600)])
    spread = statistics.spread(metric)
    np.testing.assert_allclose(again.std(axis=0), spread.deviation / np.sqrt(N), rtol=0.1)
    np.testing.assert_allclose(again.mean(axis=0), drop(np.arange(N)), rtol=0.05)


def test_an_accuracy_of_any_metric() -> None:
    statistics = language()
    accuracy = Accuracy.of(statistics, metric=PERPLEXITY, times_s=(1.0, 60.0))
    assert accuracy.baseline > 1.0 and accuracy.rounding == 0.0
    assert np.mean(accuracy.drops_at(60.0)) > 0.0, "perplexity rises"
    losses = losses_of(accuracy, 1)
    assert losses is not None and losses.mean == pytest.approx(np.mean(accuracy.drops_at(60.0)))
    alone = losses_of(accuracy, 1, draw=2)
    assert alone is not None and alone.mean == pytest.approx(accuracy.drops_at(60.0)[2])
    read = Accuracy.from_json(accuracy.to_json())
    assert read.metric == PERPLEXITY and read.spread is not None and accuracy.spread is not None
    np.testing.assert_allclose(read.spread.each_third, accuracy.spread.each_third)


def test_without_a_spread_nothing_is_known_of_other_examples() -> None:
    accuracy = Accuracy(
        samples=np.full((3, 1), 0.7), times_s=(1.0,), baseline=0.8, n_examples=50, metric=F1
    )
    losses = losses_of(accuracy, 0)
    assert losses is not None and losses.width(0.05) == inf


def test_parts_make_the_whole() -> None:
    whole = language()
    some, rest = whole.part(slice(0, 4), slice(0, 100)), whole.part(slice(0, 4), slice(100, N))
    more = whole.part(slice(4, DRAWS), slice(0, N))
    together = some.with_examples(rest).with_draws(more)
    assert together.to_bytes() == whole.to_bytes()
    accuracy = Accuracy.of(whole, metric=PERPLEXITY, times_s=(1.0, 60.0))
    part = accuracy.part(Fidelity(draws=(0, 4), examples=(0, 100)))
    assert part is not None and part.outcomes is not None
    assert part.outcomes.to_bytes() == some.to_bytes()
    np.testing.assert_allclose(part.samples, some.samples(PERPLEXITY))
    with pytest.raises(ValueError, match="different examples"):
        some.with_draws(rest)
    assert joined(whole, bits(), "draws") is None and joined(None, None, "examples") is None


def test_artifacts() -> None:
    statistics, outcomes = language(), bits()
    assert isinstance(ExampleStatistics.from_bytes(outcomes.to_bytes()), Outcomes)
    read = ExampleStatistics.from_bytes(statistics.to_bytes())
    assert isinstance(read, ExampleStatistics) and read.to_bytes() == statistics.to_bytes()
    with pytest.raises(InputError, match="damaged"):
        ExampleStatistics.from_bytes(statistics.to_bytes()[:-40])


def test_booleans_are_right_answers() -> None:
    right = RNG.random((DRAWS, TIMES, N, 1)) < 0.5
    assert isinstance(outcomes_of(right[0, 0], right), Outcomes)
    assert isinstance(outcomes_of(right[0, 0].astype(np.float32), right), ExampleStatistics)
    assert told(outcomes_of(right[0, 0], right), ACCURACY)["n_examples"] == N


@pytest.mark.parametrize(
    ("baseline", "draws"),
    [
        (np.zeros((4, 2)), np.zeros((1, 1, 4, 3))),
        (np.zeros((4, 2)), np.zeros((1, 4, 2))),
        (np.zeros(4), np.zeros((1, 1, 4))),
        (np.full((4, 2), np.nan), np.zeros((1, 1, 4, 2))),
    ],
)
def test_what_does_not_fit_is_refused(baseline: np.ndarray, draws: np.ndarray) -> None:
    with pytest.raises(InputError, match="statistics: "):
        ExampleStatistics.of(baseline, draws)


def test_large_numbers_keep_their_digits() -> None:
    """Numbers around a million that differ by one: squares need more digits than float32 has."""
    y = 1e6 + RNG.normal(size=300)
    error = 0.01 * np.ones(300)
    exact = np.stack([error, y, y**2], axis=-1)
    metric = Metric(name="R2", value="determination", low=-inf, unit="")
    statistics = ExampleStatistics.of(exact, exact[None, None])
    assert statistics.baseline_value(metric) == pytest.approx(1.0 - 0.01 / y.var(), abs=1e-3)

"""The spread of chips and that of examples are the variance of a crossed layout, and a little more."""

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.statistics.bounds import losses_of, mean_width
from lionheart_opt.statistics.outcomes import Outcomes

CHIPS, EXAMPLES = 20, 400


def made_up(seed: int, chip: float = 0.15, own: float = 0.25) -> Outcomes:
    rng = np.random.default_rng(seed)
    margins = rng.normal(1.3, 1.0, EXAMPLES)
    shifts = 0.2 + chip * rng.normal(size=(CHIPS, 1))
    moved = margins + own * rng.normal(size=EXAMPLES) + 0.2 * rng.normal(size=(CHIPS, EXAMPLES))
    return Outcomes.of(margins > 0, (moved - shifts > 0)[:, None])


def losses(outcomes: Outcomes) -> np.ndarray:
    """Shape (chips, examples)."""
    return outcomes.right_at_baseline - outcomes.right[:, 0].astype(float)


def variances(outcomes: Outcomes) -> tuple[float, float]:
    """Of the mean, over chips and over examples, as the limit takes them: widths without factors."""
    answer = Accuracy.of(outcomes, times_s=(1.0,))
    chips = np.var(answer.drops_at(1.0), ddof=1) / CHIPS
    of_examples = losses_of(answer, 0)
    assert of_examples is not None
    return float(chips), of_examples.deviation**2 / EXAMPLES


@pytest.mark.parametrize("seed", range(5))
def test_the_variance_is_that_of_two_way_clusters_and_the_rest_once_more(seed: int) -> None:
    """Cameron, Gelbach and Miller (2011): chips + examples - rest; ours leaves the rest in."""
    outcomes = made_up(seed)
    table = losses(outcomes)
    chip, example = np.indices(table.shape)
    fit = OLS(table.ravel(), np.ones(table.size)).fit()
    both, by_chip, by_example = cov_cluster_2groups(
        fit, chip.ravel(), example.ravel(), use_correction=False
    )
    chips, examples = variances(outcomes)
    assert chips * (CHIPS - 1) / CHIPS == pytest.approx(float(by_chip[0, 0]))
    assert examples == pytest.approx(float(by_example[0, 0]))
    rest = table.var() / table.size
    assert float(both[0, 0]) == pytest.approx(float(by_chip[0, 0] + by_example[0, 0]) - rest)
    assert float(both[0, 0]) < chips + examples < 1.25 * float(both[0, 0])


def test_the_variance_covers_that_of_a_two_way_bootstrap() -> None:
    """Owen (2007): the pigeonhole bootstrap resamples chips and examples, and counts the rest thrice."""
    rng = np.random.default_rng(0)
    outcomes = made_up(0)
    table = losses(outcomes)
    means = [
        (rng.multinomial(CHIPS, np.full(CHIPS, 1 / CHIPS)) / CHIPS)
        @ table
        @ (rng.multinomial(EXAMPLES, np.full(EXAMPLES, 1 / EXAMPLES)) / EXAMPLES)
        for _ in range(20_000)
    ]
    chips, examples = variances(outcomes)
    assert np.var(means) == pytest.approx(chips + examples, rel=0.1)


def test_the_variance_is_that_of_fresh_chips_and_examples() -> None:
    drops = [losses(made_up(seed)).mean() for seed in range(1000)]
    expected = np.mean([sum(variances(made_up(seed))) for seed in range(40)])
    assert np.var(drops) < expected < 1.3 * np.var(drops)


def test_chips_have_students_t_with_one_degree_less_than_there_are() -> None:
    values = np.random.default_rng(0).normal(size=6)
    assert mean_width(values, 0.05, 0.0, skewness=0.0) == pytest.approx(
        2.015048 * values.std(ddof=1) / np.sqrt(6), rel=1e-6
    )

"""Rank correlations, the statistic of profiles."""

import numpy as np
import pytest

from lionheart_opt.results.sensitivity import rank_correlation


@pytest.mark.parametrize(
    ("a", "b", "rho"),
    [
        ([1, 2, 3, 4], [10, 100, 1000, 10000], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], 0.8),
        ([1, 1, 2], [1, 2, 3], np.sqrt(3) / 2),
    ],
)
def test_rank_correlation_of_known_data(a, b, rho):
    correlation = rank_correlation(a, b)
    assert correlation is not None and correlation.rho == pytest.approx(rho)
    assert 0 <= correlation.p_value <= 1


@pytest.mark.parametrize(("a", "b"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([], [])])
def test_no_rank_correlation_where_there_is_none(a, b):
    assert rank_correlation(a, b) is None

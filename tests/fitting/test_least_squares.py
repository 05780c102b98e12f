"""Fits in logarithms, against what is known of lines and of made-up data."""

from collections.abc import Callable

import numpy as np
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.fitting.least_squares import derivatives, fit

TRUE = np.log([3.0, 0.2])


def line(seed: int, n_results: int = 40, sd: float = 0.1) -> Callable[[np.ndarray], np.ndarray]:
    """Residuals that are linear in two logarithms, with normal errors."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n_results, 2))
    errors = rng.normal(scale=sd, size=n_results)
    return lambda logs: matrix @ (logs - TRUE) + errors


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """400 intervals of 95 %: between 92 and 98 %."""
    inside = []
    for seed in range(200):
        result = fit(line(seed, n_results=6), np.zeros(2), precision=1e-6 * np.eye(2))
        inside += (np.abs(result.logs - TRUE) < result.half_widths).tolist()
    assert 0.92 < np.mean(inside) < 0.98


def test_ordinary_least_squares_is_what_it_is_without_priors() -> None:
    residuals = line(0)
    result = fit(residuals, np.zeros(2), precision=np.zeros((2, 2)))
    matrix = derivatives(residuals, np.zeros(2))
    solution, [squares], *_ = np.linalg.lstsq(matrix, -residuals(np.zeros(2)), rcond=None)
    variance = squares / 38
    assert result.logs == pytest.approx(solution, abs=1e-6)
    assert result.degrees == pytest.approx(38) and result.scatter == pytest.approx(variance**0.5)
    assert result.covariance == pytest.approx(variance * np.linalg.inv(matrix.T @ matrix))
    assert np.diag(result.correlations) == pytest.approx([1.0, 1.0])


def test_a_prior_holds_what_results_do_not_determine() -> None:
    """Results depend on the sum alone; the prior of 0.1 on either decides the difference."""
    rng = np.random.default_rng(0)
    errors = rng.normal(scale=0.01, size=50)
    result = fit(lambda x: x.sum() - 1.0 + errors, np.zeros(2), precision=100 * np.eye(2))
    assert result.logs == pytest.approx([0.5, 0.5], abs=0.01)
    assert result.correlations[0, 1] == pytest.approx(-1.0, abs=0.01)
    assert result.half_widths == pytest.approx(2.01 * 0.1 / 2**0.5, rel=0.02)


def test_known_errors_weigh_as_they_should() -> None:
    """Two results of one constant: the mean, weighted with the inverse variances."""
    measured = np.array([0.0, 1.0])
    result = fit(
        lambda logs: logs[0] - measured,
        np.zeros(1),
        precision=np.zeros((1, 1)),
        known_sd=np.array([0.1, 0.2]),
    )
    assert result.logs[0] == pytest.approx(0.2)
    assert result.covariance[0, 0] == pytest.approx(1 / (100 + 25))
    assert result.scatter == 0.0 and result.half_widths[0] == pytest.approx(1.96 * 125**-0.5, 1e-3)


def test_one_wrong_result_hardly_moves_a_robust_fit() -> None:
    residuals = line(3)

    def with_a_wrong_one(logs: np.ndarray) -> np.ndarray:
        errors = residuals(logs)
        errors[0] += 5.0
        return errors

    clean = fit(residuals, np.zeros(2), precision=1e-6 * np.eye(2))
    plain = fit(with_a_wrong_one, np.zeros(2), precision=1e-6 * np.eye(2))
    robust = fit(with_a_wrong_one, np.zeros(2), precision=1e-6 * np.eye(2), is_robust=True)
    assert np.abs(robust.logs - clean.logs).max() < 0.03 < np.abs(plain.logs - clean.logs).max()
    assert robust.scatter < 0.2 < plain.scatter


def test_a_robust_fit_keeps_its_priors() -> None:
    """Priors count in full, however far the results pull."""
    result = fit(
        lambda logs: logs - np.array([1.0]),
        np.zeros(1),
        precision=np.eye(1),
        known_sd=np.array([1.0]),
        is_robust=True,
    )
    pull = (1 - result.logs[0]) / np.sqrt(1 + (1 - result.logs[0]) ** 2)
    assert result.logs[0] == pytest.approx(pull, abs=1e-4)


def test_leaving_results_out_is_a_fit_without_them() -> None:
    residuals = line(5, n_results=12)
    result = fit(residuals, np.zeros(2), precision=0.1 * np.eye(2))
    errors, half_widths = result.left_out([2, 3])
    rest = [k for k in range(12) if k not in (2, 3)]
    without = fit(
        lambda logs: residuals(logs)[rest],
        np.zeros(2),
        precision=0.1 * np.eye(2),
        known_sd=np.full(10, result.scatter),
    )
    # the prior's mean is the solution of the whole fit, which a weak prior hardly notices
    assert errors == pytest.approx(residuals(without.logs)[[2, 3]], abs=0.01)
    assert (half_widths > result.quantile * result.scatter).all()


def test_too_few_results_are_refused() -> None:
    with pytest.raises(InputError, match="2 results for 2 constants: too few"):
        fit(line(0, n_results=2), np.zeros(2), precision=np.zeros((2, 2)))

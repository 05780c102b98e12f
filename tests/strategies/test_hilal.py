"""HILAL: robust units by clusters of proxies, trained progressively."""

from dataclasses import replace
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from by_hand import problem_of
from hypothesis import given
from hypothesis import strategies as st

from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Proxies, Question
from lionheart_opt.strategies.hilal import Hilal, features, robust_units, two_means
from lionheart_opt.testing import drive, tiny_problem

UNITS = ("fc0", "fc1", "fc2", "fc3", "fc4")


def told(problem: Problem, **proxies: list[float]) -> Problem:
    """The problem with these proxies of its five units."""

    def answer(asked: Question) -> Answer:
        assert asked == Proxies(units=UNITS)
        values = {name: dict(zip(UNITS, of, strict=True)) for name, of in proxies.items()}
        return Answer(values=values, oracle_s=1.0)

    return replace(problem, answers=answer)


def clustered(problem: Problem) -> Problem:
    """Two units whose loss rises much, three whose loss rises little, fc3 least of all."""
    counts = np.array([problem.workload.layer(unit).weight_count for unit in UNITS])
    trace = counts * np.array([2.0, 20.0, 3.0, 1.0, 22.0])
    return told(
        problem,
        hessian_trace=list(trace),
        hessian_max_eigenvalue=list(0.1 * trace),
        max_weight=[1.0] * 5,
    )


def test_hilal_finds_the_robust_cluster_least_rise_first() -> None:
    assert robust_units(clustered(tiny_problem())) == ["fc3", "fc0", "fc2"]


def test_hilal_takes_noise_relative_to_the_largest_weight_and_spread_over_weights() -> None:
    problem = told(
        tiny_problem(),
        hessian_trace=[6.0, 6.0, 6.0, -1.0, 0.0],
        hessian_max_eigenvalue=[3.0, 1.5, 0.6, 2.0, 2.0],
        max_weight=[1.0, 3.0, 0.5, 1.0, 1.0],
    )
    rises, shares = features(problem, UNITS)
    counts = [problem.workload.layer(unit).weight_count for unit in UNITS]
    expected = [0.5 * w**2 * 6.0 / n for w, n in zip((1.0, 3.0, 0.5), counts, strict=False)]
    np.testing.assert_allclose(rises, [*expected, 0.0, 0.0])
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.1, 0.0, 0.0])


@pytest.mark.parametrize("reject", [False, True])
def test_hilal_trains_progressively_and_rejects_only_if_asked(reject: bool) -> None:
    problem = clustered(tiny_problem(max_drop=0.004))
    evaluations = drive(Hilal(reject=reject), problem)
    assert {evaluation.feasible for evaluation in evaluations} == {True, False}, (
        "the problem has no decision"
    )
    kept = problem.pretrained(problem.all_digital)
    for unit, evaluation in zip(("fc3", "fc0", "fc2"), evaluations, strict=True):
        assert evaluation.candidate == kept.move(unit, "tile")
        if evaluation.feasible or not reject:
            kept = evaluation.candidate


def test_hilal_says_what_the_oracle_lacks() -> None:
    problem = replace(tiny_problem(), answers=None)
    with pytest.raises(InputError, match="the study's oracle has no proxies of sensitivity"):
        drive(Hilal(), problem)
    with pytest.raises(InputError, match="unknown proxy 'max_weight'; allowed: hessian_max_eigen"):
        drive(Hilal(), told(problem, hessian_trace=[1.0] * 5, hessian_max_eigenvalue=[1.0] * 5))


coordinates = st.floats(-3, 3) | st.sampled_from([-1.0, 0.0, 1.0])


@given(st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=7))
def test_two_means_are_the_best_two_clusters(rows: list[tuple[float, float]]) -> None:
    points = np.array(rows)

    def within(inside: np.ndarray) -> float:
        parts = [part for part in (points[inside], points[~inside]) if len(part)]
        return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts))

    every = [np.array([k >> bit & 1 for bit in range(len(points))], bool) for k in range(2**7)]
    clusters = two_means(points)
    assert within(clusters) <= min(map(within, every)) + 1e-6


def within(points: np.ndarray, inside: np.ndarray) -> float:
    """Sum of squared distances to the means of two clusters."""
    parts = [part for part in (points[inside], points[~inside]) if len(part)]
    return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts))


def test_two_means_of_points_that_lie_on_lines_or_each_other() -> None:
    """Every choice of five points of a lattice of 2 x 3, a point also twice or more."""
    lattice = list(product((0.0, 1.0), (0.0, 1.0, 2.5)))
    splits = [np.array([k >> bit & 1 for bit in range(5)], bool) for k in range(16)]
    for rows in combinations_with_replacement(lattice, 5):
        points = np.array(rows)
        least = min(within(points, split) for split in splits)
        assert within(points, two_means(points)) <= least + 1e-9, rows


@pytest.mark.parametrize("n", [2, 3, 9])
@pytest.mark.parametrize("on_grid", [False, True])
def test_two_means_of_points_anywhere(n: int, on_grid: bool) -> None:
    """Squared distances between clusters, which are largest where those within are least."""
    rng = np.random.default_rng(0)
    splits = (np.arange(2 ** (n - 1))[1:, None] >> np.arange(n) & 1).astype(float)

    def between(points: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        sums, size = chosen @ (points - points.mean(axis=0)), chosen.sum(axis=1)
        return (sums**2).sum(axis=1) * (1 / size + 1 / (n - size))

    for _ in range(100):
        points = rng.integers(0, 4, (n, 2)).astype(float) if on_grid else rng.normal(size=(n, 2))
        points += 5.0  # where they lie does not matter
        clusters = two_means(points)
        if clusters.all():
            assert (points == points[0]).all(), "only points that do not differ are one cluster"
            continue
        assert between(points, clusters[None].astype(float)) >= between(points, splits).max() - 1e-9


def test_points_that_do_not_differ_are_one_cluster() -> None:
    assert two_means(np.full((4, 2), 3.0)).tolist() == [True] * 4
    assert two_means(np.zeros((1, 2))).tolist() == [True]


def test_features_count_relative_to_their_spread() -> None:
    """Rises of a millionth are as far apart as shares of a half; here they have the clearer gap."""
    counts = np.array([tiny_problem().workload.layer(unit).weight_count for unit in UNITS])
    rises = np.array([0.0, 0.1, 1.1, 1.0, 1.2]) * 1e-6
    shares = np.array([0.4, 0.6, 0.5, 0.45, 0.55])
    trace = 2 * rises * counts + 1e-12
    problem = told(
        tiny_problem(),
        hessian_trace=list(trace),
        hessian_max_eigenvalue=list(shares * trace),
        max_weight=[1.0] * 5,
    )
    assert robust_units(problem) == ["fc0", "fc1"]


def test_small_traces_are_traces() -> None:
    problem = told(
        tiny_problem(),
        hessian_trace=[0.5, 0.25, 1.0, 2.0, 1e-9],
        hessian_max_eigenvalue=[0.25, 0.25, 0.5, 0.5, 1e-10],
        max_weight=[1.0] * 5,
    )
    _, shares = features(problem, UNITS)
    np.testing.assert_allclose(shares, [0.5, 1.0, 0.5, 0.25, 0.1])


@pytest.mark.parametrize("reject", [False, True])
def test_a_unit_that_breaks_the_limit_stays_unless_it_is_rolled_back(reject: bool) -> None:
    """`fc3`, the first of three robust units, loses too much."""
    unit = {"cpu": 10.0, "tile": 4.0}
    problem = problem_of(dict.fromkeys(UNITS, unit), {"fc3": {"tile": 0.2}})
    evaluations = drive(Hilal(reject=reject), clustered(problem))
    analog = [evaluation.mapping.units_on("tile") for evaluation in evaluations]
    assert [set(units) for units in analog] == (
        [{"fc3"}, {"fc0"}, {"fc0", "fc2"}]
        if reject
        else [{"fc3"}, {"fc0", "fc3"}, {"fc0", "fc2", "fc3"}]
    )


def test_without_analog_units_nothing_is_asked() -> None:
    problem = replace(tiny_problem(), digital=UNITS, answers=None)
    assert robust_units(problem) == [] and drive(Hilal(), problem) == []

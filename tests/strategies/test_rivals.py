"""Published rivals: each does what its paper does, under our oracle."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, LearnedShares, Proxies, Question
from lionheart_opt.space import every_mapping, random_mapping
from lionheart_opt.strategies.each_threshold import EachThreshold
from lionheart_opt.strategies.hilal import Hilal, features, robust_units, two_means
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.odimo import Odimo, question
from lionheart_opt.strategy import Proposals
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import digests, drive, tiny_problem


def fronted(max_drop: float = 0.3) -> Problem:
    """With the drop among the objectives, and a fixed number of draws."""
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=max_drop)
    return replace(problem, accuracy_limit=replace(problem.accuracy_limit, draws=(8,)))


def at(problem: Problem, threshold: float) -> Problem:
    """The question of one threshold."""
    limit = replace(problem.accuracy_limit, max_drop=threshold)
    return replace(problem, objectives=("latency_s",), accuracy_limit=limit)


# --- each threshold -------------------------------------------------------------------------------


def test_each_threshold_is_one_run_after_the_other_paid_once() -> None:
    problem = fronted()
    proposed = digests(drive(EachThreshold(thresholds=[0.01, 0.05, 0.1, 0.5]), problem))
    alone = [
        digests(drive(MacGreedy(), at(problem, threshold))) for threshold in (0.3, 0.1, 0.05, 0.01)
    ]
    assert len(set(map(tuple, alone))) > 1, "the thresholds make no difference"
    every = [digest for run in alone for digest in run]
    assert proposed == list(dict.fromkeys(every))
    assert len(proposed) < len(every)


def test_each_threshold_of_a_single_objective_is_its_threshold_and_those_below() -> None:
    problem = at(fronted(), 0.05)
    proposed = digests(drive(EachThreshold(thresholds=[0.01, 0.1]), problem))
    alone = [digests(drive(MacGreedy(), at(problem, threshold))) for threshold in (0.05, 0.01)]
    assert proposed == list(dict.fromkeys([*alone[0], *alone[1]]))


@dataclass(frozen=True)
class Draws:
    """One random mapping a threshold, after so many that nobody hears of at the first."""

    before: int = 0

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        if problem.accuracy_limit.max_drop == 0.3:
            rng.random(self.before)
        yield [problem.pretrained(random_mapping(problem, rng))]


def test_each_threshold_has_randomness_of_its_own() -> None:
    """What one threshold draws does not change what the next one does."""
    problem = synthetic_problem(n_units=16, objectives=("latency_s", "drop"), max_drop=0.3)
    draws, thresholds = f"{__name__}:Draws", [0.2, 0.1, 0.05, 0.01]
    few, many = (drive(EachThreshold(draws, {"before": k}, thresholds), problem) for k in (0, 1))
    assert [evaluation.mapping for evaluation in few[1:]] == [
        evaluation.mapping for evaluation in many[1:]
    ]
    assert few[0].mapping != many[0].mapping
    assert len(few) == 5


def test_each_threshold_hands_arguments_on() -> None:
    strategy = EachThreshold("greedy", {"order": "sensitivity"}, [0.05])
    assert drive(strategy, fronted())[0].candidate.training == "none"
    with pytest.raises(InputError, match=r"each_threshold: strategy: unknown strategy 'mac_gredy'"):
        drive(EachThreshold("mac_gredy"), fronted())
    with pytest.raises(InputError, match="unknown argument 'ordr'"):
        drive(EachThreshold("greedy", {"ordr": "macs"}), fronted())
    with pytest.raises(InputError, match=r"thresholds: got \[0\]; must be in \(0, 1\]"):
        EachThreshold(thresholds=[0])


# --- HILAL ----------------------------------------------------------------------------------------

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


# --- ODiMO ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["latency_s", "energy_j"])
@pytest.mark.parametrize("digital", [(), ("fc2",)])
def test_odimo_hands_the_cost_of_every_mapping_to_the_oracle(
    objective: str, digital: tuple[str, ...]
) -> None:
    """Prices of units and pairs add up to the cost relative to all-digital, but for a constant."""
    problem = replace(tiny_problem(), objectives=("drop", objective), digital=digital)
    asked = question(problem, 0.5)
    assert asked.strength == 0.5
    assert asked.pairs, "the units share no data flow"
    offsets = []
    for mapping in every_mapping(problem):
        analog = {unit: int(mapping[unit] == "tile") for unit in mapping}
        predicted = sum(prices[analog[unit]] for unit, prices in asked.prices.items())
        for first, second, *table in asked.pairs:
            predicted += table[2 * analog[first] + analog[second]]
        cost, whole = (getattr(problem.cost(m), objective) for m in (mapping, problem.all_digital))
        offsets.append(cost / whole - predicted)
    assert set(asked.prices) == set(UNITS) - set(digital)
    np.testing.assert_allclose(offsets, offsets[0], atol=1e-12)


def test_odimo_evaluates_the_larger_shares_of_every_strength() -> None:
    shares = {0.1: [0.9, 0.2, 0.3, 0.4, 0.49], 1.0: [0.9, 0.8, 0.3, 0.51, 0.1], 2.0: [0.6] * 5}
    asked: list[float] = []

    def answer(of: Question) -> Answer:
        assert isinstance(of, LearnedShares)
        asked.append(of.strength)
        values = {"share": dict(zip(UNITS, shares[of.strength], strict=True))}
        return Answer(values=values, oracle_s=1.0)

    problem = replace(fronted(), answers=answer)
    candidates = [evaluation.candidate for evaluation in drive(Odimo([2.0, 0.1, 1.0]), problem)]
    analog = [("fc0",), ("fc0", "fc1", "fc3"), UNITS]
    assert candidates == [Candidate(problem.mapping(dict.fromkeys(u, "tile"))) for u in analog]
    assert asked == [0.1, 1.0, 2.0]


def test_odimo_refuses_what_makes_no_sense() -> None:
    with pytest.raises(InputError, match=r"strengths: got \[-1.0\]; must be one or more"):
        Odimo([-1.0])
    with pytest.raises(InputError, match="the study's oracle has no learned shares"):
        drive(Odimo(), replace(tiny_problem(), answers=None))

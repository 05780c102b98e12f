"""The drop is judged by a confidence bound, not by a lucky mean; wrong decisions are rare."""

from collections.abc import Callable
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.limits import LIONHEART_THRESHOLDS, AccuracyLimit, drop_excess
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.results.metrics import thresholds
from lionheart_opt.statistics.bounds import paired
from lionheart_opt.strategies.each_threshold import EachThreshold
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.synthetic import synthetic_problem

LIMIT = AccuracyLimit(max_drop=0.05, time_s=60.0, draws=(5, 10, 20), over="examples")
Q90 = AccuracyLimit(max_drop=0.05, time_s=60.0, quantile=0.9, draws=(10, 30, 60))
TIMES_S = (1.0, 60.0, 3600.0)


def accuracy(drops: list[float], baseline: float = 0.9) -> Accuracy:
    """Samples with the given drops at 60 s, and none at 1 s."""
    now = baseline - np.array(drops)
    samples = np.stack([np.full(len(drops), baseline), now], axis=1)
    return Accuracy(samples=samples, times_s=(1.0, 60.0), baseline=baseline)


def over_time(drops: np.ndarray, baseline: float = 0.9) -> Accuracy:
    """Samples with drops of shape (n_draws, 3)."""
    return Accuracy(samples=baseline - drops, times_s=TIMES_S, baseline=baseline)


def decide(limit: AccuracyLimit, answer: Accuracy) -> tuple[str, int]:
    """The decision as the problem takes it, look by look, and the draws that it took."""
    for draws in limit.draws:
        decision = limit.decision(replace(answer, samples=answer.samples[:draws]))
        if decision != "open":
            break
    return decision, draws


def wrong(
    limit: AccuracyLimit,
    drop: Callable[[np.random.Generator], np.ndarray],
    n: int,
    n_examples: int | None = None,
) -> dict[str, float]:
    """How often each decision is taken over n answers, shape of drops (max draws, n_times)."""
    rng = np.random.default_rng(0)
    counts = {"holds": 0, "broken": 0, "open": 0}
    for _ in range(n):
        answer = replace(over_time(drop(rng)), n_examples=n_examples)
        counts[decide(limit, answer)[0]] += 1
    return {name: count / n for name, count in counts.items()}


def test_bounds_are_students_t_widened_by_the_skewness_of_one() -> None:
    drops = [0.01, 0.03, 0.02, 0.05, 0.04]
    bounds = LIMIT.bounds(accuracy(drops))
    # The first look has a quarter of the error, as it has a quarter of the draws.
    student = stats.t(4).isf(0.05 / 4)
    width = student + (2 * student**2 + 1) / (6 * np.sqrt(5))
    error = np.std(drops, ddof=1) / np.sqrt(5)
    assert bounds.estimate == pytest.approx(0.03)
    assert bounds.low == pytest.approx(0.03 - width * error)
    assert bounds.high == pytest.approx(0.03 + width * error)


def test_the_time_of_the_limit_is_what_counts() -> None:
    early = AccuracyLimit(max_drop=0.05, time_s=1.0)
    bad_later = accuracy([0.3, 0.31, 0.29, 0.3, 0.32])
    assert early.decision(bad_later) == "holds"
    assert LIMIT.decision(bad_later) == "broken"
    assert replace(LIMIT, time_s=(1.0, 60.0)).decision(bad_later) == "broken"


def test_of_several_times_the_worst_counts() -> None:
    rng = np.random.default_rng(0)
    drops = np.array([0.02, 0.04, 0.03]) + 0.001 * rng.normal(size=(20, 3))
    every = replace(LIMIT, time_s=TIMES_S).bounds(over_time(drops))
    alone = [replace(LIMIT, time_s=time_s).bounds(over_time(drops)) for time_s in TIMES_S]
    assert every.estimate == alone[1].estimate
    assert every.high == alone[1].high, "acceptance needs no correction for the number of times"
    assert every.low < alone[1].low, "rejection by any of three does"


def test_near_the_threshold_more_draws_are_asked_for() -> None:
    assert LIMIT.decision(accuracy([0.0, 0.08, 0.02, 0.07, 0.05])) == "open"
    assert LIMIT.decision(accuracy([0.02])) == "open"


def test_what_is_open_does_not_pass_as_feasible() -> None:
    undecided = accuracy([0.0, 0.08, 0.02, 0.07, 0.05])
    assert LIMIT.bounds(undecided).high > LIMIT.max_drop
    assert np.mean(undecided.drops_at(60.0)) < LIMIT.max_drop


def test_all_digital_holds_at_once_with_a_zero_threshold() -> None:
    limit = AccuracyLimit(max_drop=0.0, time_s=60.0)
    assert decide(limit, accuracy([0.0] * 20)) == ("holds", 5)
    assert limit.bounds(accuracy([0.0, 0.0])).high == 0.0
    share = replace(limit, quantile=0.9, draws=(5, 40))
    assert decide(share, accuracy([0.0] * 40)) == ("holds", 40)


def test_bounds_without_enough_draws_are_those_of_any_drop() -> None:
    for limit in (LIMIT, Q90):
        bounds = limit.bounds(accuracy([0.02]))
        assert vars(bounds) == pytest.approx({"estimate": 0.02, "low": -0.1, "high": 0.9})


@given(
    st.lists(st.floats(-0.1, 0.9), min_size=1, max_size=60),
    st.floats(0, 1),
    st.sampled_from([None, 0.1, 0.5, 0.9]),
)
def test_decision_and_upper_bound_agree(
    drops: list[float], max_drop: float, quantile: float | None
) -> None:
    limit = replace(LIMIT, max_drop=max_drop, quantile=quantile, draws=(5, 10, 60))
    answer = accuracy(drops)
    bounds = limit.bounds(answer)
    assert bounds.low - 1e-12 <= bounds.estimate <= bounds.high + 1e-12
    assert (limit.decision(answer) == "holds") == (drop_excess(bounds.high, limit.max_drop) <= 0)
    assert np.isfinite(bounds.high)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 0.8]))
def test_more_confidence_is_harder_to_please(seed: int, quantile: float | None) -> None:
    drops = np.random.default_rng(seed).normal(0.04, 0.02, size=50).tolist()
    limit = replace(LIMIT, quantile=quantile, draws=(5, 50))
    bounds = [
        replace(limit, confidence=confidence).bounds(accuracy(drops)).high
        for confidence in (0.6, 0.9, 0.99)
    ]
    assert bounds == sorted(bounds)


SHAPES = {
    "normal": (lambda rng, size: rng.normal(size=size), 0.0),
    "skewed to large drops": (lambda rng, size: rng.gamma(4.0, size=size), 4.0),
    "skewed to small drops": (lambda rng, size: -rng.gamma(4.0, size=size), -4.0),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("draws", [(5, 10, 20), (2, 4, 8)])
def test_wrong_decisions_about_a_mean_are_rare(shape: str, draws: tuple[int, ...]) -> None:
    """True mean at the threshold, where mistakes are most frequent; skewness 1 where there is any."""
    sample, mean = SHAPES[shape]
    limit = replace(LIMIT, draws=draws)

    def drops(rng: np.random.Generator) -> np.ndarray:
        return 0.05 + 0.005 * (sample(rng, (20, 1)) - mean) * np.ones(3)

    shares = wrong(limit, drops, 2500)
    assert max(shares["holds"], shares["broken"]) <= 0.05 + 2 * 0.0044  # standard errors


def test_few_examples_do_not_make_draws_certain() -> None:
    """Draws that agree, but only because accuracy is a multiple of 1 / 200."""

    def drops(rng: np.random.Generator) -> np.ndarray:
        return np.round(200 * rng.normal(0.0525, 0.0015, size=(20, 1))) / 200 * np.ones(3)

    rng = np.random.default_rng(1)
    mean = float(np.mean([drops(rng).mean() for _ in range(5000)]))
    limit = replace(LIMIT, max_drop=mean, draws=(2, 4, 8))
    assert wrong(limit, drops, 1000)["holds"] > 0.2, "without the number of examples"
    shares = wrong(limit, drops, 1000, n_examples=200)
    assert max(shares["holds"], shares["broken"]) <= 0.05


@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_wrong_decisions_about_a_quantile_are_rare_for_any_distribution(quantile: float) -> None:
    limit = replace(Q90, quantile=quantile)
    names = {
        "holds": 1e-9,
        "broken": -1e-9,
    }  # the true quantile just above and just at the threshold
    for name, shift in names.items():

        def drops(rng: np.random.Generator, shift: float = shift) -> np.ndarray:
            chances = rng.uniform(size=(60, 1))  # heavy-tailed; the quantile is at the threshold
            drop = 0.05 + shift + 0.01 * ((1 - quantile) / (1 - chances) - 1)
            return np.minimum(drop, 0.9) * np.ones(3)

        assert wrong(limit, drops, 2000)[name] <= 0.05 + 2 * 0.005


def test_wrong_decisions_over_several_times_are_rare() -> None:
    limit = replace(LIMIT, time_s=TIMES_S)

    def independent(rng: np.random.Generator) -> np.ndarray:
        return rng.normal(0.05 - 1e-6, 0.01, size=(20, 3))

    assert wrong(limit, independent, 2000)["broken"] <= 0.05 + 2 * 0.005

    def one_fails(rng: np.random.Generator) -> np.ndarray:
        return rng.normal([0.0, 0.05 + 1e-6, 0.0], 0.01, size=(20, 3))

    assert wrong(limit, one_fails, 2000)["holds"] <= 0.05 + 2 * 0.005


def test_clear_cases_are_decided_early_and_right() -> None:
    rng = np.random.default_rng(0)
    for mean, answer in ((0.01, "holds"), (0.09, "broken")):
        decisions = [
            decide(LIMIT, accuracy(rng.normal(mean, 0.005, 20).tolist())) for _ in range(200)
        ]
        assert {decision for decision, _ in decisions} == {answer}
        assert np.mean([draws for _, draws in decisions]) < 6


def test_a_quantile_is_decided_by_counting() -> None:
    """29 draws show that 90 % stay within if none is above (0.9^29 < 5 %); 28 do not."""
    limit = replace(Q90, draws=(29,))
    assert limit.decision(accuracy([0.01] * 29)) == "holds"
    assert limit.decision(accuracy([0.01] * 28 + [0.06])) == "open"
    bounds = limit.bounds(accuracy(np.linspace(0, 0.28, 29).tolist()))
    assert bounds.estimate == pytest.approx(0.26) and bounds.high == pytest.approx(0.28)
    # The lower bound is the 23rd of 29 draws: P(Bin(29, 0.9) <= 22) <= 5 % < P(... <= 23).
    assert stats.binom.cdf(22, 29, 0.9) <= 0.05 < stats.binom.cdf(23, 29, 0.9)
    assert bounds.low == pytest.approx(0.22)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantile": 0.9, "draws": (5, 10, 20)}, "the quantile 0.9 .* at least 29$"),
        ({"quantile": 0.99, "draws": (5,)}, "at least 299$"),
        ({"draws": (1,)}, "a mean .* at least 2$"),
        ({"draws": (5, 5)}, r"draws: got \[5, 5\]"),
        ({"draws": ()}, "draws"),
        ({"quantile": 1.0}, "quantile: got 1"),
        ({"quantile": 0.0}, "quantile: got 0; must be between"),
        ({"confidence": 1.0}, "confidence: got 1"),
        ({"draws": (0, 5)}, r"draws: got \[0, 5\]"),
        ({"confidence": 0.5}, "confidence: got 0.5"),
        ({"time_s": ()}, "time_s"),
        ({"time_s": (60.0, nan)}, "time_s: got nan"),
        ({"time_s": inf}, "time_s: got inf"),
        ({"time_s": -1.0}, "time_s: got -1"),
        ({"max_drop": nan}, "max_drop: got nan"),
        ({"max_drop": inf}, "max_drop: got inf"),
    ],
)
def test_limits_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(LIMIT, **change)


@given(st.sampled_from([0.5, 0.8, 0.9, 0.95]), st.lists(st.integers(1, 80), min_size=1, max_size=3))
def test_the_number_of_draws_that_is_asked_for_suffices(quantile: float, looks: list[int]) -> None:
    draws = tuple(sorted(set(looks)))
    try:
        limit = replace(Q90, quantile=quantile, draws=draws)
    except InputError as error:
        needed = int(str(error).rsplit(" ", 1)[1])
        limit = replace(Q90, quantile=quantile, draws=(*draws[:-1], needed))
        with pytest.raises(InputError):
            replace(Q90, quantile=quantile, draws=(*draws[:-1], needed - 1))
    assert decide(limit, accuracy([0.0] * limit.draws[-1]))[0] == "holds"


def test_lionhearts_thresholds_are_those_of_its_paper() -> None:
    """0.5, 1, 3, 5 and 10 points (IEEE TETC 2025, section IV-B4); named here and nowhere else."""
    assert LIONHEART_THRESHOLDS == (0.005, 0.01, 0.03, 0.05, 0.1)
    assert tuple(EachThreshold().thresholds) == LIONHEART_THRESHOLDS
    assert tuple(Knapsack().thresholds) == LIONHEART_THRESHOLDS
    assert thresholds(AccuracyLimit(max_drop=0.03, time_s=60.0)) == (0.005, 0.01, 0.03)


def test_a_drop_of_just_the_threshold_holds() -> None:
    """Draws that agree leave no doubt, and `at most` includes the threshold itself."""
    limit = replace(LIMIT, max_drop=0.25)
    assert limit.decision(accuracy([0.25] * 5, baseline=0.75)) == "holds"
    above = float(np.nextafter(0.25, 1.0))
    assert replace(limit, max_drop=0.25 - 1e-9).decision(accuracy([above] * 5, 0.75)) == "broken"


def test_a_number_of_draws_between_looks_counts_as_the_later_look() -> None:
    """At a look its own share of the error counts, before it no more."""
    drops = [0.01, 0.03, 0.02, 0.05, 0.04, 0.02, 0.03]
    between, later = LIMIT.bounds(accuracy(drops)), replace(LIMIT, draws=(5, 7, 20))
    student = stats.t(6).isf(0.05 * (10 - 5) / 20)
    width = student + (2 * student**2 + 1) / (6 * np.sqrt(7))
    high = np.mean(drops) + width * np.std(drops, ddof=1) / np.sqrt(7)
    assert between.high == pytest.approx(high)
    assert later.bounds(accuracy(drops)).high > between.high


def test_common_draws_make_differences_sure() -> None:
    """Two mappings that share most of their analog units, from the made-up oracle."""
    problem = synthetic_problem(n_units=8, seed=1)
    fidelity = Fidelity(draws=(0, 20))
    unit = min(problem.units, key=problem.workload.unit_macs)
    more = problem.pretrained(problem.all_analog)
    less = problem.pretrained(problem.all_analog.move(unit.name, "cpu"))
    a, b = (
        problem.oracle.accuracy(problem.resolved(candidate), fidelity, problem.seed)
        for candidate in (more, less)
    )
    day_s = 86_400.0
    difference = paired(a, b, day_s)
    assert difference.low > 0, "more analog units lose more"
    assert difference.estimate == pytest.approx(np.mean(a.drops_at(day_s) - b.drops_at(day_s)))
    shuffled = replace(b, samples=np.random.default_rng(0).permutation(b.samples))
    unpaired = paired(a, shuffled, day_s)
    assert unpaired.estimate == pytest.approx(difference.estimate)
    assert unpaired.high - unpaired.low > 3 * (difference.high - difference.low)
    swapped = paired(b, a, day_s)
    assert (swapped.low, swapped.high) == pytest.approx((-difference.high, -difference.low))


def test_only_the_draws_that_both_have_are_paired() -> None:
    a, b = accuracy([0.01, 0.03, 0.02, 0.9]), accuracy([0.0, 0.01, 0.01])
    difference = paired(a, b, 60.0)
    assert difference.estimate == pytest.approx(0.04 / 3)
    with pytest.raises(ValueError, match="baselines"):
        paired(a, accuracy([0.0, 0.01], baseline=0.8), 60.0)


@pytest.mark.parametrize(("most", "is_accepted"), [(1.0, True), (2.0, False)])
def test_a_share_that_cannot_be_lost_is_no_limit(most: float, is_accepted: bool) -> None:
    """50 was meant as per cent; perplexity may rise by any share."""
    limit = AccuracyLimit(max_drop=most, time_s=1.0, relative=True)
    limit.check(Metric(name="perplexity", higher_is_better=False, high=inf, relative=True))
    if is_accepted:
        limit.check(replace(ACCURACY, relative=True))
    else:
        with pytest.raises(InputError, match=r"max_relative_drop: got 2; must be from 0 to 1"):
            limit.check(replace(ACCURACY, relative=True))

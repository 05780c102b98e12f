"""What a search found, read back: incumbent, front, frames; every number worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from front_door import made_up
from made_up_costs import with_tiles
from made_up_runs import answer, made_up_problem, priced_problem, search

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.limits import drop_excess
from lionheart_opt.results.frames import COLUMNS
from lionheart_opt.results.result import SearchResult
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.plan import Budget, SearchPlan
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import tiny_problem


@pytest.fixture(scope="module")
def result() -> SearchResult:
    """1, 3, 2 and 5 of five units analog: the third is slower and worse than the second."""
    problem = made_up_problem(cost_limits={"energy_j": 4.5})
    answers = (
        answer(problem, 0, None),  # 5 J: breaks the energy limit
        answer(problem, 1, 0.01),
        answer(problem, 3, 0.02),
        answer(problem, 2, 0.05),
        answer(problem, 5, 0.5),
    )
    return search(
        "x", *answers, problem=problem, trials=(0, 1, 3, 4, 7), answers_s=2.0, proposals=10
    )


def test_incumbent_and_front(result):
    assert result.best is result.evaluations[2] and result.best_trial == 3
    assert result.front() == [result.evaluations[2], result.evaluations[1]]
    assert [evaluation.feasible for evaluation in result.evaluations] == [
        *(False, True, True, True, False),
    ]
    nothing = search("y", result.evaluations[4], problem=result.problem)
    assert nothing.best is None and nothing.best_trial is None and nothing.front() == []


def test_the_frame(result):
    frame = result.to_frame()
    assert list(frame["trial"]) == [0, 1, 3, 4, 7]
    assert list(frame["latency_s"]) == [5.0, 4.5, 3.5, 4.0, 2.5] == list(frame["interval_s"])
    assert list(frame["energy_j"]) == [5.0, 4.25, 2.75, 3.5, 1.25]
    assert list(frame["speedup"]) == [5 / 5, 5 / 4.5, 5 / 3.5, 5 / 4, 5 / 2.5]
    assert list(frame["energy_gain"]) == [5 / 5, 5 / 4.25, 5 / 2.75, 5 / 3.5, 5 / 1.25]
    assert list(frame["feasible"]) == [False, True, True, True, False]
    np.testing.assert_allclose(frame["drop"], [np.nan, 0.01, 0.02, 0.05, 0.5])
    np.testing.assert_allclose(frame["drop_high"], [np.nan, 0.01, 0.02, 0.05, 0.5])
    assert list(frame["oracle_s"]) == [0.0, 1.0, 1.0, 1.0, 1.0]
    macs = [result.problem.workload.unit_macs(unit) for unit in result.problem.workload.units]
    ratios = [sum(macs[:k]) / sum(macs) for k in (0, 1, 3, 2, 5)]
    assert list(frame["analog_mac_ratio"]) == pytest.approx(ratios)
    assert list(frame["mapping"]) == [evaluation.mapping for evaluation in result.evaluations]
    assert frame.dtypes.astype(str).to_dict() == COLUMNS
    assert (
        frame.set_index("trial").loc[frame.set_index("trial")["latency_s"].idxmin(), "drop"] == 0.5
    )


def test_seconds_repeats_and_points(result):
    assert result.oracle_s == 4 * 1.0 + 2.0 and result.repeats == pytest.approx(0.5)
    assert search("y", problem=result.problem).repeats is None
    assert len(result.measured) == len(result.bounds) == len(result.points) == 4
    np.testing.assert_allclose(result.points, [[0.9, 0.01], [0.7, 0.02], [0.8, 0.05], [0.5, 0.5]])
    assert search("y", problem=result.problem).points.shape == (0, 2)


def test_thresholds(result):
    assert result.feasible_at(0.021) == [result.evaluations[1], result.evaluations[2]]
    assert result.fastest_at(0.015) is result.evaluations[1]
    assert result.fastest_at(0.9) is result.evaluations[4]
    assert result.fastest_at(0.001) is None


def test_a_trial_is_found_by_its_number(result):
    assert result.evaluation(3) is result.evaluations[2] and result.numbers == (0, 1, 3, 4, 7)
    with pytest.raises(InputError, match="x/seed0: trial: got 2; finished trials: 0, 1, 3, 4, 7"):
        result.evaluation(2)
    with pytest.raises(InputError, match="finished trials: none"):
        search("y", problem=result.problem).evaluation(0)
    assert list(search("y", result.evaluations[1], problem=result.problem).numbers) == [0]


def test_it_is_read_from_a_record():
    problem = made_up_problem(
        cost_model=lo.search(made_up_problem(), "random", trials=0).problem.cost_model
    )
    record = Record(problem, InMemory("a/seed2"))
    Search(record, Random(), 2, Budget(trials=4)).run()
    plan = SearchPlan(label="a", strategy=Random(), arguments={}, seed=2, budget=Budget(trials=4))
    result = SearchResult.read(record, plan)
    assert (result.name, result.label, result.seed) == ("a/seed2", "a", 2)
    assert result.strategy == "lionheart_opt.strategies.random:Random"
    assert list(result.trials) == [0, 1, 2, 3] and result.evaluations == record.evaluations()
    assert result.oracle_s == pytest.approx(record.oracle_s)
    assert result.proposals is not None and result.proposals >= 4 and result.budget.trials == 4


def test_its_representation(result):
    text = (
        "SearchResult('x', seed 0: 5 trials, 6 oracle seconds; candidate: trial 3, speed-up 1.43x, "
    )
    assert repr(result) == text + "energy gain 1.82x)"
    assert "nothing feasible" in repr(search("y", problem=result.problem))
    assert "<table" in search("y", problem=result.problem)._repr_html_()


@pytest.fixture(scope="module")
def problem() -> lo.Problem:
    return made_up()


TYPES = {
    "trial": "int64",
    "mapping": "object",
    "verdict": "object",
    "fits": "bool",
    "feasible": "bool",
    "best": "bool",
    "diverged": "bool",
    "failed": "bool",
    **dict.fromkeys(
        (
            *("latency_s", "energy_j", "interval_s", "speedup", "energy_gain"),
            *("analog_mac_ratio", "drop", "drop_high", "oracle_s"),
            *("latency_low_s", "latency_high_s", "interval_low_s", "interval_high_s"),
            *("energy_low_j", "energy_high_j", "speedup_low", "speedup_high"),
            *("energy_gain_low", "energy_gain_high"),
        ),
        "float64",
    ),
}


def test_frames_hold_what_the_evaluations_hold(problem):
    half = lo.cost(problem.workload).latency_s * 1.2
    limited = made_up(cost_limits={"latency_s": half})
    result = lo.search(limited, "random", trials=12)
    frame = result.to_frame()
    assert list(frame.columns) == [
        *("trial", "mapping", "latency_s", "energy_j", "interval_s", "speedup", "energy_gain"),
        *("analog_mac_ratio", "fits", "drop", "drop_high", "feasible", "best", "verdict"),
        *("oracle_s", "diverged", "failed"),
        *("latency_low_s", "latency_high_s", "interval_low_s", "interval_high_s"),
        *("energy_low_j", "energy_high_j", "speedup_low", "speedup_high"),
        *("energy_gain_low", "energy_gain_high"),
    ]
    assert frame.dtypes.astype(str).to_dict() == TYPES
    digital = limited.cost(limited.all_digital)
    unpriced = 0
    for number, (row, evaluation) in enumerate(
        zip(frame.itertuples(index=False), result.evaluations, strict=True)
    ):
        cost, mapping = limited.cost(evaluation.mapping), evaluation.mapping
        assert (row.trial, row.mapping, row.oracle_s) == (number, mapping, evaluation.oracle_s)
        assert (row.latency_s, row.energy_j, row.interval_s) == (
            *(cost.latency_s, cost.energy_j, cost.time_per_inference_s),
        )
        assert row.speedup == digital.latency_s / cost.latency_s
        assert row.energy_gain == digital.energy_j / cost.energy_j
        macs = {unit.name: limited.workload.unit_macs(unit) for unit in limited.workload.units}
        analog = sum(macs[unit] for unit in mapping.units_on("tile"))
        assert row.analog_mac_ratio == pytest.approx(analog / limited.workload.macs)
        assert row.best == (evaluation is result.best)
        assert row.feasible == all(excess <= 0 for excess in evaluation.violations.values())
        if evaluation.accuracy is None:
            unpriced += 1
            assert np.isnan(row.drop) and np.isnan(row.drop_high) and not row.feasible
        else:
            bounds = limited.accuracy_limit.bounds(evaluation.accuracy)
            assert (row.drop, row.drop_high) == (bounds.estimate, bounds.high)
            assert row.drop == pytest.approx(np.mean(evaluation.accuracy.drops_at(86_400.0)))
    assert 0 < unpriced < len(frame)


def test_the_frame_says_what_fits():
    small = with_tiles(tiny_problem(), 1)
    frame = lo.search(small, "exhaustive", trials=100).to_frame()
    one = [len(mapping.units_on("tile")) <= 1 for mapping in frame["mapping"]]
    assert list(frame["fits"]) == one and len(set(one)) == 2


def test_an_empty_result_is_a_frame_with_the_same_types(problem):
    result = lo.search(problem, "random", trials=0)
    assert len(result) == 0 and result.best_trial is None
    assert result.best is not None and result.best.mapping == problem.all_digital
    assert [evaluation.mapping for evaluation in result.front()] == [problem.all_digital]
    assert result.to_frame().dtypes.astype(str).to_dict() == TYPES
    assert "nothing beats all-digital" in repr(result)


def test_the_best_mapping_has_intervals():
    problem = priced_problem()
    answers = [answer(problem, k, drop) for k, drop in ((1, 0.01), (2, 0.02), (3, 0.5))]
    result = search("x", *answers, problem=problem)
    best = problem.cost(answers[1].mapping)
    assert result.best_estimates["latency_s"] == best.estimate("latency_s")
    gain = best.gain_over(problem.digital_cost, "energy_j")
    assert result.best_estimates["energy_gain"] == gain and gain.low < gain.value < gain.high


def test_without_a_best_mapping_none_is_known_better():
    problem = priced_problem()
    nothing = search("x", answer(problem, 3, 0.5), problem=problem)
    assert nothing.best_estimates == {}
    assert nothing.to_frame(intervals=False)["speedup_low"].isna().all()


@pytest.mark.parametrize("ulp", [-1, 0, 1, 4, 10_000])
def test_mappings_at_a_threshold_are_those_that_the_limit_would_accept(ulp):
    """Rounding decides alike, however many mappings there are."""
    problem = made_up_problem()
    drops = [0.001 * k for k in range(1, 30)]
    run = search("x", *(answer(problem, 1, drop) for drop in drops), problem=problem)
    for bounds in run.bounds:
        threshold = bounds.high + ulp * np.spacing(bounds.high)
        expected = [
            each
            for each, own in zip(run.measured, run.bounds, strict=True)
            if drop_excess(own.high, threshold) <= 0
        ]
        assert [id(each) for each in run.feasible_at(threshold)] == [id(each) for each in expected]

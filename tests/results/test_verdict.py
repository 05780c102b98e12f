"""Finalists are measured again, once each, on draws and data that they were not chosen by."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from made_up_runs import answer, first_analog, made_up_problem, search

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.mapping import Candidate
from lionheart_opt.results.comparison import comparison
from lionheart_opt.results.verdict import accuracy_bounds, check_finalists, finalists
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Budget, Search
from lionheart_opt.synthetic import tabulated
from lionheart_opt.testing import tiny_problem


def test_a_front_is_checked_at_every_threshold():
    problem = made_up_problem()
    answers = [answer(problem, k, drop) for k, drop in ((1, 0.004), (2, 0.02), (3, 0.06), (4, 0.2))]
    run = search("x", *answers, problem=problem)
    # 0.5 and 1 point: one unit; 3 and 5: two; 10 (and the incumbent): three
    assert [len(finalist.mapping.units_on("tile")) for finalist in finalists(run)] == [3, 1, 2]
    one_goal = replace(problem, objectives=("latency_s",))
    single = search("x", *(answer(one_goal, k, 0.004) for k in (1, 2)), problem=one_goal)
    assert [len(finalist.mapping.units_on("tile")) for finalist in finalists(single)] == [2]


@dataclass
class Checking:
    """Answers from the table; its test data are one point worse."""

    table: object
    asked: list = field(default_factory=list)

    def accuracy(self, candidate, fidelity, seed):
        return self.table.accuracy(candidate, fidelity, seed)

    def final_checks(self, candidate, fidelity, seed):
        self.asked.append((candidate.mapping, fidelity))
        accuracy = self.accuracy(candidate, fidelity, seed)
        return {"test": replace(accuracy, samples=accuracy.samples - 0.01)}


def test_checks_are_kept_and_never_repeated():
    problem = replace(tiny_problem(max_drop=0.1), objectives=("latency_s", "drop"))
    oracle = Checking(problem.oracle)
    record = Record(problem)
    Search(record, Random(), 0, Budget(trials=20)).run()
    check_finalists(record, oracle)
    run = search("x", *record.evaluations(), problem=problem, checks=record.keeper.checks())
    chosen = finalists(run)
    assert len(chosen) > 1 and [mapping for mapping, _ in oracle.asked] == [
        finalist.mapping for finalist in chosen
    ]
    assert {fidelity.draws for _, fidelity in oracle.asked} == {(0, 8)}, "all draws of the limit"
    check_finalists(record, oracle)
    assert len(oracle.asked) == len(chosen)
    check_finalists(record, object())  # an oracle that cannot: nothing happens
    [row] = comparison([run])["strategies"]
    for at in row["thresholds"]:
        fastest = run.fastest_at(at["max_drop"])
        assert at["checks"]["test"]["seeds"] == 1
        samples = run.checks[fastest.candidate.digest]["test"].drops_at(86_400.0)
        assert at["checks"]["test"]["drop"]["median"] == pytest.approx(samples.mean())
        within = samples.mean() <= at["max_drop"]
        assert at["checks"]["test"]["seeds_within"] == within
        low, high = at["checks"]["test"]["drop"]["interval"]
        assert low <= samples.mean() <= high


def test_the_interval_of_an_accuracy_worked_out_by_hand():
    limit = made_up_problem().accuracy_limit
    samples = np.array([[0.88], [0.9], [0.9], [0.92]])
    accuracy = Accuracy(samples=samples, times_s=(86_400.0,), baseline=0.95)
    draws = 3.18245 * np.sqrt(0.0008 / 3) / 2  # Student's t, 3 degrees of freedom
    bounds = accuracy_bounds(accuracy, limit)
    assert bounds.estimate == pytest.approx(0.9)
    assert (bounds.low, bounds.high) == pytest.approx((0.9 - draws, 0.9 + draws), rel=1e-4)
    examples = 1.95996 * np.sqrt(0.9 * 0.1 / 900)
    wider = accuracy_bounds(replace(accuracy, n_examples=900), limit)
    assert wider.high - 0.9 == pytest.approx(np.hypot(draws, examples), rel=1e-4)
    alone = accuracy_bounds(replace(accuracy, samples=samples[:1]), limit)
    assert (alone.low, alone.high) == (0.0, 1.0), "one draw says nothing of the others"
    twice = Accuracy(samples=np.array([[0.9, 0.5], [0.9, 0.5]]), times_s=(1.0, 60.0), baseline=0.95)
    both = replace(limit, time_s=(1.0, 60.0))
    assert accuracy_bounds(twice, both).estimate == pytest.approx(0.5), "the worst of the times"


def test_a_table_checks_with_the_draws_that_no_search_has_seen():
    problem = tiny_problem()
    table = tabulated(problem)  # eight draws
    candidate = Candidate(first_analog(problem, 2), training="full")
    [(name, fresh)] = table.final_checks(candidate, Fidelity(draws=(0, 5)), 0).items()
    assert name == "fresh draws"
    whole = table.accuracy(candidate, Fidelity(draws=(0, 8)), 0)
    assert np.array_equal(fresh.samples, whole.samples[5:])
    assert table.final_checks(candidate, Fidelity(draws=(0, 8)), 0) == {}
    assert table.final_checks(candidate, Fidelity(draws=(0, 7)), 0) == {}

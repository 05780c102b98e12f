"""Finalists are measured again, once each, on draws and data that they were not chosen by."""

from dataclasses import dataclass, field, replace

import pytest
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.results.comparison import comparison
from lionheart_opt.results.finalists import check_finalists, finalists, ladder
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import tiny_problem


def ladder_of(*pairs):
    """Numbers of analog units on the ladder of a search that measured (units, drop)."""
    problem = made_up_problem(objectives=("latency_s",))
    run = search("x", *(answer(problem, k, drop) for k, drop in pairs), problem=problem)
    return [len(each.mapping.units_on("tile")) for each in ladder(run)]


def test_the_ladder_goes_from_the_safest_to_the_cheapest():
    assert ladder_of((1, 0.004), (2, 0.02), (3, 0.06)) == [1, 2, 3]
    assert ladder_of((3, 0.06), (2, 0.02), (1, 0.004)) == [1, 2, 3], "whatever their order"
    assert ladder_of((1, 0.03), (2, 0.02), (3, 0.06)) == [2, 3], "dearer and less safe: left out"
    assert ladder_of((1, 0.004), (2, 0.02), (3, 0.2)) == [1, 2], "not feasible"
    assert ladder_of((1, 0.05), (2, 0.01)) == [2]
    assert ladder_of((0, 0.0)) == [] == ladder_of((2, 0.5)), "all-digital needs no test"
    assert ladder_of(*((k, 0.01 * k) for k in range(1, 6))) == [1, 3, 4, 5], "at most four"


def test_a_front_is_checked_at_every_threshold():
    problem = made_up_problem()
    answers = [answer(problem, k, drop) for k, drop in ((1, 0.004), (2, 0.02), (3, 0.06), (4, 0.2))]
    run = search("x", *answers, problem=problem)
    # 0.5 and 1 point: one unit; 3 and 5: two; 10 (and the best): three
    assert [len(finalist.mapping.units_on("tile")) for finalist in finalists(run)] == [1, 2, 3]
    dearer = search("x", *(answer(problem, k, 0.004) for k in (1, 2)), problem=problem)
    assert [len(finalist.mapping.units_on("tile")) for finalist in finalists(dearer)] == [2]


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


def test_the_order_is_kept_before_anything_is_tested_and_a_failure_ends_it():
    problem = replace(tiny_problem(max_drop=0.1), objectives=("latency_s",))

    class Failing(Checking):
        def final_checks(self, candidate, fidelity, seed):
            assert record.keeper.order(), "it is known before the test data are seen"
            self.asked.append((candidate.mapping, fidelity))
            accuracy = self.accuracy(candidate, fidelity, seed)
            return {
                "test": replace(accuracy, samples=accuracy.samples - 0.3 * (len(self.asked) > 1))
            }

    oracle, record = Failing(problem.oracle), Record(problem)
    Search(record, Random(), 0, Budget(trials=20)).run()
    check_finalists(record, oracle)
    order = record.keeper.order()
    assert len(order) > 2 and len(oracle.asked) == 2
    result = search(
        "x", *record.evaluations(), problem=problem, checks=record.keeper.checks(), order=order
    )
    assert result.verdict is not None and result.verdict.verified is not None
    assert result.verdict.verified.candidate.digest == order[0]
    check_finalists(record, oracle)
    assert len(oracle.asked) == 2, "no second look at the test data"


def test_a_verdict_rests_on_as_many_trainings_as_asked_for():
    problem = replace(tiny_problem(max_drop=0.2), objectives=("latency_s",))
    seeds = []

    class Seeded(Checking):
        def final_checks(self, candidate, fidelity, seed):
            seeds.append(seed)
            return {
                **super().final_checks(candidate, fidelity, seed),
                "other": self.accuracy(candidate, fidelity, seed),
            }

    oracle, record = Seeded(problem.oracle), Record(problem)
    Search(record, Random(), 0, Budget(trials=20)).run()
    check_finalists(record, oracle, trainings=3)
    assert seeds[:3] == [0, 1, 2]
    done = len(seeds)
    check_finalists(record, oracle, trainings=3)
    assert len(seeds) == done, "each training is judged once"
    order, checks = record.keeper.order(), record.keeper.checks()
    run = search("x", *record.evaluations(), problem=problem, checks=checks, order=order)
    assert run.verdict is not None and run.verdict.trainings == 3
    assert list(checks[order[0]]) == ["test", "other", "test, training 2", "test, training 3"]
    [row] = comparison([run])["strategies"]
    assert list(row["drop_in_checks"]) == ["test", "other"]
    assert {name for each in row["thresholds"] for name in each["checks"]} <= {"test", "other"}

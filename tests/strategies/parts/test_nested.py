"""Searches within searches."""

from dataclasses import dataclass, replace

import pytest
from strategy_runs import run_inner

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.nested import nested, side_by_side
from lionheart_opt.strategy import Proposals
from lionheart_opt.testing import tiny_problem


@dataclass
class Inner:
    """Proposes given batches and keeps what it receives."""

    batches: list[list[Candidate]]

    def __post_init__(self) -> None:
        self.received: list[Evaluation] = []
        self.closed = False

    def search(self) -> Proposals:
        try:
            for batch in self.batches:
                self.received += yield batch
        finally:
            self.closed = True


def candidates(problem: Problem) -> list[Candidate]:
    units = [unit.name for unit in problem.units]
    return [problem.pretrained(problem.analog(units[:count])) for count in range(4)]


def test_an_inner_search_is_answered_in_terms_of_its_own_problem() -> None:
    problem = tiny_problem(max_drop=0.001)
    own = replace(
        problem,
        objectives=("energy_j", "drop"),
        accuracy_limit=replace(problem.accuracy_limit, max_drop=0.9),
    )
    first, second, third, _ = candidates(problem)
    inner = Inner([[first, second], [third]])
    asked, returned = run_inner(
        problem,
        nested(own, inner.search(), lambda candidate: candidate.with_training("one_shot")),
    )
    assert asked == [candidate.with_training("one_shot") for candidate in (first, second, third)]
    assert [evaluation.candidate for evaluation in inner.received] == [first, second, third]
    assert all(evaluation.feasible for evaluation in inner.received)
    assert {tuple(evaluation.objectives) for evaluation in inner.received} == {("energy_j", "drop")}
    assert [evaluation.candidate for evaluation in returned] == asked
    assert {tuple(evaluation.objectives) for evaluation in returned} == {("latency_s",)}
    for outer, own_evaluation in zip(returned, inner.received, strict=True):
        assert outer.accuracy is own_evaluation.accuracy
    assert inner.closed


def test_an_inner_search_returns_each_candidate_once() -> None:
    problem = tiny_problem()
    first, second, *_ = candidates(problem)
    asked, returned = run_inner(
        problem, nested(problem, Inner([[first], [second, first]]).search())
    )
    assert asked == [first, second, first]
    assert [evaluation.candidate for evaluation in returned] == [first, second]


@pytest.mark.parametrize(("most", "count"), [(1, 1), (2, 2), (3, 3), (4, 4), (None, 4)])
def test_an_inner_search_stops_at_its_most(most: int | None, count: int) -> None:
    problem = tiny_problem()
    first, second, third, fourth = candidates(problem)
    inner = Inner([[first], [second, third], [fourth]])
    asked, returned = run_inner(problem, nested(problem, inner.search(), most=most))
    assert len(asked) == len(returned) == count
    assert inner.closed


def test_an_inner_search_that_proposes_nothing_returns_nothing() -> None:
    search = nested(tiny_problem(), Inner([]).search())
    with pytest.raises(StopIteration) as stop:
        next(search)
    assert stop.value.value == []


def test_closing_the_outer_search_closes_the_inner_one() -> None:
    problem = tiny_problem()
    inner = Inner([[candidate] for candidate in candidates(problem)])
    search = nested(problem, inner.search())
    next(search)
    search.close()
    assert inner.closed


def test_an_inner_search_that_is_stopped_is_closed_at_once() -> None:
    """Not when nobody refers to it any more."""
    problem = tiny_problem()
    inner = Inner([[candidate] for candidate in candidates(problem)])
    search = inner.search()
    run_inner(problem, nested(problem, search, most=2))
    assert inner.closed and len(inner.received) == 2
    with pytest.raises(StopIteration):
        next(search)


def test_searches_side_by_side_each_hear_their_own_answers() -> None:
    problem = tiny_problem()
    mappings = problem.all_digital, problem.all_analog
    first, second = (problem.pretrained(mapping) for mapping in mappings)
    inner = [Inner([[first], [second, first]]), Inner([]), Inner([[second, second], [], [first]])]
    proposals = side_by_side([each.search() for each in inner])
    batches, batch = [], next(proposals)
    try:
        while True:
            batches.append(list(batch))
            batch = proposals.send([problem.evaluate(candidate) for candidate in batch])
    except StopIteration:
        pass
    assert batches == [[first, second, second], [second, first], [first]]
    for each in inner:
        received = [evaluation.candidate for evaluation in each.received]
        assert received == [candidate for batch in each.batches for candidate in batch]
        assert each.closed


def test_searches_side_by_side_are_closed_with_it() -> None:
    problem = tiny_problem()
    inner = [Inner([[problem.pretrained(problem.all_analog)]]) for _ in range(2)]
    proposals = side_by_side([each.search() for each in inner])
    next(proposals)
    proposals.close()
    assert all(each.closed for each in inner)

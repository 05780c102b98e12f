"""Where searches stand: an estimate of the time left that comes true, and the best so far."""

from __future__ import annotations

import pytest
from made_up_runs import answer, made_up_problem, priced_problem

from lionheart_opt.results.overview import Overview
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import tiny_problem


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def search(trials: int | None = 10, done: int = 0) -> Search:
    record = Record(tiny_problem(), InMemory())
    if done:
        Search(record, Random(), 0, Budget(trials=done)).run()
    return Search(record, Random(), 0, Budget(trials=trials))


def overview(*names: str, at_once: int = 1) -> tuple[Overview, Clock]:
    clock = Clock()
    return Overview(names=names, at_once=at_once, clock=clock), clock


def test_one_search():
    shown, clock = overview("a/seed0")
    standing = shown.start("a/seed0", search())
    assert shown.left_s is None, "nothing is known yet"
    clock.now_s = 8.0
    standing.update(4, 0.0)
    assert shown.left_s == pytest.approx(12.0)
    assert shown.text == "0 of 1 searches finished, 1 running, 12 s left at most"
    shown.end("a/seed0", "finished")
    assert shown.text == "1 of 1 searches finished"


def test_what_a_resumed_search_had_done_took_no_time():
    shown, clock = overview("a/seed0")
    standing = shown.start("a/seed0", search(trials=10, done=4))
    clock.now_s = 6.0
    standing.update(7, 0.0)
    assert shown.left_s == pytest.approx(6.0)


@pytest.mark.parametrize(("at_once", "left_s"), [(1, 25.0), (2, 12.5)])
def test_searches_that_wait_take_as_long_as_those_like_them(at_once, left_s):
    """One of `a` took 10 s, one of `b` has taken 5 s for half; another `a` waits, and another `b`."""
    shown, clock = overview("a/seed0", "b/seed0", "a/seed1", "b/seed1", at_once=at_once)
    shown.start("a/seed0", search()).update(10, 0.0)
    clock.now_s = 10.0
    shown.end("a/seed0", "budget spent")
    standing = shown.start("b/seed0", search())
    clock.now_s = 15.0
    standing.update(5, 0.0)
    # 5 s of b are left, and 10 s of a and of b
    assert shown.left_s == pytest.approx(left_s)
    assert shown.text.startswith("1 of 4 searches finished, 1 running, 2 waiting, ")


def test_a_search_that_is_alone_at_the_end_decides():
    shown, clock = overview("a/seed0", "b/seed0", at_once=4)
    first, second = shown.start("a/seed0", search()), shown.start("b/seed0", search())
    clock.now_s = 10.0
    first.update(9, 0.0)
    second.update(1, 0.0)
    assert shown.left_s == pytest.approx(90.0)


def test_without_a_budget_nothing_is_said_of_the_time():
    shown, clock = overview("a/seed0")
    standing = shown.start("a/seed0", search(trials=None))
    clock.now_s = 5.0
    standing.update(5, 10.0)
    assert shown.left_s is None and "left" not in shown.text


def test_the_best_is_that_of_the_record():
    run = search(trials=12, done=12)
    shown, _ = overview("a/seed0")
    standing = shown.start("a/seed0", search(trials=12))
    for evaluation in run.record.evaluations():
        standing.take(run.problem, [evaluation])
    resumed = shown.start("a/seed0", run)
    assert standing.best is resumed.best is not None


def test_the_speed_up_of_the_best_has_an_interval_that_is_found_once(monkeypatch):
    problem = priced_problem()
    shown, _ = overview("a/seed0")
    standing = shown.start("a/seed0", Search(Record(problem, InMemory()), Random()))
    assert standing.speedup is None, "nothing is feasible yet"
    asked = []

    def counted(mappings):
        asked.append(mappings)
        return type(problem).estimates(problem, mappings)

    monkeypatch.setitem(vars(problem), "estimates", counted)
    for k in (2, 1, 3):
        standing.take(problem, [answer(problem, k, 0.02)])
        known = problem.cost(standing.best.mapping).gain_over(problem.digital_cost, "interval_s")
        for _ in range(3):
            assert standing.speedup == pytest.approx(known)
    assert len(asked) == 2, "of the second, which is slower, nothing is asked"


def test_a_speed_up_of_which_nothing_is_known_has_none():
    problem = made_up_problem()
    shown, _ = overview("a/seed0")
    standing = shown.start("a/seed0", Search(Record(problem, InMemory()), Random()))
    standing.take(problem, [answer(problem, 2, 0.02)])
    assert standing.speedup == (pytest.approx(1 / 0.8), None, None)

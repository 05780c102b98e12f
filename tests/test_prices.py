"""Prices that are kept: of what, and for whom."""

import pickle
from dataclasses import replace

from made_up_runs import priced_problem

from lionheart_opt.prices import _Itself
from lionheart_opt.testing import tiny_problem


def test_another_process_prices_for_itself() -> None:
    problem = tiny_problem()
    problem.cost(problem.all_analog)
    again = pickle.loads(pickle.dumps(problem.prices))
    assert repr(again) == "Prices(0 mappings)"


def test_things_are_told_apart_by_what_they_are_and_not_by_what_they_equal() -> None:
    first, equal = [1], [1]
    assert _Itself(first) == _Itself(first) and hash(_Itself(first)) == hash(_Itself(first))
    assert _Itself(first) != _Itself(equal)
    assert _Itself(first) != first


def test_how_well_prices_are_known_is_found_once() -> None:
    """A problem that is made from another one shares that, too; another cost model does not."""
    problem = priced_problem()

    def shifts(of):
        return of.prices.shifts(of.cost_model, of.system, of.workload)

    again = replace(problem, training="none")
    other = replace(problem, cost_model=replace(problem.cost_model))
    assert shifts(problem) is not None and shifts(again) is shifts(problem)
    assert shifts(other) is not shifts(problem)
    assert shifts(tiny_problem()) is None

"""How runs begin: first proposals, or the first question."""

from dataclasses import dataclass

import pytest

from lionheart_opt.errors import Collected, InputError
from lionheart_opt.questions import Proxies
from lionheart_opt.study.openings import openings
from lionheart_opt.study.plan import Budget, SearchPlan
from lionheart_opt.testing import tiny_problem


@dataclass(frozen=True)
class Proposes:
    name: str

    def search(self, problem, rng):
        yield [problem.pretrained(problem.mapping({self.name: "tile"}))]
        raise AssertionError("only the first proposals are asked for")


@dataclass(frozen=True)
class Asks:
    def search(self, problem, rng):
        problem.ask(Proxies(units=("fc",)))
        yield []


@dataclass(frozen=True)
class Ends:
    def search(self, problem, rng):
        return
        yield


def begin(problem, oracle, *strategies):
    wrong = Collected()
    plans = [
        SearchPlan(label=label, strategy=strategy, arguments={}, seed=seed, budget=Budget())
        for label, strategy in enumerate_labels(strategies)
        for seed in (0, 1)
    ]
    begun = openings(
        problem, oracle, plans, lambda p: p.build(""), lambda p: f"run {p.name}", wrong
    )
    return begun, wrong


def enumerate_labels(strategies):
    return [(f"{type(strategy).__name__}{k}", strategy) for k, strategy in enumerate(strategies)]


def test_each_run_begins_once_with_its_first_seed():
    problem = tiny_problem()
    unit = problem.units[0].name
    begun, wrong = begin(problem, None, Proposes(unit), Asks(), Ends())
    assert not wrong.errors
    assert [opening.label for opening in begun] == ["Proposes0", "Asks1", "Ends2"]
    assert [len(opening.candidates) for opening in begun] == [1, 0, 0]
    assert begun[0].candidates[0].mapping[unit] == "tile"
    assert begun[1].question == Proxies(units=("fc",)) and begun[2].question is None


def test_everything_that_is_refused_is_said_in_the_order_of_the_runs():
    problem = tiny_problem()
    begun, wrong = begin(problem, problem.oracle, Proposes("no such"), Asks(), Ends())
    assert [opening.label for opening in begun] == ["Ends2"]
    first, second = map(str, wrong.errors)
    assert first.startswith("run Proposes0/seed0: ") and "'no such'" in first
    assert second.startswith("run Asks1/seed0: ") and "proxies" in second
    with pytest.raises(InputError):
        wrong.refuse()


@dataclass(frozen=True)
class Nothing:
    def search(self, problem, rng):
        yield None


@dataclass(frozen=True)
class Returns:
    def search(self, problem, rng):
        return []


def test_what_is_no_proposal_is_wrong_and_names_its_run():
    begun, wrong = begin(tiny_problem(), None, Nothing(), Returns())
    assert not begun
    assert [str(error).partition(";")[0] for error in wrong.errors] == [
        "run Nothing0/seed0: Nothing: yielded None",
        "run Returns1/seed0: Returns: search: got []",
    ]

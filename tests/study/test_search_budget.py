"""Budgets, repeats and replay of a search, counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Proxies, Question
from lionheart_opt.strategy import Proposals
from lionheart_opt.study import search as search_module
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Progress, ReplayDiverged, Search
from lionheart_opt.testing import tiny_problem

PROBLEM = tiny_problem()
#: Each evaluation of an analog mapping takes 600 s of training and 4 draws of 2 s.
EACH_S = 608.0


def analog(*units: str) -> Candidate:
    return PROBLEM.pretrained(PROBLEM.analog(units))


A, B, C, D, E = (analog(unit.name) for unit in PROBLEM.units)


@dataclass(frozen=True)
class Batches:
    """Proposes given batches, whatever the answers are; notes the answers."""

    batches: Sequence[Sequence[Candidate]]
    answers: list[list[Evaluation]] = field(default_factory=list)

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        for batch in self.batches:
            answers = yield batch
            self.answers.append(list(answers))


def search_of(*batches: Sequence[Candidate], record: Record | None = None, **budget: Any) -> Search:
    record = record or Record(tiny_problem(max_drop=0.9))
    return Search(record, Batches(batches), seed=7, budget=Budget(**budget))


def recorded(search: Search) -> list[Candidate]:
    return [evaluation.candidate for evaluation in search.record.evaluations()]


# --- budgets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("trials", [0, 1, 2, 3, 4, 5, 6])
def test_a_budget_may_end_within_a_batch(trials: int) -> None:
    search = search_of([A, B], [C, D, E], trials=trials)
    assert search.run() == ("finished" if trials >= 5 else "budget")
    assert recorded(search) == [A, B, C, D, E][:trials]
    assert search.spent() == (trials <= 5)


@pytest.mark.parametrize(
    ("oracle_s", "count"),
    [(0.0, 0), (1.0, 1), (EACH_S, 1), (EACH_S + 1, 2), (2 * EACH_S, 2), (3 * EACH_S, 3)],
)
def test_the_evaluation_that_passes_the_seconds_is_the_last(oracle_s: float, count: int) -> None:
    search = search_of([A, B], [C, D, E], oracle_s=oracle_s)
    assert search.run() == "budget"
    assert recorded(search) == [A, B, C, D, E][:count]
    assert search.record.oracle_s == count * EACH_S


def test_whichever_budget_is_spent_first_ends_the_search() -> None:
    for trials, oracle_s, count in ((2, 9 * EACH_S, 2), (4, 3 * EACH_S, 3)):
        search = search_of([A, B, C, D, E], trials=trials, oracle_s=oracle_s)
        assert search.run() == "budget" and len(search.record) == count


def test_without_a_budget_the_strategy_ends_the_search() -> None:
    search = search_of([A], [B], trials=None, oracle_s=None)
    assert search.run() == "finished" and not search.spent()


@dataclass
class Noting:
    """Workers that note what they are given."""

    given: list[list[Candidate]] = field(default_factory=list)

    def evaluate(
        self, candidates: Sequence[Candidate], left: list[Evaluation]
    ) -> Generator[Evaluation, None, None]:
        self.given.append(list(candidates))
        problem = tiny_problem(max_drop=0.9)
        yield from (problem.evaluate(candidate) for candidate in candidates)


def test_workers_get_what_the_budget_allows_and_nothing_else() -> None:
    workers = Noting()
    search = search_of([A, B, A], [B, C, D, C, E], trials=4)
    assert search.run(workers=workers) == "budget"  # type: ignore[arg-type]
    assert workers.given == [[A, B], [C, D]]
    assert recorded(search) == [A, B, C, D]


@pytest.mark.parametrize("budget", [{"trials": 1}, {"trials": 0}, {"oracle_s": EACH_S}])
def test_workers_get_nothing_once_the_budget_is_spent(budget: dict[str, float]) -> None:
    """Also where it is less than what an earlier run has spent."""
    first = search_of([A, B], record=None)
    first.run()
    workers = Noting()
    search = search_of([A, B], [C, D, E], record=first.record, **budget)
    assert search.run(workers=workers) == "budget"  # type: ignore[arg-type]
    assert not any(workers.given) and len(search.record) == 2


# --- repeats -------------------------------------------------------------------------------------


def test_repeats_are_answered_in_their_places_and_evaluated_once() -> None:
    search = search_of([A, B, A], [B, C, C], [])
    assert search.run() == "finished"
    assert recorded(search) == [A, B, C]
    answers = search.strategy.answers  # type: ignore[attr-defined]
    answered = [[evaluation.candidate for evaluation in batch] for batch in answers]
    assert answered == [[A, B, A], [B, C, C], []]
    assert answers[0][0] is answers[0][2]


@pytest.mark.parametrize(("repeats", "ending"), [(3, "finished"), (4, "repeats")])
def test_so_many_batches_in_a_row_may_be_repeats(
    repeats: int, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch with anything new begins the count anew."""
    monkeypatch.setattr(search_module, "MAX_REPEATS", 3)
    search = search_of([A], [A], [A], [A, B], *[[A, B]] * repeats, [C])
    assert search.run() == ending
    assert recorded(search) == ([A, B, C] if ending == "finished" else [A, B])


@pytest.mark.parametrize(
    ("batches", "trials", "proposals"),
    [
        ([[A, B]], None, 2),
        ([[A, B], [A]], None, 2),  # up to the last new one
        ([[A, B], [A], [A, C, C]], None, 6),
        ([[A, B], [A], [A, C, D]], 3, 5),  # `D` has not been answered
        ([[A, A]], None, 2),
    ],
)
def test_proposals_are_counted_up_to_the_last_new_one(
    batches: list[list[Candidate]], trials: int | None, proposals: int
) -> None:
    search = search_of(*batches, trials=trials)
    search.run()
    assert search.record.keeper.proposals == proposals


# --- replay --------------------------------------------------------------------------------------


def resumed(*batches: Sequence[Candidate], trials: int | None = None) -> Search:
    """A search whose record holds `A`, `B` and `C`."""
    first = search_of([A, B], [C])
    first.run()
    return search_of(*batches, record=first.record, trials=trials)


def test_replay_is_told_and_costs_nothing() -> None:
    seen: list[Progress] = []
    search = resumed([A, B], [C], [A, D])
    assert search.run(seen.append) == "finished"
    assert [(each.state, each.trials, each.oracle_s) for each in seen] == [
        ("replaying", 3, 3 * EACH_S),
        ("replaying", 3, 3 * EACH_S),
        ("evaluating", 3, 3 * EACH_S),
        ("answered", 4, 4 * EACH_S),
    ]
    assert [each.candidate for each in seen] == [None, None, D, None]
    assert [each.trial for each in seen] == [None, None, None, search.record.trials()[-1]]
    assert search.record.keeper.proposals == 5


@pytest.mark.parametrize(
    ("batches", "missing"),
    [
        ([[A, B], [D]], 1),
        ([[A, D]], 2),
        ([[D]], 3),
        ([[A], [C, D]], 1),
        ([[D], [A, B], [C]], 3),
    ],
)
def test_new_ground_before_the_record_is_exhausted_is_refused(
    batches: list[list[Candidate]], missing: int
) -> None:
    search = resumed(*batches)
    with pytest.raises(ReplayDiverged, match=f"holds {missing} trials .*Batches with seed 7"):
        search.run()
    assert recorded(search) == [A, B, C], "nothing was paid for"


@pytest.mark.parametrize("batches", [[[A, B, C, D]], [[C], [B, A, D]], [[B, A], [A], [D, C]]])
def test_what_is_recorded_may_come_in_the_batch_that_reaches_new_ground(
    batches: list[list[Candidate]],
) -> None:
    search = resumed(*batches)
    assert search.run() == "finished" and recorded(search) == [A, B, C, D]


def test_a_strategy_may_end_before_the_record_does() -> None:
    """Nothing new is asked for, so nothing can be wrong."""
    assert resumed([A]).run() == "finished"


def test_a_spent_budget_still_answers_from_the_record() -> None:
    search = resumed([A, B], [C], [D], trials=3)
    assert search.run() == "budget"
    assert len(search.strategy.answers) == 2  # type: ignore[attr-defined]
    assert recorded(search) == [A, B, C]


# --- questions -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asks:
    """Asks twice, each time before a candidate."""

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        for unit, candidate in (("fc0", A), ("fc1", B)):
            problem.ask(Proxies(units=(unit,)))
            yield [candidate]


def asking(budget: Budget, record: Record | None = None) -> tuple[Search, list[Question]]:
    asked: list[Question] = []

    def answer(question: Question) -> Answer:
        asked.append(question)
        return Answer(values={}, oracle_s=10.0)

    problem = replace(tiny_problem(max_drop=0.9), answers=answer)
    record = record or Record(problem)
    record.problem = problem
    return Search(record, Asks(), seed=0, budget=budget), asked


@pytest.mark.parametrize(
    ("budget", "trials", "questions"),
    [
        (Budget(), 2, 2),
        (Budget(trials=2), 2, 2),
        (Budget(trials=1), 1, 1),
        (Budget(trials=0), 0, 0),
        (Budget(oracle_s=10.0), 0, 1),  # the answer takes all of it
        (Budget(oracle_s=10.0 + EACH_S), 1, 1),
        (Budget(oracle_s=20.0 + EACH_S), 1, 2),
        (Budget(oracle_s=21.0 + EACH_S), 2, 2),
    ],
)
def test_answers_beside_accuracy_spend_the_budget(
    budget: Budget, trials: int, questions: int
) -> None:
    search, asked = asking(budget)
    assert search.run() == ("finished" if (trials, questions) == (2, 2) else "budget")
    assert (len(search.record), len(asked)) == (trials, questions)
    assert search.record.oracle_s == trials * EACH_S + questions * 10.0


def test_recorded_answers_are_free_when_the_budget_is_spent() -> None:
    first, _ = asking(Budget())
    first.run()
    again, asked = asking(Budget(trials=2), first.record)
    assert again.run() == "finished" and asked == []


# --- beginning and end ---------------------------------------------------------------------------


def test_the_record_is_claimed_while_the_search_runs() -> None:
    """And the strategy's generator is closed before others may claim it."""
    events: list[str] = []

    class Keeper(InMemory):
        @contextmanager
        def claimed(self, *, wait: bool = False) -> Iterator[None]:  # type: ignore[override]
            events.append("claimed")
            yield
            events.append("released")

    @dataclass(frozen=True)
    class Closing:
        def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
            try:
                while True:
                    yield [A]
                    yield [B]
            finally:
                events.append("closed")

    search = Search(Record(PROBLEM, Keeper()), Closing(), budget=Budget(trials=1))
    assert search.run(lambda now: events.append(now.state)) == "budget"
    assert events == ["claimed", "evaluating", "answered", "closed", "released"]


def test_the_seed_is_that_of_the_generator() -> None:
    drawn: dict[int, int] = {}

    @dataclass(frozen=True)
    class Draws:
        note: Callable[[int], None]

        def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
            self.note(int(rng.integers(2**40)))
            yield [A]

    for seed in (0, 1):
        Search(Record(PROBLEM), Draws(lambda number, s=seed: drawn.update({s: number})), seed).run()
    Search(Record(PROBLEM), Draws(lambda number: drawn.update({-1: number}))).run()
    expected = {seed: int(np.random.default_rng(seed).integers(2**40)) for seed in (0, 1)}
    assert drawn == {**expected, -1: expected[0]}

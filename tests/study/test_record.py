"""The record: each candidate once, everything read once, and seconds counted as they were paid."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import optuna
import pytest

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Proxies, Question
from lionheart_opt.space import every_mapping
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.record import InMemory, Keeper, Record, plain_attributes
from lionheart_opt.synthetic import tabulated
from lionheart_opt.testing import tiny_problem


def in_optuna(problem: Problem) -> Keeper:
    return OptunaKeeper.open(problem, "a/seed0", optuna.storages.InMemoryStorage(), {"seed": 0})


@pytest.fixture(params=["memory", "optuna"])
def kept(request) -> tuple[Problem, Keeper]:
    problem = tiny_problem()
    return problem, InMemory("a/seed0") if request.param == "memory" else in_optuna(problem)


def some(problem: Problem, count: int = 4) -> list[Candidate]:
    return [problem.pretrained(mapping) for mapping in list(every_mapping(problem))[:count]]


def test_what_is_added_is_known_and_read_back(kept):
    problem, keeper = kept
    record = Record(problem, keeper)
    assert (len(record), record.oracle_s, record.name) == (0, 0.0, "a/seed0")
    evaluations = [problem.evaluate(candidate) for candidate in some(problem)]
    assert [record.add(evaluation).number for evaluation in evaluations] == [0, 1, 2, 3]
    again = Record(problem, keeper)
    for each in (record, again):
        assert [trial.number for trial in each.trials()] == [0, 1, 2, 3]
        assert set(each.known()) == {candidate.digest for candidate in some(problem)}
        for mine, evaluation in zip(each.evaluations(), evaluations, strict=True):
            assert (mine.candidate, mine.objectives) == (
                evaluation.candidate,
                evaluation.objectives,
            )
            assert mine.violations == evaluation.violations
        assert each.oracle_s == sum(evaluation.oracle_s for evaluation in evaluations) > 0


def test_a_shared_training_counts_once(kept):
    problem, keeper = kept
    record = Record(problem, keeper)
    for shared_s, candidate in zip((5.0, 7.0, 7.0), some(problem, 3), strict=True):
        accuracy = problem.evaluate(candidate).accuracy
        assert accuracy is not None
        accuracy = replace(accuracy, training_s=1.0, evaluation_s=2.0, shared_s=shared_s)
        record.add(problem.evaluation(candidate, accuracy))
    assert record.oracle_s == Record(problem, keeper).oracle_s == 3 * 3.0 + 7.0


@dataclass(frozen=True)
class Asked:
    """Counts how often it is asked."""

    table: Any
    log: list[Question]
    questions: tuple[type[Question], ...] = (Proxies,)

    def accuracy(self, candidate: Any, fidelity: Any, seed: int) -> Accuracy:
        return self.table.accuracy(candidate, fidelity, seed)

    def consult(self, question: Question, seed: int) -> Answer:
        self.log.append(question)
        return Answer(values={"right": {"fc0": 1.0}}, oracle_s=3.0)


def test_answers_are_kept_and_paid_for_once(kept):
    problem, keeper = kept
    log: list[Question] = []
    problem = replace(problem, oracle=Asked(problem.oracle, log), answers=None)
    record, question = Record(problem, keeper), Proxies(units=("fc0",))
    assert record.answer(question) is None and record.answers_s == 0.0
    first = record.ask(question)
    assert record.ask(question) == record.answer(question) == first and len(log) == 1
    again = Record(problem, keeper)
    assert again.ask(question) == first and len(log) == 1
    assert again.answers_s == again.oracle_s == record.answers_s == 3.0
    again.ask(Proxies(units=("fc1",)))
    assert again.answers_s == keeper.answers_s == 6.0 and len(log) == 2


@dataclass(frozen=True, kw_only=True)
class Awkward(Question):
    """Its fields have the names of an answer's."""

    what: ClassVar[str] = "awkward things"
    values: tuple[str, ...]
    oracle_s: float
    answer: str = "a"
    question: str = "q"


def test_a_question_keeps_fields_of_any_name(kept):
    """A field `values` used to be lost: the answer's `values` replaced it."""
    _, keeper = kept
    question = Awkward(values=("a", "b"), oracle_s=9.0)
    answer = Answer(values={"x": {"fc0": 2.0}}, oracle_s=1.0)
    keeper.add_answer(question, answer)
    assert keeper.answer(question) == answer and keeper.answers_s == 1.0
    assert keeper.answer(replace(question, values=("a",))) is None
    if isinstance(keeper, OptunaKeeper):
        [said] = [value for name, value in keeper.study.user_attrs.items() if "/" in name]
        asked = {"values": ["a", "b"], "oracle_s": 9.0, "answer": "a", "question": "q"}
        assert json.loads(json.dumps(said["asked"])) == asked
        assert said["question"] == "awkward things"


def test_checks_and_proposals_are_kept(kept):
    problem, keeper = kept
    assert keeper.proposals is None and keeper.checks() == {}
    keeper.set_proposals(7)
    accuracy = problem.evaluate(some(problem)[0]).accuracy
    assert accuracy is not None
    keeper.add_checks("abc", {"test": accuracy})
    assert keeper.proposals == 7
    [(digest, checks)] = keeper.checks().items()
    assert digest == "abc" and checks["test"].samples.tolist() == accuracy.samples.tolist()


def test_a_claim_reads_what_another_process_has_written():
    problem = tiny_problem()
    storage = optuna.storages.InMemoryStorage()
    mine, other = (Record(problem, OptunaKeeper.open(problem, "s", storage, {})) for _ in range(2))
    for candidate in some(problem, 2):
        other.add(problem.evaluate(candidate))
    assert len(mine) == 0
    with mine.claimed():
        assert len(mine) == 2 and mine.oracle_s == other.oracle_s
        assert mine.add(problem.evaluate(some(problem, 3)[2])).number == 2


def test_a_record_in_memory_can_start_with_evaluations():
    problem = tiny_problem()
    evaluations = [problem.evaluate(candidate) for candidate in some(problem)]
    record = Record(problem, InMemory("known", evaluations))
    assert [trial.number for trial in record.trials()] == [0, 1, 2, 3]
    assert record.add(problem.evaluate(some(problem, 5)[4])).number == 4


def test_a_record_is_in_memory_unless_it_is_told_where():
    problem = tiny_problem()
    record = Record(problem)
    record.add(problem.evaluate(some(problem, 1)[0]))
    assert isinstance(record.keeper, InMemory) and len(record) == 1
    assert (record.answers_s, len(Record(problem))) == (0.0, 0)


def test_what_a_trial_says_beside_its_values():
    problem = replace(tiny_problem(), oracle=tabulated(tiny_problem()), seed=3)
    evaluation = problem.evaluate(problem.pretrained(problem.all_analog))
    said = plain_attributes(problem, evaluation)
    assert said["digest"] == evaluation.candidate.digest and said["oracle_seed"] == 3
    assert said["training"] == problem.training and said["draws"] == len(
        said["accuracy"]["samples"]
    )
    assert "accuracy" not in plain_attributes(problem, replace(evaluation, accuracy=None))

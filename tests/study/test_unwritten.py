"""What was measured when the storage went away is kept, and not measured again."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from deadly import toy
from front_door import data, made_up, small, wait_until
from logged_oracles import FailsAtLast, Logged
from recorded_search import SAID

import lionheart_opt as lo
from lionheart_opt.artifacts import OutcomeStore
from lionheart_opt.errors import InputError
from lionheart_opt.questions import Proxies
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.claim import DRIVER
from lionheart_opt.study.executors import Workers
from lionheart_opt.study.fence import LostClaim
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Search
from lionheart_opt.study.unwritten import FOLDER
from lionheart_opt.testing import tiny_problem

KEPT = (
    r"^study 's': its record cannot be written: no space left; "
    r"it is kept in .*, and resuming writes it$"
)


@dataclass(frozen=True)
class Whole:
    """Proposes all-analog and each unit alone in one batch."""

    def search(self, problem, rng):
        alone = [problem.analog([unit.name]) for unit in problem.units]
        yield [problem.pretrained(each) for each in [problem.all_analog, *alone]]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def problem(tmp_path):
    problem = tiny_problem(objectives=("latency_s", "drop"))
    return replace(problem, oracle=Logged(problem.oracle, tmp_path / "asked.txt"))


@pytest.fixture
def storage():
    return optuna.storages.InMemoryStorage()


def search_of(problem, storage, *, place="artifacts", strategy=None, trials=6, said=SAID) -> Search:
    """A search as a driver that starts anew opens it."""
    outcomes = None if place is None else OutcomeStore(Path(place).absolute())
    keeper = OptunaKeeper.open(problem, "s", storage, said, outcomes=outcomes)
    budget = Budget(trials=trials)
    return Search(Record(problem, keeper), strategy or Random(), seed=1, budget=budget)


def fails_at(
    search: Search,
    number: int,
    error: BaseException | None = None,
    workers: Workers | None = None,
) -> None:
    """Let the storage fail when the trial of that number is written, and its batch is finished."""
    study, add = search.record.keeper.study, search.record.keeper.study.add_trial

    def add_or_fail(trial) -> None:
        if len(study.trials) == number:
            if workers is not None:
                wait_until(lambda: n_finished(workers) == len(workers._shared))
            raise error or OSError("no space left")
        add(trial)

    study.add_trial = add_or_fail


def n_finished(workers: Workers) -> int:
    """Evaluations that are there, but have not been asked for yet."""
    return sum(shared.pending.done() for shared in list(workers._shared.values()))


def recorded(search: Search) -> list[Any]:
    trials = search.record.keeper.study.trials
    return [(t.number, t.params, t.values, t.user_attrs, t.constraints) for t in trials]


def undisturbed(problem, strategy=None) -> list[Any]:
    search = search_of(
        problem, optuna.storages.InMemoryStorage(), place="others", strategy=strategy
    )
    search.run()
    return recorded(search)


@pytest.mark.parametrize("place", ["artifacts", None])
@pytest.mark.parametrize("number", [0, 2, 5])
def test_an_evaluation_in_hand_is_kept_and_not_measured_again(problem, storage, place, number):
    search = search_of(problem, storage, place=place)
    fails_at(search, number)
    with pytest.raises(InputError, match=KEPT) as error:
        search.run()
    assert str(Path(place or FOLDER).absolute()) in str(error.value)
    asked = problem.oracle.asked()
    resumed = search_of(problem, storage, place=place)
    resumed.run()
    assert problem.oracle.asked()[: number + 1] == asked and len(asked) == number + 1
    assert len(set(problem.oracle.asked())) == len(problem.oracle.asked()) == 6
    assert recorded(resumed) == undisturbed(problem)
    assert not Path(FOLDER).exists() and not list(Path().glob("artifacts/unwritten*"))


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_workers_finish_a_batch_while_the_storage_is_away(tmp_path, storage, error):
    problem = replace(toy(), oracle=Logged(toy().oracle, tmp_path / "asked.txt"))
    search = search_of(problem, storage, strategy=Whole())
    with Workers(problem, 2) as workers:
        fails_at(search, 1, error, workers)
        with pytest.raises((InputError, KeyboardInterrupt)):
            search.run(workers=workers)
    asked = problem.oracle.asked()
    assert len(asked) == 6, "the test is about a batch that is finished"
    resumed = search_of(problem, storage, strategy=Whole())
    resumed.run()
    assert problem.oracle.asked() == asked
    assert recorded(resumed) == undisturbed(problem, Whole())


def test_a_worker_that_fails_loses_nothing_that_others_have_finished(tmp_path, storage):
    """Answers come in order: one that takes long holds up those behind it."""
    problem = replace(toy(), oracle=Logged(toy().oracle, tmp_path / "asked.txt"))
    first = problem.resolved(problem.pretrained(problem.all_analog)).digest
    go = tmp_path / "go"
    broken = replace(problem, oracle=FailsAtLast(problem.oracle, first, go))

    def let_fail() -> None:
        wait_until(lambda: n_finished(workers) == 5)
        go.touch()

    thread = threading.Thread(target=let_fail)
    with Workers(broken, 2) as workers, pytest.raises(ValueError, match="broken oracle"):
        thread.start()
        search_of(broken, storage, strategy=Whole()).run(workers=workers)
    thread.join()
    asked = problem.oracle.asked()
    assert len(asked) == 5, "the test is about a batch of which all others are finished"
    resumed = search_of(problem, storage, strategy=Whole())
    resumed.run()
    assert problem.oracle.asked() == [*asked, first]
    assert recorded(resumed) == undisturbed(problem, Whole())


def test_what_another_driver_has_recorded_meanwhile_wins(problem, storage):
    search = search_of(problem, storage)
    fails_at(search, 2)
    with pytest.raises(InputError, match=KEPT):
        search.run()
    [file] = Path("artifacts").glob("unwritten*")
    other = search_of(problem, storage, place="elsewhere", trials=4)
    other.run()
    before = recorded(other)
    assert len(before) == 4
    resumed = search_of(problem, storage)
    resumed.run()
    assert recorded(resumed)[:4] == before and recorded(resumed) == undisturbed(problem)
    assert not file.exists(), "the record holds all of it"


def test_a_driver_that_has_lost_the_search_keeps_nothing(problem, storage):
    search = search_of(problem, storage)

    def lose(progress) -> None:
        if progress.state == "answered" and len(search.record) == 2:
            search.record.keeper.study.set_user_attr(DRIVER, {"token": "another one"})

    with pytest.raises(LostClaim):
        search.run(lose)
    assert not Path(FOLDER).exists() and not list(Path().glob("artifacts/unwritten*"))


def test_another_question_does_not_take_it_up(problem, storage):
    search = search_of(problem, storage)
    fails_at(search, 2)
    with pytest.raises(InputError, match=KEPT):
        search.run()
    asked = len(problem.oracle.asked())
    search_of(problem, optuna.storages.InMemoryStorage(), said={**SAID, "seed": 1}).run()
    assert len(problem.oracle.asked()) == asked + 6


@pytest.mark.parametrize("damage", [b"", b"{}", b"cut"])
def test_a_damaged_file_is_said_and_measured_again(problem, storage, damage, caplog):
    search = search_of(problem, storage)
    fails_at(search, 2)
    with pytest.raises(InputError, match=KEPT):
        search.run()
    [file] = Path("artifacts").glob("unwritten*")
    file.write_bytes(file.read_bytes()[:-5] if damage == b"cut" else damage)
    resumed = search_of(problem, storage)
    resumed.run()
    assert len(problem.oracle.asked()) == 7 and recorded(resumed) == undisturbed(problem)
    [line] = [each.getMessage() for each in caplog.records if "is not used" in each.getMessage()]
    assert line.endswith("artifacts is not used: it is damaged")


def test_where_nothing_can_be_kept_that_is_said(problem, storage):
    for name in ("artifacts", FOLDER):
        Path(name).write_text("a file")
    search = search_of(problem, storage)
    fails_at(search, 2)
    lost = "no space left; it may be lost: resuming evaluates it again$"
    with pytest.raises(InputError, match=lost):
        search.run()
    del search.record.keeper.study.add_trial
    search.run()
    assert len(search.record) == 6


def test_outcomes_of_examples_are_kept_too(storage, tmp_path):
    problem = lo.problem(small(), data(), max_drop=0.5, training="none", draws=[2])
    whole = search_of(problem, storage, place="others", trials=2)
    whole.run()
    other = optuna.storages.InMemoryStorage()
    search = search_of(problem, other, trials=2)
    fails_at(search, 1)
    with pytest.raises(InputError, match=KEPT):
        search.run()
    resumed = search_of(problem, other, trials=2)
    resumed.run()
    ours, theirs = (each.record.keeper.study.trials[1].user_attrs for each in (resumed, whole))
    assert ours["outcomes"] == theirs["outcomes"]
    kept = OutcomeStore(tmp_path / "artifacts").get(ours["outcomes"])
    np.testing.assert_array_equal(kept.samples, np.array(theirs["accuracy"]["samples"]))


def test_answers_checks_and_all_digital_are_kept(problem, storage):
    search = search_of(problem, storage)
    keeper, question = search.record.keeper, Proxies(units=tuple(u.name for u in problem.units))
    answer = toy_answer(question)
    evaluation = problem.evaluate(problem.pretrained(problem.all_digital))
    set_user_attr = keeper.study.set_user_attr
    jobs = (
        lambda keeper: keeper.add_answer(question, answer),
        lambda keeper: keeper.set_digital(evaluation.candidate, evaluation.accuracy),
        lambda keeper: keeper.add_checks("ab", {"test": evaluation.accuracy}),
    )

    def fail(*_: object) -> None:
        raise OSError("no space left")

    for job in jobs:
        with search.record.claimed():
            keeper.study.set_user_attr = fail
            with pytest.raises(InputError, match=KEPT):
                job(keeper)
            keeper.study.set_user_attr = set_user_attr
    with search.record.claimed():
        keeper.add_checks("ab", {"test": evaluation.accuracy})
    resumed = search_of(problem, storage)
    with resumed.record.claimed():
        kept = resumed.record.keeper
        assert kept.answer(question) == answer
        assert resumed.record.answers_s == answer.oracle_s
        assert kept.digital().to_json() == evaluation.accuracy.to_json()
        assert list(kept.checks()) == ["ab"]
    assert not list(Path().glob("artifacts/unwritten*"))


def toy_answer(question):
    return lo.questions.Answer(values={"right": dict.fromkeys(question.units, 1.0)}, oracle_s=3.0)


def test_a_search_in_memory_goes_on_where_a_batch_was_interrupted(problem):
    record = Record(problem, InMemory())
    candidates = [problem.pretrained(problem.all_analog), problem.pretrained(problem.all_digital)]
    evaluations = [problem.evaluate(each) for each in candidates]
    record.keeper.set_aside(problem, evaluations)
    assert list(record.answers(candidates, lambda new: (each for each in new))) == evaluations
    record.add(evaluations[0])
    assert record.keeper.unwritten(problem, candidates[0]) is None


def test_a_server_that_stays_away_costs_no_evaluation(postgres, problem, monkeypatch):
    from lionheart_opt.study import outages
    from lionheart_opt.study.storage import open_storage

    monkeypatch.setattr(outages, "PATIENCE_S", 1.0)
    url = postgres.new_database()
    search = search_of(problem, open_storage(url))

    def stop_once(progress) -> None:
        if progress.state == "evaluating" and len(search.record) == 2:
            postgres.stop()

    try:
        with pytest.raises(InputError, match=r"OperationalError: .*; it is kept in .*artifacts"):
            search.run(stop_once)
    finally:
        postgres.start()
    resumed = search_of(problem, open_storage(url))
    resumed.run()
    assert len(problem.oracle.asked()) == 6
    assert recorded(resumed) == undisturbed(problem)


def test_made_up_problems_need_no_file():
    """Nothing is written where nothing goes wrong."""
    lo.search(made_up(), "random", trials=3, storage="sqlite:///k.db")
    assert not Path(FOLDER).exists() and not list(Path().rglob("unwritten*"))

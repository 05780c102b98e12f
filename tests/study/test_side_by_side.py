"""Several searches at once: the records of one process, stopped together, each candidate once."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from counting_oracle import TIMES_S, Counting, asked
from deadly import OneByOne, Slow, toy
from front_door import made_up, outcome

import lionheart_opt as lo
from lionheart_opt.accuracy import Fidelity
from lionheart_opt.questions import Proxies
from lionheart_opt.strategies.optuna import Optuna
from lionheart_opt.study.executors import Workers
from lionheart_opt.study.pending import WorkStopped
from lionheart_opt.study.side_by_side import run_side_by_side


class Shared:
    """Stands for workers that two jobs share."""

    at_once = 2

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def stop(self) -> None:
        self.stopped.set()


def study(**options: object) -> lo.Study:
    tpe = Optuna(sampler="TPESampler", batch=3, arguments={"n_startup_trials": 3})
    strategies = {"greedy": "mac_greedy", "random": "random", "tpe": tpe}
    return lo.Study.of(made_up(), strategies, seeds=(0, 1), trials=8, **options)


@pytest.mark.parametrize("storage", ["sqlite:///k.db", "journal:///k.log"])
def test_each_record_is_that_of_one_process(storage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    alone = study().run()
    together = study(storage=storage).run(workers=3)
    assert [outcome(each) for each in together] == [outcome(each) for each in alone]
    assert [result.name for result in together] == [result.name for result in alone]


def test_a_candidate_of_several_searches_is_evaluated_once(tmp_path):
    problem = toy()
    problem = replace(problem, oracle=Counting(tmp_path / "asked.txt"))
    limit = replace(problem.accuracy_limit, time_s=TIMES_S)
    problem = replace(problem, oracle=Slow(problem.oracle, 0.5), accuracy_limit=limit)
    strategies = {f"s{number}": OneByOne() for number in range(3)}
    lo.Study.of(problem, strategies, trials=4).run(workers=3, checks=False)
    questions = [line for line in asked(tmp_path) if line.count("fc") == 1]
    assert len(questions) < 8, "three searches would ask for twelve"


def test_jobs_run_at_once_and_without_workers_one_after_the_other():
    both = threading.Barrier(2)
    run_side_by_side([lambda: [both.wait(30.0)][0] and None] * 2, Shared())
    threads = []

    def job() -> None:
        threads.append(threading.current_thread())

    run_side_by_side([job] * 2, None)
    assert threads == [threading.main_thread()] * 2


def test_the_first_error_stops_the_others_and_is_raised():
    workers = Shared()

    def waits() -> None:
        assert workers.stopped.wait(30.0)
        raise WorkStopped

    def fails() -> None:
        raise lo.InputError("no")

    with pytest.raises(lo.InputError, match="no"):
        run_side_by_side([waits, fails], workers)


def test_who_waits_for_workers_that_are_stopped_is_told_so():
    problem = replace(toy(), oracle=Slow(toy().oracle, 60.0))
    candidates = [problem.pretrained(problem.all_analog), problem.pretrained(problem.all_digital)]
    with Workers(problem, 1) as workers:
        answers = workers.evaluate(candidates)
        timer = threading.Timer(1.0, workers.stop)
        timer.start()
        with pytest.raises(WorkStopped):
            next(answers)
        timer.join()
        with pytest.raises(WorkStopped):
            next(workers.evaluate(candidates))


def test_workers_answer_questions_and_check_finally(tmp_path):
    problem = toy()
    question = Proxies(units=tuple(unit.name for unit in problem.units))
    fidelity = Fidelity(draws=(0, 2))
    with Workers(problem, 1) as workers:
        assert workers.ask(question).values == problem.ask(question).values
        assert workers.checking("no oracle") == "no oracle"
    table = made_up_table(problem)
    candidate = table.resolved(table.pretrained(table.all_analog))
    with Workers(table, 1) as workers:
        checks = workers.checking(table.oracle).final_checks(candidate, fidelity, 0)
    same = table.oracle.final_checks(candidate, fidelity, 0)
    assert list(checks) == list(same) and all(
        (checks[name].samples == same[name].samples).all() for name in same
    )


def made_up_table(problem: lo.Problem) -> lo.Problem:
    from lionheart_opt.synthetic import tabulated

    return replace(problem, oracle=tabulated(problem))

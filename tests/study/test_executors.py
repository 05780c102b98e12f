"""Worker processes: the record of one process, trial by trial; nothing lost and nobody left behind."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from cli_setup import make_study
from counted_study import COUNTED
from counting_oracle import asked
from deadly import OneByOne, Slow, deadly, toy
from front_door import (
    alive,
    data,
    descendants,
    made_up,
    n_trials,
    outcome,
    python,
    small,
    wait_until,
)
from in_workers import Fails, Threads
from logged_oracles import Logged
from made_up_drops import light

import lionheart_opt as lo
from lionheart_opt.study.executors import DIED, NO_MEMORY, Workers
from lionheart_opt.study.worker import end_with
from lionheart_opt.testing import tiny_problem

STRATEGIES: dict[str, dict[str, Any]] = {
    "mac_greedy": {},
    "random": {},
    "tpe": {"sampler": "TPESampler", "arguments": {"n_startup_trials": 4}, "batch": 3},
    "nsga2": {"sampler": "NSGAIISampler", "arguments": {"population_size": 4}, "batch": 4},
}

SCRIPT = """
import sys
from made_up_drops import light
import lionheart_opt as lo
lo.search(light(), "random", trials=40, storage="sqlite:///k.db", workers=2)
"""


def both(problem: lo.Problem, strategy: str, **changes: Any) -> tuple[lo.SearchResult, ...]:
    """The same search by one process and by two workers."""
    name = strategy if strategy not in ("tpe", "nsga2") else "optuna"
    options = {"arguments": STRATEGIES[strategy], **changes}
    return tuple(lo.search(problem, name, workers=workers, **options) for workers in (1, 2))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_workers_give_the_record_of_one_process(strategy):
    alone, together = both(made_up(), strategy, trials=10)
    assert len(alone) >= 8 and outcome(together) == outcome(alone)


def test_workers_train_as_one_process_does():
    """Seconds are measured, so they alone may differ."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        hat = {"hat": {"epochs": 1, "batch_size": 64}}
        problem = lo.problem(
            *(small(), data()), draws=[2, 3], max_drop=0.9, objectives=["energy_j"], oracle=hat
        )
        alone, together = both(problem, "mac_greedy", trials=4)
    finally:
        torch.set_num_threads(threads)
    assert len(alone) == 3
    assert outcome(together, seconds=False) == outcome(alone, seconds=False)


def test_a_problem_travels_after_its_progress_was_shown(tmp_path):
    """Progress bars watch the oracle and cannot be sent to a worker."""
    problem = lo.problem(small(), data(), draws=[2], max_drop=0.9, training="none")
    study = lo.Study.of(problem, ["random"], trials=2)
    study.run(progress=True, checks=False)
    with Workers(study.problem, 1) as workers:
        candidates = [study.problem.pretrained(study.problem.all_analog)]
        assert len(list(workers.evaluate(candidates))) == 1


def test_each_worker_computes_with_one_thread_in_a_process_of_its_own():
    problem = replace(made_up(), oracle=Threads())
    with Workers(problem, 2) as workers:
        candidates = [problem.pretrained(problem.mapping({u.name: "tile"})) for u in problem.units]
        answers = list(workers.evaluate(candidates))
    seen = [json.loads(answer.accuracy.note) for answer in answers]
    assert {(torch_threads, numba_threads) for _, torch_threads, numba_threads in seen} == {(1, 1)}
    pids = {pid for pid, *_ in seen}
    assert os.getpid() not in pids and 1 <= len(pids) <= 2
    wait_until(lambda: not alive(pids))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("value", ValueError, "broken oracle"),
        ("input", lo.InputError, "oracle: cannot do this"),
        ("picky", RuntimeError, "Picky: broken at unit 3"),
        ("exit", RuntimeError, "SystemExit: 0"),
        ("base", RuntimeError, "BaseException: not even an exception"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_said_and_nothing_is_lost(how, error, message, tmp_path):
    problem = replace(made_up(), oracle=Fails(how=how))
    url = f"sqlite:///{tmp_path / 'k.db'}"
    search = {"arguments": {}, "trials": 4, "storage": url, "workers": 2}
    place = r"raised in .*in_workers\.py, line \d+"
    with pytest.raises(error, match=f"^{message}\n{place}$"):
        lo.search(problem, OneThenMore(), **search)
    [result] = lo.Study.of(problem, [OneThenMore()], storage=url).results()
    assert len(result) == 1, "the first batch was finished"


def test_a_candidate_whose_worker_dies_four_times_has_failed_and_the_search_goes_on(tmp_path):
    counts = tmp_path / "counts"
    counts.mkdir()
    problem = deadly(counts)
    options = {"storage": f"sqlite:///{tmp_path / 'k.db'}", "trials": 9}
    with pytest.warns(UserWarning, match=r"OneByOne/seed0: trial 2 has failed: its worker process"):
        result = lo.search(problem, OneByOne(), workers=2, **options)
    failed = result.evaluations[2]
    assert failed.failed == DIED and not failed.feasible and failed.accuracy is None
    assert [count.read_text() for count in counts.iterdir()] == ["xxxx"], "tried four times"
    whole = outcome(lo.search(toy(), OneByOne()))
    assert len(whole) == 4
    del whole[2]
    rest = outcome(result)
    del rest[2]
    assert rest == whole, "the others have not been touched"
    again = lo.search(problem, OneByOne(), **options)  # in this process, which goes on
    assert outcome(again) == outcome(result) and again.evaluations[2].failed == DIED


def test_a_candidate_whose_worker_dies_is_tried_again(tmp_path):
    problem = deadly(tmp_path, times=2)
    result = lo.search(problem, OneByOne(), workers=2)
    assert [count.read_text() for count in tmp_path.iterdir()] == ["xx"]
    assert outcome(result) == outcome(lo.search(toy(), OneByOne()))


@pytest.mark.parametrize(("how", "workers"), [("memory", 1), ("torch", 1), ("torch", 2)])
def test_a_candidate_that_runs_out_of_memory_fails_alike_wherever_it_is_evaluated(
    how, workers, tmp_path
):
    problem = deadly(tmp_path, how=how)
    with pytest.warns(UserWarning, match="ran out of memory 4 times"):
        result = lo.search(problem, OneByOne(), workers=workers)
    assert [each.failed for each in result.evaluations] == ["", "", NO_MEMORY, ""]
    assert {count.read_text() for count in tmp_path.iterdir()} == {"xxxx"}


def test_a_worker_that_is_killed_from_outside_is_replaced():
    """The others do not notice."""
    problem = replace(toy(), oracle=Slow(toy().oracle))
    batch = [problem.pretrained(problem.mapping({u.name: "tile"})) for u in problem.units]
    with Workers(problem, 2) as workers:
        answers = workers.evaluate(batch)
        pid = next(answers).accuracy.note
        os.kill(int(pid), signal.SIGKILL)
        rest = list(answers)
    assert [each.mapping for each in rest] == [each.mapping for each in batch[1:]]
    assert not any(each.failed for each in rest) and pid != rest[-1].accuracy.note


def test_workers_start_when_there_is_work_for_them():
    """A search that proposes one candidate at a time has one process, however many there may be."""
    problem = replace(toy(), oracle=Slow(toy().oracle))
    batch = [problem.pretrained(problem.mapping({u.name: "tile"})) for u in problem.units]
    with Workers(problem, 2) as workers:
        alone = {next(workers.evaluate([each])).accuracy.note for each in batch[:2]}
        together = {each.accuracy.note for each in workers.evaluate(batch[2:])}
    assert len(alone) == 1 and len(together) == 2 and alone < together


def test_workers_that_cannot_start_end_the_search_with_a_clear_line(monkeypatch):
    monkeypatch.setattr("lionheart_opt.study.worker.get_ready", os.abort)
    with pytest.raises(lo.InputError, match=r"end as soon as they start.*run again to resume"):
        lo.search(toy(), "random", trials=2, workers=2)


@dataclass(frozen=True)
class OneThenMore:
    def search(self, problem, rng):
        units = [unit.name for unit in problem.units]
        yield [problem.pretrained(problem.mapping({units[0]: "tile"}))]
        yield [
            problem.pretrained(problem.mapping(dict.fromkeys(units[:k], "tile"))) for k in (2, 3)
        ]


class Unsendable:
    def __init__(self) -> None:
        self.file = sys.stderr.buffer

    def accuracy(self, candidate, fidelity, seed):
        raise AssertionError


class Unreadable:
    def accuracy(self, candidate, fidelity, seed):
        raise AssertionError

    def __reduce__(self):
        return int, ("not a number",)


def test_a_problem_that_cannot_travel_is_one_clear_line():
    problem = tiny_problem()
    with pytest.raises(lo.InputError, match=r"cannot be sent to other processes.*use workers=1"):
        lo.search(replace(problem, oracle=Unsendable()), "random", trials=2, workers=2)
    with pytest.raises(lo.InputError, match=r"cannot be rebuilt in another process.*use workers=1"):
        lo.search(replace(problem, oracle=Unreadable()), "random", trials=2, workers=2)


def test_budgets_hold_while_a_batch_is_in_flight():
    problem = made_up()
    everything = {"sampler": "RandomSampler", "batch": 8}
    options = {"arguments": everything, "seed": 3}
    for budget in ({"trials": 5}, {"oracle_s": 40.0}):
        alone, together = (
            lo.search(problem, "optuna", workers=workers, **options, **budget) for workers in (1, 2)
        )
        assert outcome(together) == outcome(alone) and 3 <= len(alone) <= 5
    assert alone.oracle_s >= 40.0 > alone.oracle_s - alone.evaluations[-1].oracle_s


def test_closing_the_answers_cancels_what_has_not_started(tmp_path):
    problem = toy()
    logged = Logged(Slow(problem.oracle, 0.2), tmp_path / "asked")
    problem = replace(problem, oracle=logged)
    batch = [problem.pretrained(problem.mapping({u.name: "tile"})) for u in problem.units]
    with Workers(problem, 1) as workers:
        answers = workers.evaluate(batch[:-1])
        next(answers)
        answers.close()
        assert next(workers.evaluate(batch[-1:])).mapping == batch[-1].mapping
    assert len(logged.asked()) <= 3, "one more may have begun before the answers were closed"


def test_what_records_hold_is_copied(tmp_path):
    """A second search on the same storage asks nothing that the first one has found."""
    text = COUNTED.split("[[run]]")[0].replace("[2, 4]", "[4]") + (
        '[[run]]\nstrategy = "exhaustive"\n[[run]]\nstrategy = "random"\n'
    )
    folder = make_study(tmp_path / "study", text)
    study = lo.load(folder)
    [first] = study.run(only="exhaustive", workers=2, checks=False)
    before = sorted(asked(folder))
    assert len(before) == len(first) - 1 or len(before) == len(first)
    [second] = lo.load(folder).run(only="random", workers=2, checks=False)
    assert len(second) > 3 and sorted(asked(folder)) == before
    known = {evaluation.mapping: evaluation for evaluation in first.evaluations}
    for evaluation in second.evaluations:
        assert evaluation.oracle_s == known[evaluation.mapping].oracle_s


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_driver_that_is_stopped_leaves_nobody_behind_and_resumes(stop, tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT)
    process = python(tmp_path, "mine.py", pause_s=0.3)
    file = tmp_path / "k.db"
    wait_until(lambda: process.poll() is not None or n_trials(file) > 0)
    family = descendants(process.pid)
    assert len(family) >= 2 and process.poll() is None
    process.send_signal(stop)
    process.communicate(timeout=60)
    wait_until(lambda: not alive(family))
    before = n_trials(file)
    assert 1 <= before < 40
    trials = before + 2
    resumed = lo.search(light(), "random", trials=trials, storage=f"sqlite:///{file}", workers=2)
    assert outcome(resumed) == outcome(lo.search(light(), "random", trials=trials))


def test_a_worker_ends_when_its_parent_has_gone():
    child = os.fork()
    if child == 0:
        end_with(os.getpid())  # it is not its own parent
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 1


def test_repr_says_what_works_on_what():
    with Workers(tiny_problem(), 1) as workers:
        assert repr(workers).startswith("Workers(1 processes for Problem(")

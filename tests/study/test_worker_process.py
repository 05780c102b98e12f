"""One worker process: what its oracle says of a training is heard while it works."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from deadly import DiesAnswering, Grows, Trains, toy
from front_door import alive, descendants, python, wait_until

from lionheart_opt.study.executors import Workers
from lionheart_opt.study.worker import SIGNALS


def test_what_is_said_of_a_training_is_heard_once():
    problem = replace(toy(), oracle=Trains(toy().oracle))
    heard = []
    with Workers(problem, 1) as workers:
        workers.hear = heard.append
        [answer] = workers.evaluate([problem.pretrained(problem.all_analog)])
    assert heard == ["training: epoch 1/2"]
    assert answer.objectives == toy().evaluate(problem.pretrained(problem.all_analog)).objectives


def test_large_answers_need_no_pipe_which_a_dying_worker_could_leave_half_written():
    with Workers(toy(), 1) as workers:
        for size in (1_000_000, 10):
            assert workers.submit(DiesAnswering(size)).result(timeout=60) == bytes(size)


def test_a_worker_may_keep_what_a_network_and_its_data_take(recwarn):
    """Another one would build the problem again and say nothing of its trainings."""
    with Workers(toy(), 1) as workers:
        pids = {workers.submit(Grows()).result(timeout=60) for _ in range(3)}
    assert len(pids) == 1
    assert not [str(each.message) for each in recwarn if "memory" in str(each.message)]


SCRIPT = """
import time
from dataclasses import replace
from deadly import Slow, toy
from lionheart_opt.study.executors import Workers

problem = replace(toy(), oracle=Slow(toy().oracle, 60.0))
with Workers(problem, 2) as workers:
    workers.submit(print)
    [process.ready.result() for process in workers._processes]
    print("ready", flush=True)
    time.sleep(60.0)
"""


def test_a_driver_that_is_killed_leaves_nothing_in_the_temporary_folder(tmp_path):
    places = os.pathsep.join(sys.path)  # the helpers of the tests are there
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": places}
    driver = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert driver.stdout.readline() == "ready\n"
    family = descendants(driver.pid)
    driver.kill()
    driver.wait()
    wait_until(lambda: not alive(family))
    assert not [path.name for path in tmp_path.iterdir() if "lionheart" in path.name]


DYING = """
from dataclasses import dataclass, replace
from deadly import toy
from lionheart_opt.errors import InputError
from lionheart_opt.study import worker_process
from lionheart_opt.study.executors import Workers

@dataclass(frozen=True)
class Large:
    numbers: bytes
    def accuracy(self, candidate, fidelity, seed):
        raise AssertionError

worker_process.ONE_THREAD["PYTHONHOME"] = "/nowhere"  # Python ends before it reads anything
problem = replace(toy(), oracle=Large(bytes(1_000_000)))
with Workers(problem, 1) as workers:
    try:
        list(workers.evaluate([problem.pretrained(problem.all_analog)]))
    except InputError as error:
        print(error)
"""


def test_workers_that_die_while_they_start_are_noticed_however_large_the_problem_is(tmp_path):
    out, err = python(tmp_path, "-c", DYING).communicate(timeout=60)
    assert "processes end as soon as they start" in out, err


STARTING = """
import os, signal, sys, time
from deadly import toy
from lionheart_opt.study import worker_process
from lionheart_opt.study.executors import Workers

if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda *_: None)
    os.setsid()
    worker_process.ONE_THREAD["PYTHONPATH"] = os.pathsep.join([sys.argv[1], os.environ["PYTHONPATH"]])
    problem = toy()
    with Workers(problem, 1) as workers:
        [answer] = workers.evaluate([problem.pretrained(problem.all_analog)])
    print(answer.failed or "answered")
"""
#: Python runs it before anything else.
HOLD_UP = """
import os, sys, time
print("here", file=sys.stderr, flush=True)
time.sleep(1.0)
"""


def test_signals_to_all_processes_do_not_disturb_those_that_start(tmp_path):
    (tmp_path / "mine.py").write_text(STARTING)
    (tmp_path / "hold-up").mkdir()
    (tmp_path / "hold-up" / "sitecustomize.py").write_text(HOLD_UP)
    process = python(tmp_path, "mine.py", tmp_path / "hold-up")
    assert process.stderr.readline() == "here\n"
    for number in SIGNALS:
        os.killpg(process.pid, number)
    assert process.communicate(timeout=60) == ("answered\n", "")

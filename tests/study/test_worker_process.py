"""One worker process: what its oracle says of a training is heard while it works."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from deadly import Trains, toy
from front_door import alive, descendants, python, wait_until

from lionheart_opt.study.executors import Workers


def test_what_is_said_of_a_training_is_heard_once():
    problem = replace(toy(), oracle=Trains(toy().oracle))
    heard = []
    with Workers(problem, 1) as workers:
        workers.hear = heard.append
        [answer] = workers.evaluate([problem.pretrained(problem.all_analog)])
    assert heard == ["training: epoch 1/2"]
    assert answer.objectives == toy().evaluate(problem.pretrained(problem.all_analog)).objectives


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
    wait_until(lambda: not alive(family), 10.0)
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

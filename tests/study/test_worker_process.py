"""One worker process: what its oracle says of a training is heard while it works."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from deadly import toy

from lionheart_opt.study.executors import Workers
from lionheart_opt.study.worker_process import LISTEN_S


@dataclass
class Trains:
    """Says in every measurement that it trains, after a while."""

    inner: Any
    report: Any = None

    def watch(self, report):
        self.report = report

    def accuracy(self, candidate, fidelity, seed):
        if fidelity.draws[0] == 0:
            self.report("training: epoch 1/2")
            time.sleep(4 * LISTEN_S)
        return self.inner.accuracy(candidate, fidelity, seed)


def test_what_is_said_of_a_training_is_heard_once():
    problem = replace(toy(), oracle=Trains(toy().oracle))
    heard = []
    with Workers(problem, 1) as workers:
        workers.hear = heard.append
        [answer] = workers.evaluate([problem.pretrained(problem.all_analog)])
        said = [process._said for process in workers._processes]
    assert heard == ["training: epoch 1/2"]
    assert answer.objectives == toy().evaluate(problem.pretrained(problem.all_analog)).objectives
    assert not any(file.exists() for file in said), "nothing is left behind"

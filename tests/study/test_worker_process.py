"""One worker process: what its oracle says of a training is heard while it works."""

from __future__ import annotations

from dataclasses import replace

from deadly import Trains, toy

from lionheart_opt.study.executors import Workers


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

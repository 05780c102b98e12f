"""An evaluation is the same after it was a trial."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.study.finished_trials import FinishedTrial
from lionheart_opt.study.trials import OUTCOMES, evaluation_of, trial_of
from lionheart_opt.testing import tiny_problem


def there_and_back(problem, evaluation, **changes):
    trial = trial_of(problem, evaluation, {OUTCOMES: "ab12"})
    attributes = trial.user_attrs | changes
    return trial, FinishedTrial(3, bool(evaluation.failed), trial.values, attributes)


def test_an_evaluation_is_the_same_after_it_was_a_trial():
    problem = tiny_problem(objectives=("latency_s", "drop"))
    evaluation = problem.evaluate(problem.pretrained(problem.all_analog))
    trial, finished = there_and_back(problem, evaluation)
    again = evaluation_of(problem, finished, "s")
    assert again.accuracy.to_json() == evaluation.accuracy.to_json()
    assert {**vars(again), "accuracy": None} == {**vars(evaluation), "accuracy": None}
    assert trial.user_attrs[OUTCOMES] == "ab12" and "artifacts:ab12" in trial.system_attrs


def test_a_failure_is_the_same_after_it_was_a_trial():
    problem = tiny_problem()
    evaluation = problem.evaluation(problem.pretrained(problem.all_analog), None, "it died")
    assert evaluation_of(problem, there_and_back(problem, evaluation)[1], "s").failed == "it died"


def test_other_costs_are_refused():
    problem = tiny_problem()
    evaluation = problem.evaluate(problem.pretrained(problem.all_analog))
    wrong = there_and_back(problem, evaluation, latency_s=2 * evaluation.cost.latency_s)[1]
    with pytest.raises(InputError, match=r"^trial 3 of study 's': latency_s: .* has changed"):
        evaluation_of(problem, wrong, "s")
    limited = replace(problem, cost_limits={"latency_s": 1e-30})
    unmeasured = limited.evaluate(limited.pretrained(limited.all_analog))
    assert evaluation_of(limited, there_and_back(limited, unmeasured)[1], "s").accuracy is None

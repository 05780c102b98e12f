"""Oracles that anybody can write: what they give is looked at before it is taken."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.study.recorded_oracle import RecordedOracle
from lionheart_opt.study.split import Measure
from lionheart_opt.testing import tiny_problem


@dataclass(frozen=True)
class Always:
    """It gives the same answer whatever is asked."""

    answer: Any

    def accuracy(self, candidate, fidelity, seed):
        return self.answer


@pytest.mark.parametrize("answer", ["nothing", "three draws"])
def test_answers_that_are_no_accuracy_or_have_other_draws_are_refused(answer):
    problem = tiny_problem()
    candidate = problem.resolved(problem.pretrained(problem.all_analog))
    three = problem.oracle.accuracy(candidate, Fidelity(draws=(0, 3)), 0)
    oracle = Always({"nothing": None, "three draws": three}[answer])
    message = {
        "nothing": "Always: accuracy: got None; must be an Accuracy",
        "three draws": "Always: accuracy: got 3 draws; must be the 5 of fidelity.draws, 0 to 4",
    }[answer]
    limit = replace(problem.accuracy_limit, draws=(5, 8))
    recorded = RecordedOracle(lambda: oracle, list, training="none", seed=problem.seed)
    for each in (oracle, recorded):
        asking = replace(problem, oracle=each, accuracy_limit=limit)
        with pytest.raises(InputError, match=message):
            asking.evaluate(candidate)
    with pytest.raises(InputError, match=message):
        Measure(candidate, Fidelity(draws=(0, 5)))(replace(problem, oracle=oracle))

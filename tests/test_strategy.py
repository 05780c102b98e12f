"""Strategies that anybody can write: what they give is looked at before it is taken."""

from dataclasses import dataclass

import numpy as np
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.strategy import as_batch, started
from lionheart_opt.testing import tiny_problem


@dataclass(frozen=True)
class NoRandom:
    def search(self, problem):
        yield [problem.pretrained(problem.all_analog)]


@dataclass(frozen=True)
class Returns:
    def search(self, problem, rng):
        return [problem.pretrained(problem.all_analog)]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (NoRandom(), r"NoRandom: search: too many .*; must take \(problem, rng\)"),
        (
            Returns(),
            r"Returns: search: got \[.*\]; must be a generator: .* yields lists of candidates",
        ),
    ],
)
def test_a_search_that_is_no_generator_of_candidates_is_refused(strategy, message):
    with pytest.raises(InputError, match=message):
        started(strategy, tiny_problem(), np.random.default_rng(0))


def test_what_is_no_list_of_candidates_is_refused():
    candidate = tiny_problem().pretrained(tiny_problem().all_analog)
    assert as_batch(Returns(), (candidate,)) == [candidate]
    for wrong in (None, 3, candidate, [candidate.mapping]):
        with pytest.raises(InputError, match=r"Returns: yielded .*; must be a list of candidates"):
            as_batch(Returns(), wrong)

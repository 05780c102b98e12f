"""The problems of the contract tests, and what drives strategies on them."""

from lionheart_opt.strategies.random import Random
from lionheart_opt.testing import digests, drive, tiny_problem


def test_the_driver_pays_for_a_candidate_once() -> None:
    problem = tiny_problem()
    record = drive(Random(), problem)
    assert len(record) == 32
    assert drive(Random(), problem, record=record) == []
    assert len(digests(drive(Random(), problem, record=record[:30]))) == 2

"""Exhaustive search: every mapping once, and no space larger than allowed."""

import numpy as np
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.exhaustive import Exhaustive
from lionheart_opt.testing import drive, tiny_problem


def test_exhaustive_search_evaluates_every_mapping_in_one_batch() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "npu"))
    batch = next(Exhaustive().search(problem, np.random.default_rng(0)))
    assert [candidate.mapping for candidate in batch] == list(every_mapping(problem))
    assert {candidate.training for candidate in batch} == {None}
    probes = next(Exhaustive(training="none").search(problem, np.random.default_rng(0)))
    assert {candidate.training for candidate in probes} == {"none"}


def test_exhaustive_search_allows_exactly_its_most() -> None:
    problem = tiny_problem()
    assert len(drive(Exhaustive(most=32), problem)) == 32
    with pytest.raises(InputError, match="the space has 32 mappings; most = 31 allows no more"):
        drive(Exhaustive(most=31), problem)

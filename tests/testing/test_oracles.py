"""The contract of oracles: ours keep it, and it notices those that do not."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.problem import Problem
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import OracleContract, tiny_problem

Check = Callable[..., None]


@dataclass(frozen=True)
class Oracle:
    """An oracle with one flaw."""

    table: AccuracyTable
    flaw: str

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        mapping = candidate.mapping
        if self.flaw == "forgets the first unit":
            mapping = mapping.move("fc0", "cpu")
        if self.flaw == "counts draws from 0":
            fidelity = replace(fidelity, draws=(0, fidelity.draws[1] - fidelity.draws[0]))
        answer = self.table.accuracy(replace(candidate, mapping=mapping), fidelity, seed)
        if self.flaw == "programs once":
            return replace(
                answer, samples=np.repeat(answer.samples[:1], len(answer.samples), axis=0)
            )
        if self.flaw == "per cent":
            return replace(answer, samples=100 * answer.samples, baseline=100 * answer.baseline)
        if self.flaw == "noisy digital":
            noise = np.random.default_rng(seed).normal(scale=1e-3, size=answer.samples.shape)
            return replace(answer, samples=np.clip(answer.samples + noise, 0.0, 1.0))
        return answer


oracles = OracleContract()


@pytest.mark.parametrize(
    ("flaw", "check"),
    [
        ("forgets the first unit", oracles.test_every_analog_unit_counts),
        ("counts draws from 0", oracles.test_is_reproducible),
        ("programs once", oracles.test_draws_differ),
        ("per cent", oracles.test_samples_are_accuracies),
        ("noisy digital", oracles.test_all_digital_is_the_baseline),
    ],
)
def test_bad_oracles_are_caught(flaw: str, check: Check) -> None:
    problem = tiny_problem()
    assert isinstance(problem.oracle, AccuracyTable)
    check(replace(problem, oracle=Oracle(problem.oracle, "none")))
    with pytest.raises((AssertionError, InputError)):
        check(replace(problem, oracle=Oracle(problem.oracle, flaw)))


class TestSyntheticOracle(OracleContract):
    @pytest.fixture
    def problem(self) -> Problem:
        return synthetic_problem(n_units=6)


class TestTableOracle(OracleContract):
    @pytest.fixture
    def problem(self) -> Problem:
        return tiny_problem()

"""Which examples are right is packed into a table, written and read, and agrees with its samples."""

from dataclasses import replace

import numpy as np
import pytest

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.oracle.table_file import packed
from lionheart_opt.outcomes import Outcomes

N = 21
CANDIDATES = [Candidate(Mapping.of({"a": target}), training="none") for target in ("cpu", "tile")]


class Bits:
    """The tile gets two thirds of the examples right; the host is exact."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.outcomes = Outcomes.of(rng.random(N) < 0.9, rng.random((4, 2, N)) < 0.66)

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        times_s, share = (1.0, 60.0), self.outcomes.baseline_share
        if candidate.mapping["a"] == "cpu":
            return Accuracy(samples=np.full((4, 2), share), times_s=times_s, baseline=share)
        return Accuracy.of(self.outcomes, times_s=times_s, evaluation_s=8.0)


def table() -> AccuracyTable:
    return AccuracyTable.measure(Bits(), CANDIDATES, draws=4, seed=0)


def test_answers_come_back_with_their_outcomes(tmp_path) -> None:
    table().save(tmp_path / "table.npz")
    read = AccuracyTable.load(tmp_path / "table.npz")
    assert read.digest == table().digest
    answer = read.accuracy(CANDIDATES[1], Fidelity(draws=(1, 3), examples=(0, 8)), 0)
    expected = Bits().outcomes.part(slice(1, 3), slice(0, 8))
    assert answer.outcomes is not None and answer.outcomes.to_bytes() == expected.to_bytes()
    assert (answer.n_examples, answer.of_examples, answer.evaluation_s) == (
        8,
        N,
        pytest.approx(8 * 8 / 42),
    )
    exact = read.accuracy(CANDIDATES[0], Fidelity(draws=(0, 3)), 0)
    assert exact.n_examples is None and exact.outcomes is None and len(exact.samples) == 3


def test_a_table_that_contradicts_itself_is_refused(tmp_path) -> None:
    made = table()
    assert made.right is not None
    with pytest.raises(ValueError, match="not the shares that are right"):
        replace(made, right=made.right ^ 1)
    for broken in ({"right": made.right[0]}, {"right_at_baseline": None}, {"n_examples": None}):
        with pytest.raises(ValueError, match="right needs"):
            replace(made, **broken)
    with pytest.raises(InputError, match="bytes"):
        replace(made, n_examples=40)


def test_without_all_outcomes_there_are_none() -> None:
    answers = [Bits().accuracy(each, Fidelity(draws=(0, 4)), 0) for each in CANDIDATES]
    assert packed(answers)[0] is not None
    assert packed([answers[1], replace(answers[1], outcomes=None)]) == (None, None)
    assert packed([answers[0], replace(answers[0], samples=answers[0].samples / 2)]) == (None, None)

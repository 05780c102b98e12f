"""Which examples are right is packed into a table, written and read, and agrees with its samples."""

from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.metric import Metric
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.oracle.table_file import packed
from lionheart_opt.statistics.example_statistics import ExampleStatistics
from lionheart_opt.statistics.outcomes import Outcomes

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
    with pytest.raises(ValueError, match="samples are not what the examples say"):
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


PERPLEXITY = Metric(
    name="perplexity", value="exponential", higher_is_better=False, low=1.0, high=inf, unit=""
)


@dataclass(frozen=True)
class Language:
    """An oracle of a language model: the more is analog, the higher the perplexity."""

    metric: Metric = PERPLEXITY

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        rng = np.random.default_rng(seed)
        tokens, exact = rng.integers(5, 9, N), rng.gamma(5.0, 1.0, N)
        exact, times_s = np.stack([exact, tokens], axis=-1), (1.0, 60.0)
        n_analog = sum(target == "tile" for target in candidate.mapping.values())
        more = rng.random((fidelity.draws[1], 2, N, 1)) * np.array([n_analog, 0.0])
        return Accuracy.of(
            ExampleStatistics.of(exact, exact + more),
            metric=self.metric,
            times_s=times_s,
            evaluation_s=1.0,
        )


@pytest.mark.parametrize("relative", [False, True])
def test_a_table_of_any_metric(tmp_path: Path, relative: bool) -> None:
    oracle = Language(replace(PERPLEXITY, relative=relative))
    made = AccuracyTable.measure(oracle, CANDIDATES, draws=4, seed=0)
    made.save(tmp_path / "t.npz")
    read = AccuracyTable.load(tmp_path / "t.npz")
    assert read.metric == oracle.metric and read.digest == made.digest
    for candidate in CANDIDATES:
        whole = oracle.accuracy(candidate, Fidelity(draws=(0, 4)), 0)
        some = Fidelity(draws=(1, 3), examples=(0, 20))
        answer, expected = read.accuracy(candidate, some, 0), whole.part(some)
        assert expected is not None and answer.outcomes is not None and answer.spread is not None
        np.testing.assert_allclose(answer.samples, expected.samples)
        assert expected.spread is not None
        np.testing.assert_allclose(answer.spread.deviation, expected.spread.deviation)
        np.testing.assert_allclose(answer.drops_at(60.0), expected.drops_at(60.0))


def test_a_function_of_a_user_cannot_be_kept() -> None:
    own = Language(replace(PERPLEXITY, value=lambda means: np.exp(means[..., 0])))
    with pytest.raises(InputError, match="cannot keep the function of the metric 'perplexity'"):
        AccuracyTable.measure(own, CANDIDATES, draws=2, seed=0)

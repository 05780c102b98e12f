"""Draws of one candidate on several workers: the same answers, and which candidates are split."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from counting_oracle import TIMES_S, Counting, asked
from deadly import toy
from front_door import data, made_up, outcome, small

import lionheart_opt as lo
from lionheart_opt.accuracy import Fidelity
from lionheart_opt.statistics.outcomes import Spread
from lionheart_opt.study.executors import Workers
from lionheart_opt.study.split import SplitEvaluation, can_be_split, split


@pytest.mark.parametrize("draws", [(0, 1), (0, 5), (5, 10), (3, 20)])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_parts_are_all_draws_in_order_and_of_nearly_equal_size(draws, count):
    fidelity = Fidelity(draws=draws, examples=(0, 64))
    parts = split(fidelity, count)
    numbers = [number for part in parts for number in range(*part.draws)]
    assert numbers == list(range(*draws)) and all(part.examples == (0, 64) for part in parts)
    sizes = [part.draws[1] - part.draws[0] for part in parts]
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1
    assert len(parts) == min(count, len(numbers))


def test_only_what_needs_no_training_is_split():
    problem = made_up()
    untrained = problem.pretrained(problem.all_analog).with_training("none")
    assert can_be_split(problem, untrained)
    for training in ("one_shot", "short", "full"):
        assert not can_be_split(problem, untrained.with_training(training))
    assert not can_be_split(problem, problem.pretrained(problem.all_analog)), "the problem trains"
    assert can_be_split(replace(problem, training="none"), problem.pretrained(problem.all_analog))


def test_a_single_candidate_is_measured_in_parts_and_a_batch_is_not(tmp_path):
    problem = replace(toy(), training="none", oracle=Counting(tmp_path / "asked.txt"))
    limit = replace(problem.accuracy_limit, time_s=TIMES_S, draws=(4,))
    problem = replace(problem, accuracy_limit=limit)
    candidates = [problem.pretrained(problem.analog([unit.name])) for unit in problem.units[:3]]
    with Workers(problem, 2) as workers:
        [alone] = workers.evaluate(candidates[:1])
        after = len(asked(tmp_path))
        together = list(workers.evaluate(candidates[1:]))
    assert (after, len(asked(tmp_path)) - after) == (2, 2)
    for evaluation, candidate in zip([alone, *together], candidates, strict=True):
        expected = problem.evaluate(candidate)
        np.testing.assert_array_equal(evaluation.accuracy.samples, expected.accuracy.samples)


def test_a_real_network_has_the_record_of_one_process():
    """Weights of a given network, looks at more and more draws, per-example outcomes included."""
    problem = lo.problem(
        small(), data(), max_drop=0.02, training="none", draws=(3, 6, 9), time="1 hour"
    )
    alone, together = (
        lo.search(problem, "mac_greedy", trials=5, workers=workers) for workers in (1, 3)
    )
    assert outcome(alone, seconds=False) == outcome(together, seconds=False)
    for a, b in zip(alone.evaluations, together.evaluations, strict=True):
        one, other = a.accuracy, b.accuracy
        assert (one.outcomes is None) == (other.outcomes is None)
        np.testing.assert_array_equal(one.spread.each, other.spread.each)
        assert (one.weights, one.note, one.n_examples) == (
            other.weights,
            other.note,
            other.n_examples,
        )


@dataclass(frozen=True)
class Spreads:
    """An oracle that says how its examples scatter, and nothing of each of them."""

    oracle: object

    def accuracy(self, candidate, fidelity, seed):
        answer = self.oracle.accuracy(candidate, fidelity, seed)
        each = np.full(answer.samples.shape, 0.01)
        spread = Spread(deviation=each[0], third=np.zeros(2), each=each)
        return replace(answer, n_examples=100, of_examples=100, spread=spread)


@dataclass(frozen=True)
class Done:
    """A job that is done at once."""

    value: object

    def result(self):
        return self.value

    def cancel(self):
        pass


def test_a_spread_that_cannot_be_joined_is_measured_whole(tmp_path):
    problem = replace(toy(), training="none", oracle=Spreads(Counting(tmp_path / "asked.txt")))
    limit = replace(problem.accuracy_limit, time_s=TIMES_S, draws=(4,))
    problem = replace(problem, accuracy_limit=limit)
    candidate = problem.pretrained(problem.all_analog)
    whole = problem.evaluate(candidate)
    parts = SplitEvaluation(problem, candidate, 2, lambda job: Done(job(problem))).result()
    assert parts.accuracy.to_json() == whole.accuracy.to_json() and parts.accuracy.spread

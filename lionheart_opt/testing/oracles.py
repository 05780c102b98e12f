"""The contract of accuracy oracles, and of what they may offer beyond accuracy."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from lionheart_opt.accuracy import (
    Accuracy,
    Anticipates,
    ChecksFinally,
    Enumerates,
    Fidelity,
    HasIdentity,
    Rehearses,
)
from lionheart_opt.aging.lifetimes import MeasuresAt
from lionheart_opt.aging.recalibration import Recalibrates
from lionheart_opt.diagnosis import SOURCES, Diagnoses
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Divergences, Proxies, consult, questions_of
from lionheart_opt.space import analog_moves
from lionheart_opt.statistics.example_statistics import told
from lionheart_opt.testing.problems import sample


class OracleContract:
    """What every accuracy oracle promises. Fixture to give: `problem`, with the oracle in it.

    Attributes:
        training: how the weights of the tests are obtained; the cheapest that the oracle offers.
        seed: of the oracle.
    """

    training: ClassVar[Training] = "none"
    seed: ClassVar[int] = 0

    @pytest.fixture
    def problem(self) -> Problem:
        """A small problem with the oracle under test."""
        raise NotImplementedError("give a fixture `problem`")

    def ask(self, problem: Problem, mapping: Mapping, first: int, last: int) -> Accuracy:
        """Draws `first` to `last` of a mapping that starts from the floating-point network."""
        candidate = Candidate(mapping, training=self.training)
        return problem.oracle.accuracy(candidate, Fidelity(draws=(first, last)), self.seed)

    def test_samples_are_accuracies(self, problem: Problem) -> None:
        """One row a draw, one column a time, in the metric's range; the limit's times are there."""
        answer = self.ask(problem, problem.all_analog, 0, 2)
        assert answer.samples.shape == (2, len(answer.times_s))
        answer.metric.check(answer.samples)
        assert set(problem.accuracy_limit.times_s) <= set(answer.times_s)
        assert answer.training_s >= 0 and answer.evaluation_s >= 0

    def test_all_digital_is_the_baseline(self, problem: Problem) -> None:
        """On a host that computes in floating point, nothing is lost without analog layers, exactly."""
        if not problem.is_digital_exact:
            pytest.skip("the host does not compute in floating point")
        answer = self.ask(problem, problem.all_digital, 0, 2)
        assert np.all(answer.samples == answer.baseline)

    def test_is_reproducible(self, problem: Problem) -> None:
        """A pure function: other questions in between and the way draws are asked for do not matter."""
        together = self.ask(problem, problem.all_analog, 0, 3)
        self.ask(problem, problem.all_digital, 0, 1)
        apart = [self.ask(problem, problem.all_analog, draw, draw + 1) for draw in (2, 0, 1)]
        samples = np.concatenate([apart[1].samples, apart[2].samples, apart[0].samples])
        np.testing.assert_array_equal(together.samples, samples)
        assert {answer.baseline for answer in [together, *apart]} == {together.baseline}

    def test_ranges_of_examples_make_the_whole(self, problem: Problem) -> None:
        """Examples that are asked for in parts give what all of them give at once."""
        whole = self.ask(problem, problem.all_analog, 0, 2)
        if whole.outcomes is None:
            pytest.skip("the oracle does not say which examples are right")
        says = told(whole.outcomes, whole.metric)
        np.testing.assert_array_equal(whole.samples, says["samples"])
        assert whole.baseline == says["baseline"]
        candidate = Candidate(problem.all_analog, training=self.training)
        first = Fidelity(draws=(0, 2), examples=(0, 1))
        few = problem.oracle.accuracy(candidate, first, self.seed)
        assert few.n_examples is not None and few.of_examples == whole.n_examples
        if few.n_examples < whole.outcomes.n_examples:
            others = Fidelity(draws=(0, 2), examples=(few.n_examples, None))
            few = few.widen(problem.oracle.accuracy(candidate, others, self.seed))
        assert few.outcomes is not None
        assert few.outcomes.to_bytes() == whole.outcomes.to_bytes()

    def test_draws_differ(self, problem: Problem) -> None:
        """Every draw programs the hardware afresh."""
        answer = self.ask(problem, problem.all_analog, 0, 4)
        assert len(np.unique(answer.samples, axis=0)) > 1

    def test_every_analog_unit_counts(self, problem: Problem) -> None:
        """Each unit is programmed and drifts, the first and the last too."""
        whole = self.ask(problem, problem.all_analog, 0, 4)
        for unit in problem.units:
            mapping = problem.all_analog.move(unit.name, problem.system.host)
            if mapping != problem.all_analog:
                part = self.ask(problem, mapping, 0, 4)
                assert np.any(part.samples != whole.samples), f"{unit.name} makes no difference"

    def test_announcing_changes_no_answer(self, problem: Problem) -> None:
        """`Anticipates`: what was announced is answered as if it had not been."""
        if not isinstance(problem.oracle, Anticipates):
            pytest.skip("the oracle does not anticipate")
        mappings = sample(problem)[:3]
        alone = [self.ask(problem, mapping, 0, 2) for mapping in mappings]
        announced = [Candidate(mapping, training=self.training) for mapping in mappings]
        problem.oracle.expect(announced, Fidelity(draws=(0, 2)), self.seed)
        for mapping, answer in zip(mappings, alone, strict=True):
            again = self.ask(problem, mapping, 0, 2)
            np.testing.assert_array_equal(again.samples, answer.samples)

    def test_questions_are_answered_for_every_unit(self, problem: Problem) -> None:
        """`Consultable`: finite values, the same twice; what is not offered is refused."""
        if Proxies not in questions_of(problem.oracle):
            pytest.skip("the oracle has no proxies")
        question = Proxies(units=tuple(unit.name for unit in problem.units))
        answer = consult(problem.oracle, question, self.seed)
        assert answer.values and answer.oracle_s >= 0
        for values in answer.values.values():
            assert set(values) == set(question.units)
            assert np.all(np.isfinite(list(values.values())))
        assert consult(problem.oracle, question, self.seed).values == answer.values

    def test_final_checks_are_new_draws(self, problem: Problem) -> None:
        """`ChecksFinally`: a check answers for the same times, with other samples."""
        if not isinstance(problem.oracle, ChecksFinally):
            pytest.skip("the oracle has no final checks")
        candidate = Candidate(problem.all_analog, training=self.training)
        fidelity = Fidelity(draws=(0, 2))
        searched = problem.oracle.accuracy(candidate, fidelity, self.seed)
        checks = problem.oracle.final_checks(candidate, fidelity, self.seed)
        for check in checks.values():
            assert check.times_s == searched.times_s and len(check.samples) >= 2

    def test_a_diagnosis_is_of_every_analog_unit(self, problem: Problem) -> None:
        """`Diagnoses`: powers for each chip, shares from 0 to 1, the same twice."""
        if not isinstance(problem.oracle, Diagnoses):
            pytest.skip("the oracle cannot say what limits a layer")
        candidate = Candidate(problem.all_analog, training=self.training)
        time_s = problem.accuracy_limit.times_s[0]
        diagnosis, again = (
            problem.oracle.diagnose(
                candidate, time_s=time_s, n_draws=2, n_examples=8, seed=self.seed
            )
            for _ in range(2)
        )
        assert diagnosis.to_json() == again.to_json()
        host = problem.system.host
        analog = {unit for unit, target in problem.all_analog.items() if target != host}
        assert {matrix.unit for matrix in diagnosis.matrices} == analog
        for matrix in diagnosis.matrices:
            assert matrix.signal.shape == (2,) and "all" in matrix.errors
            assert matrix.errors.keys() <= SOURCES.keys()
            assert all(np.all(errors >= 0) for errors in matrix.errors.values())
            for share in (matrix.out_of_range, matrix.saturated, matrix.clipped_weights):
                assert 0 <= share <= 1

    def test_other_times_can_be_measured(self, problem: Problem) -> None:
        """`MeasuresAt`: the same chips at other times; the oracle itself keeps its own."""
        if not isinstance(problem.oracle, MeasuresAt):
            pytest.skip("the oracle measures at its own times only")
        before = self.ask(problem, problem.all_analog, 0, 2)
        times_s = (before.times_s[-1], before.times_s[-1] + 1.0)
        candidate = Candidate(problem.all_analog, training=self.training)
        other = problem.oracle.at_times(times_s)
        answer = other.accuracy(candidate, Fidelity(draws=(0, 2)), self.seed)
        assert answer.times_s == times_s
        np.testing.assert_array_equal(answer.samples[:, 0], before.samples[:, -1])
        assert self.ask(problem, problem.all_analog, 0, 2).times_s == before.times_s

    def test_divergences_are_of_every_unit(self, problem: Problem) -> None:
        """`Divergences`: finite values with errors, the same twice, whichever units are asked."""
        if Divergences not in questions_of(problem.oracle):
            pytest.skip("the oracle cannot compare outputs")
        target = problem.system.analog_targets[0]
        units = tuple(unit for unit, where in analog_moves(problem) if where == target)
        question = Divergences(
            units=units,
            target=target,
            others=problem.all_digital.to_json(),
            time_s=problem.accuracy_limit.times_s[0],
            n_draws=2,
        )
        values = consult(problem.oracle, question, self.seed).values
        assert values["divergence"].keys() == values["standard_error"].keys() == set(units)
        assert all(error >= 0 for error in values["standard_error"].values())
        assert consult(problem.oracle, question, self.seed).values == values
        alone = consult(problem.oracle, replace(question, units=units[-1:]), self.seed).values
        assert alone["divergence"] == {units[-1]: values["divergence"][units[-1]]}

    def test_chips_can_be_calibrated_at_other_intervals(self, problem: Problem) -> None:
        """`Recalibrates`: the same chips, right after a calibration; the oracle keeps its own."""
        if not isinstance(problem.oracle, Recalibrates) or not isinstance(
            problem.oracle, MeasuresAt
        ):
            pytest.skip("the oracle calibrates chips as its study does only")
        before = self.ask(problem, problem.all_analog, 0, 2)
        time_s = before.times_s[-1] or 1.0
        other = problem.oracle.recalibrated_every(time_s)
        if other is None:
            pytest.skip("the oracle does not calibrate chips")
        candidate = Candidate(problem.all_analog, training=self.training)
        assert isinstance(other, MeasuresAt)
        answer = other.at_times((time_s,)).accuracy(candidate, Fidelity(draws=(0, 2)), self.seed)
        assert answer.times_s == (time_s,)
        again = self.ask(problem, problem.all_analog, 0, 2)
        np.testing.assert_array_equal(again.samples, before.samples)

    def test_listed_mappings_are_answered(self, problem: Problem) -> None:
        """`Enumerates`: every mapping that is listed has an answer."""
        if not isinstance(problem.oracle, Enumerates):
            pytest.skip("the oracle does not list its mappings")
        mappings = problem.oracle.mappings(self.training)
        assert mappings
        for mapping in mappings[:10]:
            assert self.ask(problem, mapping, 0, 1).samples.shape[0] == 1

    def test_a_small_copy_answers_at_the_same_times(self, problem: Problem) -> None:
        """`Rehearses`: one draw of every training, at the times of the oracle."""
        if not isinstance(problem.oracle, Rehearses):
            pytest.skip("the oracle cannot be tried in seconds")
        times_s = self.ask(problem, problem.all_digital, 0, 1).times_s
        small = problem.oracle.small_copy()
        for mapping in (problem.all_digital, problem.all_analog):
            candidate = Candidate(mapping, training=self.training)
            answer = small.accuracy(candidate, Fidelity(draws=(0, 1)), self.seed)
            assert answer.times_s == times_s and len(answer.samples) == 1

    def test_identity_is_plain_data(self, problem: Problem) -> None:
        """`HasIdentity`: it can be kept in a record, and is the same twice."""
        if not isinstance(problem.oracle, HasIdentity):
            pytest.skip("the oracle has no identity of its own")
        identity = problem.oracle.identity
        assert json.loads(json.dumps(identity)) == identity == problem.oracle.identity

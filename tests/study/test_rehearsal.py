"""Rehearsals of made-up oracles: which units fail, and what an error says."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from lionheart_opt.accuracy import DIVERGED, Accuracy
from lionheart_opt.errors import CannotBeAnalog, InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.study.openings import Opening
from lionheart_opt.study.rehearsal import rehearse
from lionheart_opt.testing import tiny_problem


@dataclass(frozen=True)
class Picky:
    """An oracle that fails for some units and trainings, and counts its small copies."""

    units: tuple[str, ...] = ()
    trainings: tuple[str, ...] = ()
    together: bool = False
    diverges: bool = False

    def small_copy(self):
        return self

    def accuracy(self, candidate, fidelity, seed):
        analog = [unit for unit in candidate.mapping if candidate.mapping[unit] != "cpu"]
        for unit in analog:
            if unit in self.units:
                raise InputError(f"module {unit!r} is odd; keep it on the host")
        if self.together and len(analog) > 1:
            raise RuntimeError("two are too many\nfor me")
        if candidate.training in self.trainings and analog:
            raise ValueError(f"cannot do {candidate.training}")
        note = f"{DIVERGED} in epoch 1" if self.diverges and candidate.training == "full" else ""
        n = fidelity.draws[1] - fidelity.draws[0]
        return Accuracy(samples=np.full((n, 1), 0.9), times_s=(86400.0,), baseline=0.9, note=note)


@pytest.fixture
def problem():
    made = tiny_problem()
    assert made.system.host == "cpu" and len(made.units) > 2
    return made


def names(problem):
    return [unit.name for unit in problem.units]


def test_nothing_is_wrong(problem):
    rehearsal = rehearse(problem, Picky(), [], "here")
    assert not rehearsal.wrong.errors and not rehearsal.notes
    assert "training 'full', two steps" in rehearsal.tried


def test_units_that_fail_are_named_with_their_common_reason(problem):
    bad = tuple(names(problem)[1:3])
    [error] = rehearse(problem, Picky(units=bad), [], "here").wrong.errors
    assert isinstance(error, CannotBeAnalog) and error.units == bad
    assert "its module is odd; to keep them on the host" in str(error)


def test_what_fails_for_every_unit_is_no_unit_s_fault(problem):
    [error] = rehearse(problem, Picky(units=tuple(names(problem))), [], "here").wrong.errors
    assert str(error) == "here: no unit can be analog: its module is odd"


def test_what_fails_only_together_is_said_as_it_is(problem):
    [error] = rehearse(problem, Picky(together=True), [], "here").wrong.errors
    assert str(error).startswith("here: RuntimeError: two are too many (")
    assert "\n" not in str(error)


def test_trainings_are_those_of_the_problem_and_of_first_proposals(problem):
    candidates = tuple(
        Candidate(problem.all_analog, training=training) for training in ("short", "none")
    )
    opening = Opening(label="run", candidates=candidates)
    picky = Picky(trainings=("full", "short", "one_shot"))
    said = [str(error) for error in rehearse(problem, picky, [opening], "here").wrong.errors]
    for line, training in zip(said, ("full", "short"), strict=True):
        start = f"here: training {training!r}: ValueError: cannot do {training} ({__file__}, line "
        assert line.startswith(start)
    other = replace(problem, training="none")
    assert not rehearse(other, picky, [], "here").wrong.errors


def test_a_training_that_diverges_is_noted(problem):
    rehearsal = rehearse(problem, Picky(diverges=True), [], "here")
    assert not rehearsal.wrong.errors
    assert "diverges in its first two steps" in rehearsal.notes[0]


def test_a_table_is_asked_for_all_draws(problem):
    """It may hold fewer than the limit needs."""

    class Table(Picky):
        def mappings(self, training):
            return [problem.all_digital]

        def accuracy(self, candidate, fidelity, seed):
            if fidelity.draws[1] > 2:
                raise InputError("draws up to 20 were asked for; it has 2")
            raise AssertionError

    opening = Opening(label="run", candidates=(Candidate(problem.all_digital),))
    [error] = rehearse(problem, Table(), [opening], "here").wrong.errors
    assert str(error) == "run 'run': draws up to 20 were asked for; it has 2"


def test_an_oracle_that_cannot_be_tried_is_named(problem):
    rehearsal = rehearse(problem, object(), [], "here")
    assert rehearsal.tried == [] and "oracle object" in rehearsal.not_tried[0]

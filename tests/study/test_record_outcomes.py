"""Which examples are right is kept beside the record, and read where less than all of it is asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from oracle_setup import SETTINGS, mapping, small_oracle

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.artifacts import OutcomeStore
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.record import Record
from lionheart_opt.study.recorded_oracle import NotRecorded, RecordedOracle
from lionheart_opt.study.trials import OUTCOMES
from lionheart_opt.testing import tiny_problem

CANDIDATE = Candidate(mapping("conv1"), training="none")


@pytest.fixture
def measured(tmp_path: Path) -> Accuracy:
    return small_oracle(tmp_path / "weights").accuracy(CANDIDATE, Fidelity(draws=(0, 6)), 0)


def test_an_oracle_says_which_examples_are_right(measured: Accuracy) -> None:
    assert measured.outcomes is not None and measured.spread is not None
    np.testing.assert_array_equal(measured.samples, measured.outcomes.samples)
    assert measured.baseline == measured.outcomes.baseline_share
    assert measured.n_examples == measured.of_examples == measured.outcomes.n_examples
    again = Accuracy.from_json(measured.to_json())
    assert again.outcomes is None and again.spread is not None
    np.testing.assert_array_equal(again.spread.each, measured.spread.each)
    limit = AccuracyLimit(max_drop=0.05, time_s=measured.times_s[0])
    assert limit.bounds(again) == limit.bounds(measured), "a record needs no artifact to be judged"


class OneAnswer:
    """Answers with one accuracy, whatever it is asked."""

    def __init__(self, answer: Accuracy) -> None:
        self.answer = answer

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        part = self.answer.part(fidelity)
        assert part is not None
        return part


def kept(problem: Problem, folder: Path) -> OptunaKeeper:
    """A record of one trial, whose outcomes are kept in the folder."""
    storage = optuna.storages.InMemoryStorage()
    specification = {"training": "none"}
    store = OutcomeStore(folder)
    keeper = OptunaKeeper.open(problem, "s", storage, specification, {}, outcomes=store)
    Record(problem, keeper).add(problem.evaluate(problem.pretrained(problem.all_analog)))
    return keeper


def test_a_part_of_a_recorded_answer_needs_its_artifact(measured: Accuracy, tmp_path: Path) -> None:
    times_s = (1.0, 86_400.0)
    answer = replace(measured, times_s=times_s)
    problem = tiny_problem()
    limit = replace(problem.accuracy_limit, draws=(6,))
    problem = replace(problem, oracle=OneAnswer(answer), accuracy_limit=limit)
    keeper = kept(problem, tmp_path / "artifacts")
    [trial] = keeper.study.trials
    [file] = (tmp_path / "artifacts").iterdir()
    assert trial.user_attrs[OUTCOMES] == file.name
    asked = problem.pretrained(problem.all_analog).resolved("none")

    def ask(store: OutcomeStore | None, draws: tuple[int, int]) -> Accuracy:
        oracle = RecordedOracle(
            lambda: OneAnswer(answer),
            lambda: [keeper.study],
            training="none",
            seed=0,
            outcomes=store,
        )
        return oracle.records_only().accuracy(asked, Fidelity(draws=draws), 0)

    store = OutcomeStore(tmp_path / "artifacts")
    part = ask(store, (2, 4))
    np.testing.assert_array_equal(part.samples, answer.samples[2:4])
    expected = answer.part(Fidelity(draws=(2, 4)))
    assert expected is not None and expected.spread is not None and part.spread is not None
    np.testing.assert_array_equal(part.spread.deviation, expected.spread.deviation)
    whole = ask(store, (0, 6))
    assert whole.outcomes is not None, "more draws can be joined to it"
    extended = whole.extend(answer)
    assert extended.spread is not None and len(extended.samples) == 12
    with pytest.raises(NotRecorded):
        ask(None, (0, 6))
    file.unlink()
    for draws in ((2, 4), (0, 6)):
        with pytest.raises(NotRecorded):
            ask(store, draws)


def test_ranges_of_examples_are_answered_from_all_of_them(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"batch_size": 8})
    oracle = small_oracle(tmp_path, settings)
    copies = RecordedOracle(lambda: oracle, list, training="none", seed=0)
    fidelity = Fidelity(draws=(0, 2), examples=(0, 5))
    direct = oracle.accuracy(CANDIDATE, fidelity, 0)
    copies.accuracy(CANDIDATE, Fidelity(draws=(0, 2)), 0)
    copied = copies.records_only().accuracy(CANDIDATE, fidelity, 0)
    assert direct.n_examples == copied.n_examples == 8 < (direct.of_examples or 0)
    assert direct.outcomes is not None and copied.outcomes is not None
    assert direct.outcomes.to_bytes() == copied.outcomes.to_bytes()


def test_looks_that_add_examples_end_with_the_same_as_all_at_once(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"batch_size": 8})
    oracle = small_oracle(tmp_path, settings)
    parts = RecordedOracle(lambda: oracle, list, training="none", seed=0)
    first = parts.accuracy(CANDIDATE, Fidelity(draws=(0, 2), examples=(0, 8)), 0)
    more = parts.accuracy(CANDIDATE, Fidelity(draws=(0, 2), examples=(8, None)), 0)
    wider = first.widen(more)
    whole = oracle.accuracy(CANDIDATE, Fidelity(draws=(0, 2)), 0)
    assert wider.outcomes is not None and whole.outcomes is not None
    assert wider.outcomes.to_bytes() == whole.outcomes.to_bytes()
    np.testing.assert_array_equal(wider.samples, whole.samples)
    copied = parts.records_only().accuracy(CANDIDATE, Fidelity(draws=(0, 2)), 0)
    assert copied.n_examples == whole.n_examples


def test_outcomes_of_another_trial_are_not_taken(measured: Accuracy, tmp_path: Path) -> None:
    """An artifact whose shares are not those of the record is as good as none."""
    assert measured.outcomes is not None
    store = OutcomeStore(tmp_path / "artifacts")
    reversed_draws = measured.outcomes.part(slice(None, None, -1), slice(None))
    assert not np.array_equal(reversed_draws.samples, measured.samples)
    oracle = RecordedOracle(lambda: None, list, training="none", seed=0, outcomes=store)  # type: ignore[arg-type]
    recorded = replace(measured, outcomes=None)
    for outcomes, is_taken in ((measured.outcomes, True), (reversed_draws, False)):
        _ = oracle._recorded
        oracle._artifacts[CANDIDATE] = store.put(outcomes)
        assert (oracle.with_outcomes(CANDIDATE, recorded).outcomes is not None) == is_taken

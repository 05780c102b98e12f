"""Accuracies as samples; questions to oracles that answer more than accuracy."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.errors import InputError
from lionheart_opt.questions import (
    Answer,
    Consultable,
    LearnedShares,
    Proxies,
    Question,
    cannot_answer,
    consult,
    questions_of,
)


def accuracy(rows: list[list[float]], **fields: object) -> Accuracy:
    """Samples at 1 s and at 60 s, of a network that has 0.9."""
    samples = np.array(rows, dtype=float).reshape(len(rows), -1)
    return Accuracy(**{"samples": samples, "times_s": (1.0, 60.0), "baseline": 0.9, **fields})


def test_drops_are_those_of_the_time():
    measured = accuracy([[0.9, 0.8], [0.7, 0.95]])
    np.testing.assert_allclose(measured.drops_at(1.0), [0.0, 0.2])
    np.testing.assert_allclose(measured.drops_at(60.0), [0.1, -0.05])
    with pytest.raises(InputError, match="asked for at 2 s; the oracle measured 1 s, 60 s"):
        measured.drops_at(2.0)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(2), r"samples: got \(2,\); must be a numpy array of shape \(n_draws, 2\)"),
        (np.zeros((2, 3)), r"samples: got \(2, 3\); must be a numpy array of shape \(n_draws, 2\)"),
        ([[0.5, 0.5]], r"samples: got \[\[0.5, 0.5\]\]; must be a numpy array"),
        (np.array([[0.5, np.nan]]), "must be from 0 to 1, samples and baseline; got nan"),
        (np.array([[np.inf, 0.5]]), "must be from 0 to 1, samples and baseline; got inf"),
        (np.array([[0.5, 91.05]]), "must be from 0 to 1, samples and baseline; got 91.05"),
    ],
)
def test_samples_that_make_no_sense_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        Accuracy(samples=samples, times_s=(1.0, 60.0), baseline=0.9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("name", ["training_s", "evaluation_s", "shared_s", "times_s"])
def test_times_and_seconds_are_finite(name, value):
    field = {name: (1.0, value) if name == "times_s" else value}
    with pytest.raises(InputError, match=f"accuracy: {name}.*must be finite and not negative"):
        accuracy([[0.5, 0.4]], **field)


def test_a_diverged_training_is_told_by_its_note():
    assert accuracy([[0.5, 0.4]], note="training diverged in epoch 3; ...").diverged
    assert not accuracy([[0.5, 0.4]]).diverged


def test_rounding_is_that_of_a_uniform_error():
    """Steps of 1/100: a uniform error of that width has the standard deviation 1 / (100 sqrt(12))."""
    assert accuracy([[0.5, 0.5]], n_examples=100).rounding == pytest.approx(0.01 / np.sqrt(12))
    assert accuracy([[0.5, 0.5]]).rounding == 0.0


def test_more_draws_are_appended_and_their_training_is_not_paid_again():
    first = accuracy([[0.5, 0.4]], training_s=7.0, evaluation_s=2.0, shared_s=3.0, n_examples=10)
    second = accuracy([[0.6, 0.3], [0.7, 0.2]], training_s=7.0, evaluation_s=4.0, note="diverged")
    joined = first.extend(second)
    assert joined.samples.tolist() == [[0.5, 0.4], [0.6, 0.3], [0.7, 0.2]]
    assert (joined.training_s, joined.evaluation_s, joined.shared_s) == (7.0, 6.0, 3.0)
    assert joined.note == "diverged" and joined.n_examples == 10
    assert first.samples.tolist() == [[0.5, 0.4]]


@pytest.mark.parametrize("changes", [{"baseline": 0.8}, {"times_s": (1.0, 61.0)}])
def test_draws_of_something_else_are_not_appended(changes):
    with pytest.raises(ValueError, match="different times or baselines cannot be joined"):
        accuracy([[0.5, 0.4]]).extend(accuracy([[0.5, 0.4]], **changes))


@pytest.mark.parametrize("rows", [[[0.1, 1 / 3]], np.zeros((0, 2)).tolist()])
def test_json_round_trip(rows):
    measured = Accuracy(
        samples=np.array(rows).reshape(-1, 2),
        times_s=(1.0, 60.0),
        baseline=0.9,
        note="short",
        n_examples=30,
    )
    read = Accuracy.from_json(json.loads(json.dumps(measured.to_json())))
    np.testing.assert_array_equal(read.samples, measured.samples)
    assert read.samples.shape == measured.samples.shape
    assert (read.times_s, read.note, read.n_examples) == ((1.0, 60.0), "short", 30)


def test_the_representation_is_in_points():
    text = repr(accuracy([[0.9, 0.8], [0.88, 0.7]]))
    assert text == (
        "Accuracy(2 draws, baseline 90.00 %, mean drop in points: +1.00 at 1 s, +15.00 at 60 s)"
    )


@dataclass(frozen=True)
class KnowsProxies:
    """An oracle that answers with the number of units and the seed."""

    questions: tuple[type[Question], ...] = (Proxies,)

    def consult(self, question: Question, seed: int) -> Answer:
        assert isinstance(question, Proxies)
        return Answer(values={"n": {"fc": float(len(question.units))}}, oracle_s=float(seed))


def test_a_question_goes_to_an_oracle_that_answers_its_kind():
    answer = consult(KnowsProxies(), Proxies(units=("a", "b")), seed=5)
    assert answer.values == {"n": {"fc": 2.0}} and answer.oracle_s == 5.0
    assert questions_of(KnowsProxies()) == (Proxies,)
    assert isinstance(KnowsProxies(), Consultable)


@pytest.mark.parametrize(
    ("oracle", "question"),
    [
        (object(), Proxies(units=())),
        (KnowsProxies(), LearnedShares(prices={}, strength=1.0)),
        (KnowsProxies(questions=()), Proxies(units=())),
    ],
)
def test_a_question_of_another_kind_is_refused(oracle, question):
    with pytest.raises(InputError, match=f"the study's oracle has no {question.what}, which"):
        consult(oracle, question, seed=0)


def test_the_refusal_names_an_oracle_that_answers():
    message = str(cannot_answer(Proxies(units=())))
    assert message.endswith('an oracle that has: [oracle] kind = "hat"') and "\n" not in message


def test_an_oracle_that_only_measures_accuracy_answers_no_questions():
    assert questions_of(object()) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_examples", n) for n in (0, -3, 2.5, True, "10", [10], np.int64(9))]
    + [("note", n) for n in (3, None)],
)
def test_fields_of_other_types_are_refused(name, value):
    fields = {"samples": np.ones((1, 1)), "times_s": (1.0,), "baseline": 1.0, name: value}
    with pytest.raises(InputError, match=f"accuracy: {name}: got"):
        Accuracy(**fields)
    Accuracy(**{**fields, "n_examples": 10, "note": ""})

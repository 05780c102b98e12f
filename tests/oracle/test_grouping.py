"""Candidates that are expected are measured in one go, and answered as if each were alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle_setup import NAMES, mapping, small_oracle

import lionheart_opt.oracle.grouping as together
from lionheart_opt.accuracy import Anticipates, Fidelity
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.oracle import measured_together
from lionheart_opt.oracle.hat import HatOracle

SUBSETS = [("conv1",), ("conv2",), ("conv1", "conv2"), ("linear",), NAMES]
DRAWS = (0, 2)
FIDELITY = Fidelity(draws=DRAWS)


def candidates(training: Training) -> list[Candidate]:
    return [Candidate(mapping(*names), training=training) for names in SUBSETS]


def answers(oracle: HatOracle, asked: list[Candidate]) -> np.ndarray:
    return np.stack(
        [oracle.accuracy(candidate, Fidelity(draws=DRAWS), 3).samples for candidate in asked]
    )


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many mappings each measurement was of."""
    sizes: list[int] = []
    real = measured_together.measure

    def spy(*arguments: Any, **keywords: Any) -> np.ndarray:
        sizes.append(len(arguments[2]))
        return real(*arguments, **keywords)

    monkeypatch.setattr(measured_together, "measure", spy)
    return sizes


@pytest.mark.parametrize("training", ["none", "one_shot"])
def test_expected_candidates_are_measured_in_one_go(
    tmp_path: Path, measured: list[int], training: Training
) -> None:
    oracle, asked = small_oracle(tmp_path), candidates(training)
    assert isinstance(oracle, Anticipates)
    alone = answers(oracle, asked)
    assert measured == [1] * len(asked)
    measured.clear()
    oracle.expect(asked, FIDELITY, 3)
    np.testing.assert_array_equal(answers(oracle, asked), alone)
    assert measured == [len(asked)]
    # what has been answered is not kept: asked again, it is measured again
    np.testing.assert_array_equal(answers(oracle, asked[:1]), alone[:1])
    assert measured == [len(asked), 1]


def test_groups_are_limited(
    tmp_path: Path, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "GROUP", 2)
    oracle, asked = small_oracle(tmp_path), candidates("none")
    oracle.expect(asked, FIDELITY, 3)
    answers(oracle, asked)
    assert measured == [2, 2, 1]


def test_seconds_are_shared(tmp_path: Path) -> None:
    oracle, asked = small_oracle(tmp_path), candidates("none")
    oracle.expect(asked, FIDELITY, 3)
    fidelity = Fidelity(draws=DRAWS)
    seconds = {oracle.accuracy(each, fidelity, 3).evaluation_s for each in asked}
    assert len(seconds) == 1 and min(seconds) > 0


def test_only_what_has_the_same_weights_is_measured_together(
    tmp_path: Path, measured: list[int]
) -> None:
    oracle = small_oracle(tmp_path)
    parent = Candidate(mapping("conv1"), training="short")
    asked = [
        *candidates("short")[:2],
        candidates("none")[0],
        Candidate(mapping("conv2"), parent=parent, training="none"),
        Candidate(mapping("linear"), parent=parent, training="none"),
    ]
    oracle.expect(asked, FIDELITY, 3)
    answers(oracle, asked)
    assert measured == [1, 1, 1, 2]


def test_other_draws_and_seeds_are_asked_alone(tmp_path: Path, measured: list[int]) -> None:
    oracle, asked = small_oracle(tmp_path), candidates("none")
    oracle.expect(asked, FIDELITY, 3)
    oracle.accuracy(asked[0], Fidelity(draws=(2, 3)), 3)
    oracle.accuracy(asked[0], Fidelity(draws=DRAWS), 4)
    oracle.test_accuracy(asked[0], Fidelity(draws=DRAWS), 3)
    assert measured == [1, 1, 1]


def test_an_answer_measured_in_advance_is_for_its_seed_and_draws_only(
    tmp_path: Path, measured: list[int]
) -> None:
    """The second of a group, asked for with another seed, is another question."""
    asked = candidates("none")
    fidelity = Fidelity(draws=DRAWS)
    alone = small_oracle(tmp_path)
    expected = [
        alone.accuracy(asked[1], fidelity, 4).samples,
        alone.accuracy(asked[1], Fidelity(draws=(2, 4)), 3).samples,
        alone.test_accuracy(asked[1], fidelity, 3).samples,
        alone.accuracy(asked[1], fidelity, 3).samples,
    ]
    for other in expected[:3]:
        assert not np.array_equal(other, expected[3])
    oracle = small_oracle(tmp_path)
    oracle.expect(asked, FIDELITY, 3)
    oracle.accuracy(asked[0], fidelity, 3)
    measured.clear()
    answered = [
        oracle.accuracy(asked[1], fidelity, 4).samples,
        oracle.accuracy(asked[1], Fidelity(draws=(2, 4)), 3).samples,
        oracle.test_accuracy(asked[1], fidelity, 3).samples,
    ]
    np.testing.assert_array_equal(answered, expected[:3])
    assert measured == [1, 1, 1]


# --- what is kept, without an oracle -----------------------------------------------------------------


def test_a_group_is_charged_equal_shares_and_answered_once() -> None:
    asked = candidates("none")
    grouping = together.Grouping()
    grouping.expect(asked, FIDELITY, 3)
    group = grouping.group(asked[1], FIDELITY, 3)
    assert group == [asked[1], asked[0], *asked[2:]], "the one that is asked for comes first"
    samples = np.arange(5.0)[:, None, None]
    grouping.keep("question", group, samples, 10.0)
    assert grouping.take("other question", asked[0]) is None
    assert grouping.take("question", asked[0]) == (samples[1], 2.0)
    assert grouping.take("question", asked[0]) is None
    assert grouping.take("question", asked[2]) == (samples[2], 2.0)


def test_what_is_answered_or_measured_is_in_no_further_group() -> None:
    asked = candidates("none")
    grouping = together.Grouping()
    grouping.expect(asked, FIDELITY, 3)
    grouping.keep("question", asked[:2], np.zeros((2, 2, 1)), 1.0)
    grouping.take("question", asked[0])
    assert grouping.group(asked[2], FIDELITY, 3) == asked[2:], "one is answered, one is measured"
    assert grouping.group(asked[0], FIDELITY, 3) == [asked[0]], "no longer expected"
    others = Fidelity(draws=(0, 3)), replace(FIDELITY, examples=(0, 8))
    for fidelity, seed in (*((other, 3) for other in others), (FIDELITY, 4)):
        assert grouping.group(asked[2], fidelity, seed) == [asked[2]]


def test_what_is_expected_anew_replaces_what_was() -> None:
    asked = candidates("none")
    grouping = together.Grouping()
    grouping.expect(asked, FIDELITY, 3)
    grouping.keep("question", asked, np.zeros((5, 2, 1)), 1.0)
    grouping.expect(asked[3:], FIDELITY, 3)
    assert grouping.take("question", asked[4]) is None
    assert grouping.group(asked[4], FIDELITY, 3) == [asked[4], asked[3]]
    assert grouping.group(asked[0], FIDELITY, 3) == [asked[0]]

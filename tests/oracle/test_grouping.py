"""Candidates that are expected are measured in one go, and answered as if each were alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle_setup import NAMES, mapping, small_oracle

import lionheart_opt.oracle.grouping as together
import lionheart_opt.oracle.hat as hat
from lionheart_opt.accuracy import Anticipates, Fidelity
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.oracle.hat import HatOracle

SUBSETS = [("conv1",), ("conv2",), ("conv1", "conv2"), ("linear",), NAMES]
DRAWS = (0, 2)


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
    real = hat.measure

    def spy(*arguments: Any, **keywords: Any) -> np.ndarray:
        sizes.append(len(arguments[2]))
        return real(*arguments, **keywords)

    monkeypatch.setattr(hat, "measure", spy)
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
    oracle.expect(asked, DRAWS, 3)
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
    oracle.expect(asked, DRAWS, 3)
    answers(oracle, asked)
    assert measured == [2, 2, 1]


def test_seconds_are_shared(tmp_path: Path) -> None:
    oracle, asked = small_oracle(tmp_path), candidates("none")
    oracle.expect(asked, DRAWS, 3)
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
    oracle.expect(asked, DRAWS, 3)
    answers(oracle, asked)
    assert measured == [1, 1, 1, 2]


def test_other_draws_and_seeds_are_asked_alone(tmp_path: Path, measured: list[int]) -> None:
    oracle, asked = small_oracle(tmp_path), candidates("none")
    oracle.expect(asked, DRAWS, 3)
    oracle.accuracy(asked[0], Fidelity(draws=(2, 3)), 3)
    oracle.accuracy(asked[0], Fidelity(draws=DRAWS), 4)
    oracle.test_accuracy(asked[0], Fidelity(draws=DRAWS), 3)
    assert measured == [1, 1, 1]

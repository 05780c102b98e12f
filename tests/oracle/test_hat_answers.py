"""What comes with an oracle's answers: times, examples, shared seconds; and what it leaves to others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch
from oracle_setup import NAMES, SETTINGS, candidate, mapping, small_network, small_oracle
from torch import nn

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle import measured_together
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.store import WeightStore
from lionheart_opt.questions import Divergences, LearnedShares, Proxies, Question

GIVEN = SETTINGS.model_copy(update={"pretrain": None, "validation_examples": 30})
DRAWS = Fidelity(draws=(1, 4))
ALL = candidate(*NAMES).with_training("none")


@pytest.fixture
def oracle(tmp_path: Path) -> HatOracle:
    """An oracle with a network that is taken as it is, and 30 validation images."""
    return small_oracle(tmp_path, GIVEN)


def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of all measurements from now on, in which nothing is right."""
    calls: list[tuple[Any, ...]] = []

    def constant(*arguments: Any) -> np.ndarray:
        calls.append(arguments)
        conditions, n_examples = arguments[5], len(arguments[4])
        draws, times_s = conditions.draws, conditions.times_s
        return np.zeros((len(arguments[2]), len(draws), len(times_s), n_examples, 1), bool)

    monkeypatch.setattr(measured_together, "measure", constant)
    return calls


@pytest.mark.filterwarnings("ignore:the network seems untrained")
def test_an_answer_says_what_it_rests_on(
    oracle: HatOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(monkeypatch)
    started = perf_counter()
    answer, test = oracle.accuracy(ALL, DRAWS, 0), oracle.test_accuracy(ALL, DRAWS, 0)
    took = perf_counter() - started
    assert answer.samples.shape == (3, 2) and answer.times_s == SETTINGS.times_s
    assert (answer.n_examples, test.n_examples) == (30, len(oracle.splits.test))
    assert (answer.baseline, test.baseline) == tuple(map(oracle.baseline, ("validation", "test")))
    assert 0 < answer.evaluation_s < took
    assert answer.training_s == answer.shared_s == 0 and not answer.note
    digital = oracle.accuracy(candidate().with_training("none"), DRAWS, 0)
    assert digital.samples.shape == (3, 2) and (digital.samples == answer.baseline).all()
    assert digital.times_s == SETTINGS.times_s and digital.n_examples is None


@pytest.mark.filterwarnings("ignore:the network seems untrained")
def test_the_shared_training_is_charged_where_a_lineage_has_it_and_run_nowhere_else(
    oracle: HatOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(monkeypatch)
    trained = replace(oracle.pretrained, training_s=7.0, note="as it is")
    shared = replace(oracle.pretrained, training_s=50.0)
    asked: list[int] = []
    monkeypatch.setattr(HatOracle, "shared_training", lambda _, seed: asked.append(seed) or shared)
    monkeypatch.setattr(type(oracle.weights), "keyed", lambda *_: ("key", trained))
    first = Candidate(mapping("conv1"), training="one_shot")
    for each in (ALL, Candidate(mapping("conv1"), training="short")):
        answer = oracle.accuracy(each, DRAWS, 3)
        assert (answer.training_s, answer.shared_s, answer.note) == (7.0, 0.0, "as it is")
    assert not asked
    for each in (first, Candidate(mapping("conv2"), parent=first, training="short")):
        assert oracle.accuracy(each, DRAWS, 3).shared_s == 50.0
    assert asked == [3, 3]


@pytest.mark.filterwarnings("ignore:the network seems untrained")
@pytest.mark.parametrize(
    ("change", "ask", "sizes"),
    [
        ({}, HatOracle.accuracy, [2]),
        ({}, HatOracle.test_accuracy, [1, 1]),
        ({"verify_on": "aihwkit"}, HatOracle.verified_accuracy, [1, 1]),
    ],
)
def test_only_what_a_search_asks_for_is_measured_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    ask: Callable[..., Any],
    sizes: list[int],
) -> None:
    """All-digital is expected too, but there is nothing to measure."""
    oracle = small_oracle(tmp_path, GIVEN.model_copy(update=change))
    calls = measured(monkeypatch)
    expected = [candidate(*names).with_training("none") for names in (("conv1",), (), ("conv2",))]
    oracle.expect(expected, DRAWS, 0)
    for each in (expected[0], expected[2]):
        ask(oracle, each, DRAWS, 0)
    assert [len(call[2]) for call in calls] == sizes


@pytest.mark.filterwarnings("ignore:the network seems untrained")
@pytest.mark.parametrize(("norm_batches", "sizes"), [(0, [2]), (2, [1, 1])])
def test_weights_of_a_mapping_of_its_own_are_measured_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, norm_batches: int, sizes: list[int]
) -> None:
    """One-shot weights are the same for all mappings, unless each has a batch norm of its own."""
    recipe = GIVEN.hat.model_copy(update={"one_shot_norm_batches": norm_batches})
    oracle = small_oracle(tmp_path, GIVEN.model_copy(update={"hat": recipe}))
    calls = measured(monkeypatch)
    monkeypatch.setattr(HatOracle, "shared_training", lambda *_: oracle.pretrained)
    monkeypatch.setattr(type(oracle.weights), "keyed", lambda *_: ("key", oracle.pretrained))
    asked = [candidate(name).with_training("one_shot") for name in ("conv1", "conv2")]
    oracle.expect(asked, DRAWS, 0)
    for each in asked:
        oracle.accuracy(each, DRAWS, 0)
    assert [len(call[2]) for call in calls] == sizes


@pytest.mark.filterwarnings("ignore:the network seems untrained")
def test_another_argument_makes_another_oracle(oracle: HatOracle) -> None:
    """What was remembered for the first network or data does not hold for the next one."""
    first = oracle.baseline("validation")
    with torch.no_grad():
        other = small_network(1)
        other.linear.weight.zero_()
        labels = oracle.splits.validation[:30].targets
        counts = torch.bincount(labels, minlength=4)
        wanted = int((counts != round(30 * first)).nonzero()[0])
        other.linear.bias.copy_(torch.eye(4)[wanted])  # always that class
    changed = replace(oracle, model=other)
    assert changed.baseline("validation") == int(counts[wanted]) / 30 != first
    assert oracle.baseline("validation") == first
    assert changed.identity != oracle.identity == replace(oracle).identity


def test_wrapped_networks_are_unwrapped(oracle: HatOracle) -> None:
    wrapped = replace(oracle, model=nn.DataParallel(small_network()))
    assert type(wrapped.model) is type(oracle.model)
    assert wrapped.identity == oracle.identity


def test_only_units_on_analog_targets_have_matrices(oracle: HatOracle) -> None:
    assert oracle.matrices(ALL.mapping) == NAMES
    kept = replace(oracle, digital=("conv2",))
    assert kept.identity["digital"] == ["conv2"] and oracle.identity["digital"] is None
    assert kept.weights.digital == ("conv2",)


def test_only_a_temporary_store_is_left_for_another(oracle: HatOracle, tmp_path: Path) -> None:
    assert oracle.storing_in(tmp_path / "other") is oracle
    temporary = replace(oracle, store=WeightStore.temporary())
    kept = temporary.storing_in(tmp_path / "kept")
    assert not kept.store.is_temporary and kept.settings is oracle.settings
    kept.store.write("name", {"n": 1})
    assert (tmp_path / "kept" / "name").exists()


def test_questions_get_their_own_answers(
    oracle: HatOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = object()
    monkeypatch.setattr(type(oracle.weights), "learned_shares", lambda *_: shares)
    question = LearnedShares(prices={"conv1": (1.0, 0.5)}, strength=1.0)
    assert oracle.consult(question, 0) is shares
    assert oracle.questions == (Proxies, LearnedShares, Divergences)
    lines: list[str] = []
    oracle.watch(lines.append)
    started = perf_counter()
    answer = oracle.consult(Proxies(units=("conv1", "linear")), 0)
    assert 0 < answer.oracle_s <= perf_counter() - started
    assert lines and all(set(values) == {"conv1", "linear"} for values in answer.values.values())

    class Unknown(Question):
        what = "something else"

    with pytest.raises(InputError, match="something else"):
        oracle.consult(Unknown(), 0)


def test_data_say_where_they_come_from(oracle: HatOracle) -> None:
    splits = replace(oracle.splits, provenance="made up")
    assert replace(oracle, splits=splits).provenance == "made up"

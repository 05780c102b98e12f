"""The weights of candidates: which training makes them, under which key, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from oracle_setup import (
    NAMES,
    SETTINGS,
    candidate,
    mapping,
    small_network,
    small_oracle,
    small_splits,
    small_system,
    small_workload,
)

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle import training
from lionheart_opt.oracle.settings import FromShared
from lionheart_opt.oracle.store import Trained, WeightStore, weights_digest
from lionheart_opt.oracle.weights import CandidateWeights

SHORT, FULL, ONE_SHOT = (
    candidate(*NAMES).with_training(level) for level in ("short", "full", "one_shot")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained weights, shared by the tests of this file."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def weights(folder: Path) -> CandidateWeights:
    return CandidateWeights(
        workload=small_workload(),
        system=small_system(),
        model=small_network(),
        splits=small_splits(),
        settings=SETTINGS,
        store=WeightStore.folder(folder),
    )


def test_modules_are_those_on_analog_targets_in_execution_order(weights: CandidateWeights) -> None:
    assert weights.matrices(mapping("linear", "conv1")) == ("conv1", "linear")
    assert weights.matrices(mapping()) == ()


def test_keys_tell_all_weights_apart(weights: CandidateWeights) -> None:
    parent = candidate("conv1").with_training("short")
    child = Candidate(mapping(*NAMES), parent, "short")
    keys = [
        weights.keyed(None, 0)[0],
        weights.keyed(SHORT, 0)[0],
        weights.keyed(SHORT, 1)[0],
        weights.keyed(FULL, 0)[0],
        weights.keyed(ONE_SHOT, 0)[0],
        weights.keyed(candidate("conv2").with_training("short"), 0)[0],
        weights.keyed(child, 0)[0],
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == "pretrained"
    # what is not trained has the key of what it starts from
    as_it_is = Candidate(mapping("conv2"), parent=parent, training="none")
    assert weights.keyed(as_it_is, 0)[0] == weights.keyed(parent, 0)[0]


def test_keys_lead_to_the_weights_in_the_store(weights: CandidateWeights) -> None:
    key, trained = weights.keyed(SHORT, 0)
    stored = weights.store.get(key)
    assert stored is not None
    assert weights_digest(stored.weights) == weights_digest(trained.weights)


def test_pretrained_and_shared_weights_are_read_once(
    weights: CandidateWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = weights.shared_training(0)
    assert weights.pretrained is weights.pretrained
    monkeypatch.setattr(WeightStore, "get", None)  # no second look
    assert weights.shared_training(0) is shared
    trained = weights.trained(ONE_SHOT, 0)
    assert trained.weights is shared.weights and trained.training_s == 0.0


def test_another_object_finds_what_was_trained(
    weights: CandidateWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = weights.trained(SHORT, 0)
    monkeypatch.setattr(training, "_epoch", None)
    again = replace(weights).trained(SHORT, 0)
    assert weights_digest(again.weights) == weights_digest(expected.weights)


def test_a_report_is_a_line_for_each_epoch(weights: CandidateWeights, tmp_path: Path) -> None:
    lines: list[str] = []
    own = replace(
        weights,
        store=WeightStore.folder(tmp_path),
        settings=SETTINGS.model_copy(update={"pretrain": None}),
        report=lines.append,
    )
    own.trained(FULL, 0)
    assert [line.split(",")[0] for line in lines] == [
        f"training: epoch {epoch}/3" for epoch in (1, 2, 3)
    ]


def test_cuda_is_refused_where_there_is_none(
    weights: CandidateWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_gpu = replace(weights, settings=SETTINGS.model_copy(update={"device": "cuda"}))
    with pytest.raises(InputError, match="device: got 'cuda'"):
        _ = on_gpu.device
    automatic = replace(weights, settings=SETTINGS.model_copy(update={"device": "auto"}))
    assert automatic.device == torch.device("cpu")


@pytest.fixture
def seen(weights: CandidateWeights, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Key of a training -> its first batch and the noise of its first step, side by side."""
    first: dict[str, torch.Tensor] = {}
    real_batches, real_train = training.batches, training.train
    now: list[str] = []

    def batches(job: training.Job, epoch: int, annealing: int | None) -> Iterator[training.Batch]:
        for batch in real_batches(job, epoch, annealing):
            noise = torch.random.get_rng_state()[:64].float()
            first.setdefault(now[-1], torch.cat([batch.examples.inputs.flatten(), noise]))
            yield batch

    def train(job: training.Job, engine: Any, store: Any, key: str, progress: Any) -> Trained:
        now.append(key)
        return real_train(job, engine, WeightStore.temporary(), key, progress)

    monkeypatch.setattr(training, "batches", batches)
    monkeypatch.setattr("lionheart_opt.oracle.weights.train", train)
    _ = weights.pretrained
    first.clear()
    return first


def test_parent_and_child_see_other_batches_and_siblings_the_same(
    weights: CandidateWeights, seen: dict[str, torch.Tensor]
) -> None:
    def of(candidate: Candidate) -> tuple[torch.Tensor, torch.Tensor]:
        images_and_noise = seen[weights.keyed(candidate, 0)[0]]
        return images_and_noise[:-64], images_and_noise[-64:]

    parent = candidate("conv1").with_training("short")
    untrained = Candidate(mapping("conv1", "linear"), parent, "none")
    children = [
        Candidate(mapping("conv1", "conv2"), parent, "short"),
        Candidate(mapping("conv1", "linear"), parent, "full"),
        Candidate(mapping(*NAMES), untrained, "short"),  # with one training before it, too
    ]
    grandchild = Candidate(mapping(*NAMES), children[0], "short")
    sibling = candidate("conv2").with_training("short")
    generations = [[parent, sibling], children, [grandchild]]
    of_generation = [[of(member) for member in members] for members in generations]
    for members in of_generation:
        for images, noise in members:
            assert torch.equal(images, members[0][0]) and torch.equal(noise, members[0][1])
    for a, b in combinations(of_generation, 2):
        assert not torch.equal(a[0][0], b[0][0]) and not torch.equal(a[0][1], b[0][1])


def test_a_training_after_the_shared_one_is_a_second_training(
    weights: CandidateWeights, seen: dict[str, torch.Tensor]
) -> None:
    hat = SETTINGS.hat.model_copy(update={"from_shared": FromShared(keep="always")})
    weights = replace(weights, settings=weights.settings.model_copy(update={"hat": hat}))
    child = Candidate(mapping(*NAMES), ONE_SHOT, "short")
    parent = candidate("conv1").with_training("short")
    second = Candidate(mapping(*NAMES), parent, "short")
    batches = [seen[weights.keyed(member, 0)[0]] for member in (child, second, SHORT)]
    assert torch.equal(batches[0], batches[1]) and not torch.equal(batches[0], batches[2])


def test_what_training_gives_is_part_of_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = small_oracle(Path("unused"))
    before = oracle.identity
    monkeypatch.setattr("lionheart_opt.oracle.hat.FORMAT", 99)
    assert oracle.identity != before

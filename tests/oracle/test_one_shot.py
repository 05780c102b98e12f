"""Weights that are trained once for all mappings, and what starts from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from oracle_setup import NAMES, SETTINGS, candidate, small_oracle

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle import training
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.settings import FromShared
from lionheart_opt.oracle.store import weights_digest

ALL = candidate(*NAMES)
FIDELITY = Fidelity(draws=(0, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained weights, shared by the tests of this file."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def oracle(folder: Path) -> HatOracle:
    return small_oracle(folder)


def test_one_shot_trains_once_for_all_mappings(
    oracle: HatOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = oracle.shared_training(0)
    monkeypatch.setattr(training, "_epoch", None)  # nothing more is trained
    lineage = candidate("conv1").move("conv2", "tile").move("linear", "tile")
    for asked in (each.resolved("one_shot") for each in (ALL, candidate("conv2"), lineage)):
        answer = oracle.accuracy(asked, FIDELITY, 0)
        assert answer.training_s == 0.0 < shared.training_s
        weights = oracle.trained(asked, 0).weights
        assert weights_digest(weights) == weights_digest(shared.weights)


def test_training_may_start_from_the_shared_weights_and_is_charged_with_them(
    folder: Path,
) -> None:
    hat = SETTINGS.hat.model_copy(update={"from_shared": FromShared(keep="always")})
    oracle = small_oracle(folder, SETTINGS.model_copy(update={"hat": hat}))
    shared = oracle.shared_training(0)
    start = candidate("conv2").with_training("one_shot")
    as_it_is = oracle.trained(Candidate(start.mapping, start, "none"), 0)
    assert weights_digest(as_it_is.weights) == weights_digest(shared.weights)
    asked, alone = Candidate(start.mapping, start, "short"), start.with_training("short")
    answer = oracle.accuracy(asked, FIDELITY, 0)
    assert answer.shared_s == shared.training_s > 0 < answer.training_s
    from_pretrained = oracle.accuracy(alone, FIDELITY, 0)
    assert from_pretrained.shared_s == 0
    weights = [oracle.trained(each, 0).weights for each in (asked, alone)]
    assert len({weights_digest(each) for each in (*weights, shared.weights)}) == 3


def test_one_shot_with_batch_norm_of_each_mapping(oracle: HatOracle, folder: Path) -> None:
    recipe = SETTINGS.hat.model_copy(update={"one_shot_norm_batches": 3})
    own = small_oracle(folder, SETTINGS.model_copy(update={"hat": recipe}))
    shared = oracle.shared_training(0)
    results = [
        own.trained(asked.with_training("one_shot"), 0) for asked in (ALL, candidate("conv2"))
    ]
    for trained in results:
        assert trained.training_s > 0
        assert NORM_STATISTICS < set(shared.weights)
        for name, weights in shared.weights.items():
            changed = not torch.equal(trained.weights[name], weights)
            assert changed == (name in NORM_STATISTICS)
    assert weights_digest(results[0].weights) != weights_digest(results[1].weights)


NORM_STATISTICS = {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}


def test_how_one_shot_training_samples_changes_its_weights_and_no_others(folder: Path) -> None:
    """Those of trainings that start from the floating-point network keep their key."""
    keys = []
    for changes in ({}, {"one_shot_sampling": "sandwich"}, {"one_shot_distillation": 0.5}):
        recipe = SETTINGS.hat.model_copy(update=changes)
        weights = small_oracle(folder, SETTINGS.model_copy(update={"hat": recipe})).weights
        asked = [ALL.with_training(level) for level in ("one_shot", "short")]
        keys.append([weights.keyed(each, 0)[0] for each in asked])
    shared, short = zip(*keys, strict=True)
    assert len(set(shared)) == 3 and len(set(short)) == 1

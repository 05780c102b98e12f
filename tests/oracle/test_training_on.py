"""Training on from shared weights: the recipe, the paired test, and which weights stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle_setup import NAMES, SETTINGS, candidate, mapping, small_oracle
from pydantic import ValidationError

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.mapping import Candidate
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.oracle import training
from lionheart_opt.oracle.settings import FromShared, HatRecipe, OracleSettings, ParameterRecipe
from lionheart_opt.oracle.store import weights_digest
from lionheart_opt.oracle.training_on import (
    KEPT,
    PairedTest,
    paired_gain,
    recipe_from_shared,
)
from lionheart_opt.statistics.bounds import Bounds

START = candidate(*NAMES).with_training("one_shot")
ON = Candidate(START.mapping, START, "short")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained weights, shared by the tests of this file."""
    return tmp_path_factory.mktemp("artifacts")


def with_hat(**changes: Any) -> OracleSettings:
    return SETTINGS.model_copy(update={"hat": SETTINGS.hat.model_copy(update=changes)})


def decided(monkeypatch: pytest.MonkeyPatch, low: float) -> list[PairedTest]:
    """Let the lower bound of every gain be this; returns the tests that are done."""
    done: list[PairedTest] = []

    def gain(test: PairedTest, after: object) -> Bounds:
        done.append(test)
        return Bounds(estimate=low + 0.01, low=low, high=1.0)

    monkeypatch.setattr(PairedTest, "gain", gain)
    return done


def test_the_recipe_has_frozen_norms_and_a_tenth_of_every_rate() -> None:
    hat = HatRecipe(learning_rate=0.2, digital=ParameterRecipe(learning_rate=0.5, momentum=0.1))
    recipe = recipe_from_shared(hat)
    assert recipe.batch_norm == "frozen" and hat.batch_norm == "trained"
    assert recipe.learning_rate == pytest.approx(0.02)
    assert recipe.digital is not None and recipe.digital.learning_rate == pytest.approx(0.05)
    assert recipe.digital.momentum == 0.1
    own = FromShared(rate=0.5, batch_norm="trained", keep="always")
    other = recipe_from_shared(HatRecipe(learning_rate=0.2, from_shared=own))
    assert (other.learning_rate, other.batch_norm, other.digital) == (0.1, "trained", None)


def test_better_weights_are_used_and_buffers_do_not_move(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(monkeypatch, 0.001)
    oracle = small_oracle(folder, with_hat(short_epochs=2))
    shared, trained = oracle.shared_training(0), oracle.trained(ON, 0)
    assert trained.note == ""
    moved = {
        name for name, tensor in shared.weights.items() if not tensor.equal(trained.weights[name])
    }
    assert "conv1.weight" in moved and "linear.bias" in moved
    assert not moved & {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}
    assert len(trained.losses) == 2


def test_shared_weights_stay_where_nothing_better_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(monkeypatch, 0.0)
    oracle = small_oracle(folder)
    shared, trained = oracle.shared_training(0), oracle.trained(ON, 0)
    assert weights_digest(trained.weights) == weights_digest(shared.weights)
    assert trained.note == KEPT and trained.training_s > 0
    answer, as_it_is = (oracle.accuracy(each, Fidelity(draws=(0, 2)), 0) for each in (ON, START))
    np.testing.assert_array_equal(answer.samples, as_it_is.samples)
    assert answer.note == KEPT and not answer.diverged
    assert answer.shared_s == shared.training_s and answer.training_s > as_it_is.training_s


def test_the_test_is_done_once_and_belongs_to_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = decided(monkeypatch, 0.0)
    small_oracle(tmp_path).trained(ON, 0)
    again = small_oracle(tmp_path)
    again.trained(ON, 0)
    assert len(done) == 1
    again.at_times((60.0,)).trained(ON, 0)  # the same weights at other times
    assert len(done) == 1
    more = FromShared(draws=20)
    small_oracle(tmp_path, with_hat(from_shared=more)).trained(ON, 0)
    other = SETTINGS.model_copy(update={"times_s": (1.0, 60.0)})
    small_oracle(tmp_path, other).trained(ON, 0)
    assert len(done) == 3


def test_other_lineages_are_not_tested(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = decided(monkeypatch, 0.0)
    oracle = small_oracle(folder)
    digital = Candidate(mapping(), START, "short")  # has the weights of the network itself
    asked = [
        candidate(*NAMES).with_training("short"),
        Candidate(mapping("conv1"), candidate("conv2").with_training("short"), "short"),
        Candidate(mapping("conv1"), digital, "short"),
    ]
    for each in asked:
        assert oracle.trained(each, 0).note == ""
    assert done == []
    through = Candidate(mapping("conv1"), Candidate(mapping("conv2"), START, "none"), "short")
    assert oracle.trained(through, 0).note == KEPT and len(done) == 1


def test_every_training_of_a_lineage_has_other_batches(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the weights before stayed."""
    jobs: list[training.Job] = []
    real = training._epoch

    def epoch(job: training.Job, *others: Any) -> Any:
        jobs.append(job)
        return real(job, *others)

    monkeypatch.setattr(training, "_epoch", epoch)
    decided(monkeypatch, 0.0)
    oracle = small_oracle(folder, with_hat(short_epochs=1, learning_rate=0.011))
    oracle.trained(Candidate(ON.mapping, ON, "short"), 0)
    seeds = {job.seed for job in jobs}
    assert len(seeds) == len({job.what + str(job.seed) for job in jobs}) == 3
    orders = [next(training.batches(job, 0)).examples.inputs for job in jobs[-2:]]
    assert not torch.equal(*orders)


def test_always_does_not_test(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = decided(monkeypatch, -1.0)
    oracle = small_oracle(folder, with_hat(from_shared=FromShared(keep="always")))
    trained = oracle.trained(ON, 0)
    assert trained.note == "" and done == []
    assert weights_digest(trained.weights) != weights_digest(oracle.shared_training(0).weights)


def test_both_weights_are_measured_on_the_same_chips_which_no_search_sees(folder: Path) -> None:
    """Weights against themselves differ in nothing, and worse weights are shown to be worse."""
    oracle = small_oracle(folder)
    weights = oracle.weights
    shared = oracle.shared_training(0)
    job = weights._job(shared.weights, weights.placed(ON.mapping), None, 1, 5, "test")
    test = PairedTest(
        job=job,
        engine=weights._engine,
        uses={},
        splits=oracle.splits,
        settings=oracle.settings,
    )
    same = test.gain(shared.weights)
    assert same.estimate == 0.0 and same.low < 0.0 < same.high
    broken = {name: torch.zeros_like(tensor) for name, tensor in shared.weights.items()}
    broken["norm.running_var"] += 1.0
    worse = test.gain(broken)
    assert worse.high < 0.0
    reverse = replace(test, job=replace(job, start=broken)).gain(shared.weights)
    assert reverse.low > 0.0 and reverse.estimate == -worse.estimate
    assert test._statistics(shared.weights).shape == (10, len(oracle.splits.validation), 1)
    alone = replace(test, job=replace(job, matrices=(), rpu_config={}))
    assert alone._statistics(shared.weights).shape == (1, len(oracle.splits.validation), 1)
    of_search = oracle.accuracy(START, Fidelity(draws=(0, 10)), 5).outcomes
    assert of_search is not None
    assert not np.array_equal(of_search.right[:, -1], test._statistics(shared.weights)[..., 0])


def test_a_gain_is_shown_in_few_of_the_cases_without_one() -> None:
    """At most the error of the test, over chips and examples together."""
    rng, shown, runs = np.random.default_rng(0), 0, 400
    for _ in range(runs):
        hard = rng.normal(1.2, 1.0, 300)
        nets = []
        for _ in range(2):
            own = rng.normal(0.0, 0.4, 300)
            chips = rng.normal(0.0, 0.15, (10, 1))
            nets.append(hard + own + chips + rng.normal(0.0, 0.5, (10, 300)) > 0)
        shown += paired_gain(nets[0][..., None], nets[1][..., None], ACCURACY, 0.95).low > 0.0
    assert shown / runs < 0.06


def test_a_gain_is_shown_where_there_is_one() -> None:
    rng = np.random.default_rng(0)
    before = rng.random((10, 500)) < 0.8
    after = before | (rng.random((10, 500)) < 0.3)
    gain = paired_gain(before[..., None], after[..., None], ACCURACY, 0.95)
    assert 0.0 < gain.low < gain.estimate < gain.high
    assert gain.estimate == pytest.approx(float(after.mean() - before.mean()))
    one = paired_gain(before[:1, :, None], after[:1, :, None], ACCURACY, 0.95)
    assert 0.0 < one.low < one.estimate


def test_the_gain_of_any_metric() -> None:
    """Perplexity is better where it is lower."""
    rng = np.random.default_rng(0)
    metric = Metric(name="p", value="exponential", higher_is_better=False, low=1.0, high=np.inf)
    tokens = np.full((10, 400), 20.0)
    before = np.stack([20 * rng.gamma(9.0, 0.2, (10, 400)), tokens], axis=-1)
    after = before * np.array([0.97, 1.0])
    gain = paired_gain(before, after, metric, 0.95)
    drops = [float(metric.of(each.mean(1)).mean()) for each in (before, after)]
    assert gain.estimate == pytest.approx(drops[0] - drops[1]) and gain.low > 0.0
    assert paired_gain(after, before, metric, 0.95).high < 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0.0},
        {"rate": 1.5},
        {"draws": 1},
        {"confidence": 0.5},
        {"confidence": 1.0},
        {"time_s": -1.0},
        {"keep": "never"},
        {"batch_norm": "none"},
        {"keep": "always", "draws": 5},
        {"keep": "always", "confidence": 0.9},
        {"keep": "always", "time_s": 1.0},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OracleSettings.model_validate({"hat": {"from_shared": wrong}})

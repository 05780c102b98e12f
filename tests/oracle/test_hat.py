"""The accuracy oracle: a pure function of candidate, fidelity and seed, measured on held-out data."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from oracle_setup import (
    NAMES,
    SETTINGS,
    candidate,
    mapping,
    small_network,
    small_oracle,
    small_workload,
)

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import TRAININGS, Candidate, Training
from lionheart_opt.oracle import measurement, training, weights
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.settings import Calibration, HatRecipe
from lionheart_opt.oracle.store import weights_digest
from lionheart_opt.problem import Problem
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.system import System
from lionheart_opt.testing import OracleContract

ALL = candidate(*NAMES).with_training("none")
SHORT, FULL = ALL.with_training("short"), ALL.with_training("full")
TWO_DRAWS = Fidelity(draws=(0, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained weights, shared by the tests of this file."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def oracle(folder: Path) -> HatOracle:
    return small_oracle(folder)


class TestContract(OracleContract):
    """What every oracle promises, with weights as they are and trained."""

    training: ClassVar[Training] = "none"

    @pytest.fixture
    def problem(self, oracle: HatOracle) -> Problem:
        made_up = synthetic_problem(n_units=3)
        targets = [
            target.model_copy(update={"kinds": ("linear", "conv2d")})
            if target.name == "tile"
            else target
            for target in made_up.system.targets
        ]
        system: System = made_up.system.model_copy(update={"targets": tuple(targets)})
        return Problem(
            workload=small_workload(),
            system=system,
            cost_model=made_up.cost_model,
            oracle=oracle,
            objectives=("latency_s",),
            accuracy_limit=AccuracyLimit(max_drop=0.05, time_s=86400.0),
        )


class TestContractTrained(TestContract):
    training: ClassVar[Training] = "short"


class TestContractCalibrated(TestContract):
    @pytest.fixture
    def oracle(self, folder: Path) -> HatOracle:
        chips = {"compensation": "columns", "calibration": Calibration(examples=16)}
        return small_oracle(folder, SETTINGS.model_copy(update=chips))


# --- what is measured -----------------------------------------------------------------------------


def test_the_network_learnt_something(oracle: HatOracle) -> None:
    assert oracle.baseline("validation") > 0.8
    assert oracle.baseline("test") > 0.8


@pytest.mark.parametrize("level", TRAININGS)
def test_all_digital_is_the_baseline_and_costs_nothing(oracle: HatOracle, level: Training) -> None:
    after_analog = ALL.with_training(level)
    for name in NAMES:
        after_analog = after_analog.move(name, "cpu")
    for digital in (candidate().with_training(level), after_analog):
        answer = oracle.accuracy(digital, TWO_DRAWS, 0)
        assert np.all(answer.samples == oracle.baseline("validation"))
        assert answer.training_s == answer.evaluation_s == 0.0
        assert weights_digest(oracle.trained(digital, 0).weights) == weights_digest(
            oracle.pretrained.weights
        )


def test_without_noise_analog_is_as_good_as_digital(folder: Path) -> None:
    """Batch norm and dropout are in evaluation mode, and nothing else differs."""
    settings = SETTINGS.model_copy(update={"rpu_config": "oracle_setup:ideal"})
    answer = small_oracle(folder, settings).accuracy(ALL, TWO_DRAWS, 0)
    assert np.all(answer.samples == answer.baseline)


def test_search_sees_the_same_validation_set_and_nothing_else(
    oracle: HatOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = measurement.measure

    def spy(*arguments: Any, **keywords: Any) -> Any:
        seen.append(arguments[4].digest)
        return real(*arguments, **keywords)

    monkeypatch.setattr("lionheart_opt.oracle.measured_together.measure", spy)
    for level in TRAININGS:
        oracle.accuracy(ALL.with_training(level), TWO_DRAWS, 0)
    assert set(seen) == {oracle.splits.validation.digest}
    seen.clear()
    oracle.test_accuracy(ALL, TWO_DRAWS, 0)
    assert set(seen) == {oracle.splits.test.digest}


def test_training_sees_the_training_part_only(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[training.Job] = []

    def spy(job: training.Job, *rest: Any) -> Any:
        jobs.append(job)
        return training.train(job, *rest)

    monkeypatch.setattr(weights, "train", spy)
    oracle = small_oracle(tmp_path)
    for level in ("short", "one_shot"):
        oracle.accuracy(ALL.with_training(level), TWO_DRAWS, 0)
    assert {job.what for job in jobs} == {"pretraining", "training", "one-shot training"}
    assert {job.examples.digest for job in jobs} == {oracle.splits.train.digest}


def test_a_part_of_the_validation_set(folder: Path) -> None:
    few = SETTINGS.model_copy(update={"validation_examples": 10})
    answer = small_oracle(folder, few).accuracy(ALL, Fidelity(draws=(0, 4)), 0)
    assert np.allclose(answer.samples * 10, np.round(answer.samples * 10))


def test_the_final_test_uses_draws_of_its_own(
    oracle: HatOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    real = AnalogNetwork.program

    def spy(self: AnalogNetwork, seeds: dict[str, int]) -> None:
        drawn.extend(seeds.values())
        real(self, seeds)

    monkeypatch.setattr(AnalogNetwork, "program", spy)
    oracle.accuracy(ALL, TWO_DRAWS, 0)
    in_search = set(drawn)
    drawn.clear()
    checks = oracle.final_checks(ALL, TWO_DRAWS, 0)
    assert set(checks) == {"test"}
    assert checks["test"].baseline == oracle.baseline("test")
    assert in_search and drawn and not in_search & set(drawn)


# --- draws ----------------------------------------------------------------------------------------


def test_a_module_has_the_same_draws_in_every_mapping(
    oracle: HatOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[tuple[str, int]]] = {}
    part = candidate("conv2").with_training("none")
    for name in ("program", "drift"):
        real = getattr(AnalogNetwork, name)

        def spy(self: Any, *arguments: Any, name: str = name, real: Any = real) -> None:
            seen[key].extend((f"{name} {path}", seed) for path, seed in arguments[-1].items())
            real(self, *arguments)

        monkeypatch.setattr(AnalogNetwork, name, spy)
    for key, asked in (("all", ALL), ("part", part), ("seed", ALL)):
        seen[key] = []
        oracle.accuracy(asked, TWO_DRAWS, 1 if key == "seed" else 0)
    assert [draw for draw in seen["all"] if draw[0].endswith("conv2")] == seen["part"]
    assert len(set(seen["all"])) == len(seen["all"])  # every module, draw and time has its own
    assert not set(seen["all"]) & set(seen["seed"])


def test_random_numbers_elsewhere_are_untouched(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    small_oracle(tmp_path).accuracy(SHORT, TWO_DRAWS, 0)
    assert torch.equal(torch.randn(3), expected)


def test_global_random_numbers_do_not_matter(folder: Path, tmp_path: Path) -> None:
    answers = []
    for k in range(2):
        torch.manual_seed(k)
        np.random.seed(k)  # noqa: NPY002
        answers.append(small_oracle(tmp_path / str(k)).accuracy(SHORT, TWO_DRAWS, 0).samples)
    np.testing.assert_array_equal(*answers)


def test_the_callers_network_is_untouched(oracle: HatOracle) -> None:
    before = copy.deepcopy(oracle.model.state_dict())
    for level in TRAININGS:
        oracle.accuracy(ALL.with_training(level), TWO_DRAWS, 0)
    assert weights_digest(before) == weights_digest(oracle.model.state_dict())
    assert weights_digest(before) == weights_digest(small_network().state_dict())


# --- training -------------------------------------------------------------------------------------


def test_training_starts_from_the_parents_trained_weights(
    oracle: HatOracle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    starts: list[str] = []

    def spy(job: training.Job, *rest: Any) -> Any:
        if job.what == "training":
            starts.append(weights_digest(job.start))
        return training.train(job, *rest)

    parent = candidate("conv1").with_training("full")
    child = parent.move("linear", "tile")
    grandchild = child.move("conv1", "cpu")
    digests = [weights_digest(oracle.trained(each, 0).weights) for each in (parent, child)]
    monkeypatch.setattr(weights, "train", spy)
    oracle.trained(grandchild, 0)
    assert starts == [weights_digest(oracle.pretrained.weights), *digests]
    # lineage matters: the same mapping from the pretrained network has other weights
    direct = oracle.trained(candidate("linear").with_training("full"), 0)
    assert weights_digest(direct.weights) != weights_digest(oracle.trained(grandchild, 0).weights)


def test_none_measures_the_weights_that_it_starts_from(oracle: HatOracle) -> None:
    assert oracle.trained(ALL, 0).weights == oracle.pretrained.weights
    parent = Candidate(mapping("conv1"), training="short")
    child = Candidate(mapping("conv1", "conv2"), parent=parent, training="none")
    trained = oracle.trained(parent, 0)
    started = oracle.trained(child, 0)
    assert weights_digest(started.weights) == weights_digest(trained.weights)
    assert started.training_s == 0.0


def test_levels_train_as_long_as_they_say(oracle: HatOracle) -> None:
    assert len(oracle.trained(SHORT, 0).losses) == SETTINGS.hat.short_epochs
    assert len(oracle.trained(FULL, 0).losses) == SETTINGS.hat.epochs
    assert len(oracle.pretrained.losses) <= 12


def test_stored_weights_are_charged_and_not_trained_again(
    oracle: HatOracle, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    first = oracle.accuracy(SHORT, TWO_DRAWS, 0)
    monkeypatch.setattr(training, "_epoch", None)
    again = small_oracle(folder).accuracy(SHORT, TWO_DRAWS, 0)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert again.training_s == first.training_s > 0


@pytest.mark.parametrize(
    "change",
    [
        {"hat": HatRecipe(**{**SETTINGS.hat.model_dump(), "momentum": 0.5})},
        {"rpu_config": "oracle_setup:quiet"},
        {"pretrain": None},
    ],
)
def test_what_changes_the_weights_changes_their_key(
    oracle: HatOracle, folder: Path, change: dict[str, Any]
) -> None:
    other = small_oracle(folder, SETTINGS.model_copy(update=change))
    assert other.weights.keyed(SHORT, 0)[0] != oracle.weights.keyed(SHORT, 0)[0]


def test_what_does_not_change_the_weights_does_not_change_their_key(
    oracle: HatOracle, folder: Path
) -> None:
    recipe = SETTINGS.hat.model_copy(update={"epochs": 9, "one_shot_epochs": 1})
    update = {"times_s": (5.0,), "batch_size": 7, "validation_examples": 3, "hat": recipe}
    other = small_oracle(folder, SETTINGS.model_copy(update=update))
    assert other.weights.keyed(SHORT, 0)[0] == oracle.weights.keyed(SHORT, 0)[0]
    assert oracle.weights.keyed(SHORT, 1)[0] != oracle.weights.keyed(SHORT, 0)[0]


@pytest.mark.parametrize("engine", ["aihwkit", "fast"])
def test_divergence_is_told_with_the_samples(folder: Path, engine: str) -> None:
    hat = HatRecipe(learning_rate=1e30, short_epochs=1)
    wild = SETTINGS.model_copy(update={"hat": hat, "engine": engine})
    answer = small_oracle(folder, wild).accuracy(SHORT, TWO_DRAWS, 0)
    assert "diverged" in answer.note
    assert np.all(np.isfinite(answer.samples))


def test_exported_weights_are_the_trained_ones(oracle: HatOracle, tmp_path: Path) -> None:
    oracle.accuracy(SHORT, TWO_DRAWS, 0)  # programs and drifts
    oracle.export_weights(SHORT, 0, tmp_path / "w.pt")
    exported = torch.load(tmp_path / "w.pt", weights_only=True)
    assert weights_digest(exported) == weights_digest(oracle.trained(SHORT, 0).weights)
    small_network().load_state_dict(exported)


def test_a_trained_network_is_taken_as_it_is(folder: Path, oracle: HatOracle) -> None:
    given = small_oracle(folder, SETTINGS.model_copy(update={"pretrain": None}))
    assert weights_digest(given.pretrained.weights) == weights_digest(given.model.state_dict())
    given.model.load_state_dict(oracle.pretrained.weights)
    given = small_oracle(folder, given.settings)
    given.model.load_state_dict(oracle.pretrained.weights)
    assert given.baseline("validation") == oracle.baseline("validation")


def test_progress_is_reported_with_the_time_left(tmp_path: Path) -> None:
    lines: list[str] = []
    oracle = small_oracle(tmp_path)
    oracle.watch(lines.append)
    oracle.accuracy(SHORT, TWO_DRAWS, 0)
    assert len(lines) == 13
    assert lines[0].startswith("pretraining: epoch 1/12, loss ") and lines[0].endswith(" s left")
    assert lines[-1].startswith("training: epoch 1/1")


def test_verified_on_another_engine(folder: Path) -> None:
    with pytest.raises(InputError, match="verify_on"):
        small_oracle(folder).verified_accuracy(ALL, TWO_DRAWS, 0)
    same = {"engine": "aihwkit", "verify_on": "aihwkit"}
    oracle = small_oracle(folder, SETTINGS.model_copy(update=same))
    checks = oracle.final_checks(SHORT, TWO_DRAWS, 0)
    expected = oracle.accuracy(SHORT, TWO_DRAWS, 0).samples
    np.testing.assert_array_equal(checks["validation on aihwkit"].samples, expected)


def test_a_network_that_has_learned_nothing_is_noticed_once(tmp_path: Path) -> None:
    untrained = SETTINGS.model_copy(update={"pretrain": None})
    oracle = small_oracle(tmp_path, untrained)
    labels = torch.bincount(oracle.splits.validation.targets)
    constant = small_network()
    with torch.no_grad():
        constant.linear.weight.zero_()
        constant.linear.bias.copy_(labels)  # always the most frequent class
    oracle = replace(oracle, model=constant)
    share = f"{float(labels.max() / labels.sum()):.1%}"
    message = f"seems untrained: it is right about {share} .* class is {share} of them"
    with pytest.warns(UserWarning, match=message) as caught:
        for _ in range(2):
            oracle.accuracy(candidate(*NAMES).with_training("none"), TWO_DRAWS, 0)
        oracle.test_accuracy(candidate(*NAMES).with_training("none"), TWO_DRAWS, 0)
    assert len(caught) == 1 and "\n" not in str(caught[0].message)


def test_a_trained_network_is_not_called_untrained(oracle: HatOracle) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert replace(oracle).baseline("validation") > 0.5
    one_class = Examples(inputs=torch.zeros(5, 1, 8, 8), targets=torch.full((5,), 2))
    single = replace(oracle, splits=replace(oracle.splits, validation=one_class))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # there is nothing to be better than
        single.baseline("validation")

"""The oracle as a study file describes it: settings, RPU configurations, bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from oracle_setup import small_oracle
from pydantic import ValidationError
from torch import nn

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.rpu import lionheart, rpu_config, rpu_digest
from lionheart_opt.oracle.settings import HatRecipe, OracleSettings, PretrainRecipe
from lionheart_opt.oracle.store import weights_digest
from lionheart_opt.study.file import StudyFile


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(63, 4)), r"images of shape \(1, 8, 8\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), r"returns \(1, 3\).* 4 classes"),
        (nn.Conv2d(1, 4, 3), r"returns \(1, 4, 6, 6\)"),
    ],
)
def test_a_network_must_fit_the_data(tmp_path: Path, network: nn.Module, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(small_oracle(tmp_path), model=network)


STUDY = """
question = "Does the oracle work in a study?"
system = "lionheart"
training = "short"
limits = { max_drop = 0.02 }
model = { name = "digits_cnn" }
data = { name = "digits", validation_fraction = 0.2, seed = 4 }
run = [{ strategy = "mac_greedy" }]

[oracle]
device = "cpu"
times_s = [60, 86400]
pretrain = { epochs = 2, batch_size = 64, seed = 3 }
hat = { short_epochs = 1, batch_size = 128 }
"""


def test_a_study_file_makes_the_oracle(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    file = StudyFile.load(tmp_path)
    oracle = file.oracle
    assert isinstance(oracle, HatOracle)
    assert oracle.settings.times_s == (60.0, 86400.0)
    assert oracle.analog_targets == file.system.analog_targets
    assert len(oracle.splits.validation) == pytest.approx(0.2 * 1257, abs=5)
    again = StudyFile.load(tmp_path).oracle  # initial weights and data are decided by seeds
    assert isinstance(again, HatOracle)
    assert weights_digest(oracle.model.state_dict()) == weights_digest(again.model.state_dict())
    assert oracle.splits.digest == again.splits.digest
    assert not (tmp_path / "artifacts").exists()  # nothing is trained before it is asked
    problem = file.problem
    answer = oracle.accuracy(
        problem.pretrained(problem.all_analog), Fidelity(training="short", draws=(0, 2)), 0
    )
    assert answer.samples.shape == (2, 2)
    assert len(list((tmp_path / "artifacts").iterdir())) == 2
    given = tmp_path / "given.pt"
    torch.save(oracle.pretrained.weights, given)
    text = STUDY.replace('"digits_cnn" }', '"digits_cnn", weights = "given.pt" }')
    (tmp_path / "study.toml").write_text(text)
    same = StudyFile.load(tmp_path).oracle
    assert isinstance(same, HatOracle)
    assert same.settings.pretrain is None
    assert same.baseline("validation") == oracle.baseline("validation")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("epochs = 2,", "epoch = 2,", r"oracle\.pretrain\]|\[pretrain\].*'epoch'.*'epochs'"),
        ("times_s = [60, 86400]", "times_s = [-1]", "times_s"),
        ("times_s = [60, 86400]", "times_s = [1]", r"limits\] time_s: got 86400; must be .* 1$"),
        ('device = "cpu"', 'device = "tpu"', "device"),
        ('device = "cpu"', 'rpu_config = "lionhart"', "did you mean 'lionheart'"),
        ('"digits_cnn" }', '"digits_cnn", weights = "no.pt" }', r"no\.pt: No such file"),
        ('name = "digits",', 'name = "digit",', "digits"),
    ],
)
def test_wrong_oracle_tables_are_refused(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in STUDY
    (tmp_path / "study.toml").write_text(STUDY.replace(before, after))
    with pytest.raises(InputError, match=message):
        _ = StudyFile.load(tmp_path).oracle


# --- settings and configurations -----------------------------------------------------------------


def test_defaults_are_lionhearts() -> None:
    """Table II (CIFAR) and section IV-B of the paper."""
    pretrain, recipe, settings = PretrainRecipe(), HatRecipe(), OracleSettings()
    assert (pretrain.learning_rate, pretrain.momentum) == (0.057, 0.867)
    assert (recipe.learning_rate, recipe.momentum) == (0.024, 0.775)
    assert {(one.batch_size, one.epochs, one.patience) for one in (pretrain, recipe)} == {
        (256, 50, 5)
    }
    assert settings.times_s == (1.0, 60.0, 3600.0, 86400.0)
    config = lionheart()
    assert (config.modifier.std_dev, config.forward.out_noise) == (0.08, 0.06)
    assert config.mapping.max_input_size == config.mapping.max_output_size == 256
    assert config.noise_model.g_max == 25.0 and config.drift_compensation is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"engine": "gpu"},
        {"times_s": []},
        {"times_s": [-1.0]},
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"hat": {"learning_rate": 0.0}},
        {"hat": {"momentum": 1.0}},
        {"hat": {"augmentation": "mixup"}},
        {"pretrain": {"epoch": 3}},
        {"unknown": 1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OracleSettings.model_validate(wrong)


def test_configurations_by_name() -> None:
    assert rpu_digest(rpu_config("lionheart")) == rpu_digest(rpu_config("lionheart"))
    assert rpu_digest(rpu_config("test_oracle_hat:quiet")) != rpu_digest(lionheart())
    noisier = lionheart()
    noisier.noise_model.read_noise_scale = 2.0
    assert rpu_digest(noisier) != rpu_digest(lionheart())


def analog_bias() -> Any:
    config = lionheart()
    config.mapping.digital_bias = False
    return config


def lost_scales() -> Any:
    config = lionheart()
    config.mapping.weight_scaling_omega = 0.0
    config.remap.type = type(config.remap.type).NONE
    return config


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lionhart", "did you mean 'lionheart'"),
        ("oracle_setup:small_network", "not an aihwkit TorchInferenceRPUConfig"),
        ("test_oracle_settings:analog_bias", "[Bb]ias"),
        ("test_oracle_settings:lost_scales", "learn_out_scaling"),
        ("no_such_module:config", "no module"),
    ],
)
def test_unusable_configurations_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rpu_config(name, "study.toml")

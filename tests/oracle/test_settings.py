"""Settings of the oracle: defaults, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.settings import Calibration, HatRecipe, OracleSettings, PretrainRecipe


def test_defaults_are_lionhearts() -> None:
    """Table II (CIFAR) and section IV-B of the paper."""
    pretrain, recipe, settings = PretrainRecipe(), HatRecipe(), OracleSettings()
    assert (pretrain.learning_rate, pretrain.momentum) == (0.057, 0.867)
    assert (recipe.learning_rate, recipe.momentum) == (0.024, 0.775)
    assert {(each.batch_size, each.epochs, each.patience) for each in (pretrain, recipe)} == {
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
        {"compensation": "rows"},
        {"compensation": "columns", "calibration": {"examples": 1}},
        {"compensation": "columns", "calibration": {"bits": 1}},
        {"compensation": "columns", "calibration": {"reads": 0}},
        {"compensation": "columns", "calibration": {"recalibrate_every_s": 0.0}},
        {"compensation": "columns", "calibration": {"fit_to": "chip"}},
        {"compensation": "columns", "calibration": {"estimator": "errors_in_variables"}},
        {"calibration": {"examples": 64}},
        {"compensation": "none", "calibration": {"bits": 8}},
        {"compensation": "batch_norm", "calibration": {"bits": 8}},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OracleSettings.model_validate(wrong)


def test_refused_calibrations_say_what_is_wrong() -> None:
    for wrong, message in (
        ({"calibration": {"examples": 64}}, "calibration: it needs compensation = 'columns' or"),
        (
            {"compensation": "batch_norm", "calibration": {"reads": 2}},
            "calibration.reads: it needs compensation = 'columns'",
        ),
        (
            {"compensation": "columns", "calibration": {"estimator": "errors_in_variables"}},
            "reads: got 1; errors_in_variables needs at least 2",
        ),
    ):
        with pytest.raises(ValidationError) as refused:
            OracleSettings.model_validate(wrong)
        [problem] = refused.value.errors()
        assert str(problem["ctx"]["error"]).startswith(message)


def test_the_moment_of_the_calibration_that_is_in_force() -> None:
    each, daily = Calibration(), Calibration(recalibrate_every_s=86400.0)
    assert [each.moment_s(time_s) for time_s in (0.0, 1.5, 1e7)] == [0.0, 1.5, 1e7]
    times_s = (0.0, 1.0, 86399.0, 86400.0, 86401.0, 3 * 86400.0 + 5)
    moments_s = [daily.moment_s(time_s) for time_s in times_s]
    assert moments_s == [0.0, 0.0, 0.0, 86400.0, 86400.0, 3 * 86400.0]
    assert Calibration(recalibrate_every_s=0.1).moment_s(0.3) == 0.3
    assert OracleSettings(times_s=times_s).calibration_moments_s == ()
    scheduled = OracleSettings(times_s=times_s, compensation="columns", calibration=daily)
    assert scheduled.calibration_moments_s == (0.0, 86400.0, 3 * 86400.0)


def test_calibration_is_off_by_default_and_batch_norm_has_examples() -> None:
    assert OracleSettings().compensation == "none"
    table = {"compensation": "batch_norm", "calibration": {"examples": 64}}
    assert OracleSettings.model_validate(table).calibration.examples == 64


def test_pretraining_can_be_switched_off() -> None:
    """TOML has no None: `pretrain = false` takes the network as it is given."""
    assert OracleSettings.model_validate({"pretrain": False}).pretrain is None
    assert OracleSettings.model_validate({"pretrain": {}}).pretrain is not None
    for other in (True, 0, "no"):
        with pytest.raises(ValidationError):
            OracleSettings.model_validate({"pretrain": other})

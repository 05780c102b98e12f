"""Settings of the oracle: defaults, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.settings import HatRecipe, OracleSettings, PretrainRecipe


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
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OracleSettings.model_validate(wrong)

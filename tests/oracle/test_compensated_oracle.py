"""The oracle calibrates on its training data, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle_setup import NAMES, SETTINGS, candidate, small_oracle

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.oracle import compensation as module
from lionheart_opt.oracle.compensation import Compensation
from lionheart_opt.oracle.settings import Calibration

FEW = Calibration(examples=32)


def test_the_oracle_calibrates_on_its_training_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Compensation] = []
    real = module.Calibrator.__init__

    def spy(self: Any, compensated: Compensation, *rest: Any) -> None:
        seen.append(compensated)
        real(self, compensated, *rest)

    monkeypatch.setattr(module.Calibrator, "__init__", spy)
    chosen = SETTINGS.model_copy(update={"compensation": "columns", "calibration": FEW})
    oracle = small_oracle(tmp_path, chosen)
    tried = candidate(*NAMES).with_training("none")
    plain = small_oracle(tmp_path).accuracy(tried, Fidelity(draws=(0, 2)), 0)
    assert not seen
    calibrated = oracle.accuracy(tried, Fidelity(draws=(0, 2)), 0)
    assert [each.examples.digest for each in seen] == [oracle.splits.train.digest]
    assert not np.array_equal(plain.samples, calibrated.samples)
    assert calibrated.baseline == plain.baseline
    assert oracle.small_copy().accuracy(tried, Fidelity(draws=(0, 2)), 0).samples.shape == (2, 2)


def test_identity_names_the_calibration_only_where_there_is_one(tmp_path: Path) -> None:
    without = small_oracle(tmp_path).identity["settings"]
    assert not {"compensation", "calibration"} & without.keys()
    identities = [
        small_oracle(tmp_path, chosen).identity["settings"]
        for chosen in (
            SETTINGS.model_copy(update={"compensation": "columns"}),
            SETTINGS.model_copy(update={"compensation": "batch_norm"}),
            SETTINGS.model_copy(update={"compensation": "columns", "calibration": FEW}),
        )
    ]
    assert identities[0]["compensation"] == "columns"
    assert identities[0]["calibration"]["examples"] == 128
    assert identities[0] != identities[1] != identities[2] != identities[0]

"""What one network serves is measured together; what has no analog matrix is measured once."""

from pathlib import Path

import numpy as np
import pytest
from oracle_setup import NAMES, SETTINGS, candidate, small_oracle

from lionheart_opt.oracle import measured_together
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measured_together import measure_together, served_by_one_network
from lionheart_opt.oracle.measurement import Conditions

GIVEN = SETTINGS.model_copy(update={"pretrain": None})
CANDIDATES = [candidate(*names).with_training("none") for names in (NAMES[:1], (), NAMES)]


def test_exact_candidates_need_no_measurement(tmp_path: Path) -> None:
    served = served_by_one_network(small_oracle(tmp_path, GIVEN).weights, CANDIDATES)
    assert served == [CANDIDATES[0], CANDIDATES[2]]


def test_without_analog_matrices_one_draw_is_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = small_oracle(tmp_path)
    network = oracle._network(oracle.pretrained).eval()
    asked = []
    real = measured_together.measure

    def spy(*arguments: object) -> np.ndarray:
        asked.append(arguments)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(measured_together, "measure", spy)
    conditions = Conditions(times_s=(1.0, 60.0), draws=range(2, 5), seed=0, batch_size=8)

    def measured(which: int) -> np.ndarray:
        examples = oracle.splits.validation
        return measure_together(
            oracle.weights, [CANDIDATES[which]], engine("fast"), network, examples, conditions, None
        )

    digital, analog = measured(1), measured(2)
    assert digital.shape == analog.shape == (1, 3, 2, len(oracle.splits.validation), 1)
    assert (digital == digital[:, :1, :1]).all() and not (analog == analog[:, :1, :1]).all()
    assert [len(arguments[5].draws) for arguments in asked] == [1, 3]

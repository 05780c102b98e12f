"""Layers that a fit cannot use."""

from pathlib import Path

import pandas as pd
import pytest

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.plugins import load_system, system_text
from lionheart_opt.synthetic import convolutional_workload


def test_a_layer_without_a_price_cannot_be_fitted(tmp_path: Path) -> None:
    workload = convolutional_workload()
    system = load_system("lionheart").with_constants({"software.simple_cycles": 0.0})
    text, _ = system_text("lionheart").split("[uncertainty]")
    (tmp_path / "free.toml").write_text(
        text.replace("simple_cycles = {", "simple_cycles = 0.0 # {")
    )
    cost = lo.cost(workload, system, "all-digital")
    [free, *_] = [layer.name for layer in cost.layers if layer.latency_s == 0]
    frame = pd.DataFrame({"model": ["net"], "layer": [free], "latency_s": [1.0]})
    with pytest.raises(InputError, match="is 0 in the cost model"):
        lo.fit(tmp_path / "free.toml", frame, models={"net": workload})

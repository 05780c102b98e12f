"""The table of `systems`."""

from __future__ import annotations

import pytest

import lionheart_opt as lo
from lionheart_opt.cli.system_tables import print_systems
from lionheart_opt.synthetic import convolutional_workload


def test_every_number_says_how_well_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    """All but the gain of all-digital over itself."""
    comparison = lo.systems(convolutional_workload(), ["imc-cluster", "alpine-high-power-8"])
    print_systems(comparison)
    lines = capsys.readouterr().out.splitlines()
    rows = lines[: next(k for k, line in enumerate(lines) if line.startswith("Gains"))]
    assert max(len(line.rstrip()) for line in rows) <= 80
    digital, analog = (
        lines[next(k for k, line in enumerate(lines) if name in line) + 1]
        for name in ("all-digital", "all-analog")
    )
    assert digital.count("x/") == 3 and analog.count("x/") == 5
    row = comparison.to_frame().iloc[1]
    factor = (row.speedup_high / row.speedup_low) ** 0.5
    assert f"x/{factor:.2f}" in analog

"""Copies of systems with other numbers."""

from __future__ import annotations

import pytest

from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.plugins import load_system


class TestVariants:
    def test_a_copy_with_other_numbers(self) -> None:
        system = load_system("imc-cluster")
        digest = system.digest
        slower = variant(system, "machine", clock_hz=1e6, jobs="sequential")
        assert slower.machine is not None and system.machine is not None
        assert slower.machine.parameters == {
            **system.machine.parameters,
            "clock_hz": 1e6,
            "jobs": "sequential",
        }
        assert slower.targets == system.targets
        larger = variant(system, "ima", rows=512)
        assert larger.target("ima").parameters["rows"] == 512
        assert larger.target("cores") == system.target("cores") and larger.machine == system.machine
        assert system.digest == digest and slower.digest != digest != larger.digest

    @pytest.mark.parametrize(
        ("block", "key", "message"),
        [
            ("imb", "rows", r"unknown target 'imb' \(did you mean 'ima'\?\)"),
            ("ima", "row", r"'imc-cluster', ima: unknown key 'row' \(did you mean 'rows'\?\)"),
            ("machine", "clock", r"machine: unknown key 'clock' \(did you mean 'clock_hz'\?\)"),
        ],
    )
    def test_unknown_blocks_and_keys(self, block: str, key: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            variant(load_system("imc-cluster"), block, **{key: 1})

"""What a system file says of crossbars that are reprogrammed during an inference."""

from __future__ import annotations

from pathlib import Path

import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.hardware.reprogramming import Reprogramming
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.system import System

FILE = Path(__file__).parents[1] / "helpers" / "reprogrammed.toml"
RULE = Reprogramming(source="made up", crossbar_s=1e-3, crossbar_j=1e-6)


class TestFile:
    def test_is_read(self) -> None:
        rule = System.load(FILE).target("ima").reprogramming
        assert isinstance(rule, Reprogramming)
        assert rule.crossbar_s == 55e-3

    def test_built_in_systems_have_none(self) -> None:
        for name in ("imc-cluster", "lionheart", "manycore", "diana"):
            assert all(target.reprogramming is None for target in load_system(name).targets)

    def test_it_decides_the_digest(self) -> None:
        text = FILE.read_text(encoding="utf-8")
        systems = [
            System.from_toml(text.replace("55e-3", number), "made-up", "made-up.toml")
            for number in ("55e-3", "50e-3")
        ]
        assert systems[0].digest != systems[1].digest

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("crossbar_s = 55e-3\n", "", "crossbar_s"),
            ("55e-3", "-1.0", "crossbar_s.*greater than or equal to 0"),
            ("55e-3", "inf", "crossbar_s"),
            ("endurance_writes = 1e8", "endurance_writes = 0", "endurance_writes"),
            ("endurance_writes = 1e8", "endurance = 1e8", "endurance_writes"),
            ("tiles = 24\n", "", "needs an analog target with tiles, rows and columns"),
            ('"analog"', '"int8"', "rpu_config|needs an analog target"),
            ("targets.ima.repro", "targets.cores.repro", "needs an analog target"),
        ],
    )
    def test_mistakes_are_refused(self, old: str, new: str, message: str) -> None:
        text = FILE.read_text(encoding="utf-8")
        assert old in text
        with pytest.raises(InputError, match=message):
            System.from_toml(text.replace(old, new), "made-up", "made-up.toml")


class TestFamilies:
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("manycore", "in a pipeline, layers do not take turns"),
            ("diana", "the price of a layer includes loading its weights"),
            ("hermes-64", "a fabric keeps its weights"),
            ("alpine-high-power-8", "with several cores, layers do not take turns"),
        ],
    )
    def test_others_refuse_it(self, name: str, reason: str) -> None:
        system = load_system(name)
        (analog,) = system.analog_targets
        targets = tuple(
            target.model_copy(update={"reprogramming": RULE}) if target.name == analog else target
            for target in system.targets
        )
        made_up = system.model_copy(update={"targets": targets})
        with pytest.raises(InputError, match=rf"\[targets.{analog}.reprogramming\]: {reason}"):
            cost_model(made_up)

    def test_another_array_is_refused(self) -> None:
        array = '[targets.ima.array]\nsource = "made up"\nconverters = "sar"\ninput_bits = 8\n'
        text = FILE.read_text(encoding="utf-8") + f"\n{array}output_bits = 8\n"
        system = System.from_toml(text, "made-up", "made-up.toml")
        with pytest.raises(InputError, match="another one has no price"):
            redesigned(system, {"targets.ima.rows": 128})
        assert redesigned(system, {"targets.ima.tiles": 4}).target("ima").tiles == 4

"""Operators that the cost models do not know, priced by the system's file; kinds that tiles hold."""

from __future__ import annotations

import pytest
from small_networks import network, operator
from weight_uses import networks

from lionheart_opt.errors import InputError
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.space import Space
from lionheart_opt.system import OperatorPrice, System
from lionheart_opt.tracing import trace

ONE_TARGET = """
family = "alpine"
description = "made up"
host = "core"
[targets.core]
source = "made up"
numerics = "int8"
kinds = ["*"]
"""
OPERATOR = """
[operators.fft_r2c]
simple = 17.5
transcendental = 0
source = "measured"
"""


def test_a_system_prices_operators_of_its_own() -> None:
    text = ONE_TARGET + OPERATOR
    system = System.from_toml(text, "mine", "mine.toml")
    assert system.operators["fft_r2c"].simple == 17.5
    assert system.digest != System.from_toml(ONE_TARGET, "mine", "mine.toml").digest
    for wrong, message in (
        (
            text.replace("17.5", "-1"),
            "operators.fft_r2c.simple: got -1; must be greater than or equal",
        ),
        (text.replace("17.5", "nan"), "operators.fft_r2c.simple: got nan; must be a finite number"),
        (text.replace('source = "measured"', ""), "key 'operators.fft_r2c.source' is missing"),
    ):
        with pytest.raises(InputError, match=f"^mine.toml: {message}"):
            System.from_toml(wrong, "mine", "mine.toml")


@pytest.mark.parametrize("name", ["lionheart", "imc-cluster", "manycore", "diana", "hermes-64"])
def test_every_family_reads_the_prices_of_its_system(name: str) -> None:
    """More operations cost more."""
    system = load_system(name)
    workload = network(operator("x", "fft_r2c"))
    space = Space(workload=workload, system=system)
    with pytest.raises(InputError, match=r"unknown operator 'fft_r2c'; to price it, add a table"):
        cost_model(system).cost(workload, space.all_digital)
    energies_j = []
    for count in (1, 20):
        price = OperatorPrice(simple=count, transcendental=count, source="made up")
        mine = system.model_copy(update={"operators": {"fft_r2c": price}})
        energies_j.append(cost_model(mine).cost(workload, space.all_digital).energy_j)
    assert 0 < energies_j[0] < energies_j[1]


def test_tiles_of_alpine_hold_all_that_the_oracle_can_run() -> None:
    """Grouped and transposed convolutions, those of volumes, and products written as equations."""
    held = set()
    for name, (network_, inputs) in networks().items():
        workload = trace(network_, inputs[:1], name)
        space = Space(workload=workload, system=load_system("lionheart"))
        analog = set(space.all_analog.units_on("tile"))
        assert analog == {unit.name for unit in workload.crossbar_units}, name
        held |= {layer.kind for layer in workload.layers if layer.mvm is not None}
    assert held >= {"conv3d", "grouped_conv1d", "grouped_conv2d", "conv_transpose2d", "linear"}

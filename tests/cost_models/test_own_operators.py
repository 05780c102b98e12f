"""Operators that the cost models do not know, priced by the system's file; kinds that tiles hold."""

from __future__ import annotations

import pytest
from small_networks import convolution, network, operator
from weight_uses import networks

from lionheart_opt.errors import InputError
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.space import Space
from lionheart_opt.system import OperatorPrice, System
from lionheart_opt.tracing import trace
from lionheart_opt.workload import Layer

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


FAMILIES = ["lionheart", "imc-cluster", "manycore", "diana", "hermes-64"]


def priced(name: str, kind: str, count: float, *layers: Layer) -> tuple[float, float]:
    """Latency and energy of a network on the host, with so many simple operations for a kind."""
    price = OperatorPrice(simple=count, transcendental=0, source="made up")
    system = load_system(name).model_copy(update={"operators": {kind: price}})
    workload = network(*layers)
    cost = cost_model(system).cost(workload, Space(workload=workload, system=system).all_digital)
    return cost.latency_s, cost.energy_j


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", ["relu", "batch_norm", "max_pool2d", "gelu"])
def test_a_price_of_the_file_holds_for_kinds_that_the_models_know(name: str, kind: str) -> None:
    """Also where the layer would be free as a part of the one before, or looked up."""
    window = {"kernel": (3, 3), "stride": (1, 1)} if kind == "max_pool2d" else {}
    layers = convolution("conv"), operator("x", kind, "conv", **window)
    few, many, most = (priced(name, kind, count, *layers) for count in (0, 1e6, 2e6))
    for none, once, twice in zip(few, many, most, strict=True):
        assert once > 10 * none
        assert twice - once == pytest.approx(once - none, rel=1e-3)


def test_a_product_that_diana_has_no_price_for_can_be_given_one() -> None:
    bilinear = operator("x", "bilinear", macs=7)
    with pytest.raises(InputError, match="no published cost of 'bilinear'"):
        priced("diana", "gelu", 1, bilinear)
    assert priced("diana", "bilinear", 1, bilinear)[0] == pytest.approx((7 + 144) * 9.57 / 260e6)


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

"""Systems with other numbers: what follows them, and what is refused."""

from __future__ import annotations

import pytest

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.area import area_m2
from lionheart_opt.hardware.redesign import number, redesigned
from lionheart_opt.plugins import load_system
from lionheart_opt.synthetic import convolutional_workload


def test_other_numbers_are_replaced() -> None:
    system = load_system("lionheart")
    changed = redesigned(system, {"machine.dram_bytes_per_s": 10, "targets.tile.tiles": 3})
    assert number(changed, "machine.dram_bytes_per_s") == 10.0
    assert changed.target("tile").tiles == 3 and changed.digest != system.digest
    assert number(system, "machine.dram_bytes_per_s") == 19.2e9
    assert redesigned(system, {}).digest == system.digest


def test_links_are_numbered() -> None:
    system, name = load_system("alpine-loosely-coupled"), "links.0.bytes_per_s"
    changed = redesigned(system, {name: 8e9})
    assert (number(system, name), number(changed, name)) == (4e9, 8e9)
    assert changed.links[0].between == ("core", "tile") and changed.digest != system.digest
    with pytest.raises(InputError, match=r"links\.NUMBER\.KEY of a link"):
        redesigned(system, {"links.1.bytes_per_s": 8e9})


def test_an_array_takes_its_constants_with_it() -> None:
    system = load_system("lionheart")
    bits = {"targets.tile.input_bits": 6, "targets.tile.output_bits": 6}
    tile = redesigned(system, bits).target("tile")
    assert tile.parameters["mvm_latency_s"] == pytest.approx(100e-9 / 4)
    assert tile.parameters["ops_per_j"] == pytest.approx(20e12 * 4)
    assert tile.rpu_config == "lionheart 256x256 6/6 bit"
    assert tile.array is not None and tile.array.input_bits == 6
    taller = redesigned(system, {"targets.tile.rows": 512}).target("tile")
    assert taller.parameters["rows"] == 512 and taller.parameters["columns"] == 256
    assert taller.rpu_config == "lionheart 512x256 8/8 bit"
    # half of the conversions for each MAC: rows and cells double, columns stay
    energy = (2 * 0.329 + 0.525 + 2 * 0.146) / 2
    assert taller.parameters["ops_per_j"] == pytest.approx(20e12 / energy)
    same = redesigned(system, {"targets.tile.columns_per_converter": 2}).target("tile")
    assert same.rpu_config == "lionheart"


def test_a_design_costs_what_its_file_would() -> None:
    """Two steps are as good as one."""
    system = load_system("imc-cluster")
    names = ("targets.ima.rows", "targets.ima.input_bits")
    once = redesigned(system, dict(zip(names, (512, 9), strict=True)))
    twice = redesigned(redesigned(system, {names[0]: 512}), {names[1]: 9})
    workload = convolutional_workload()
    costs = [lo.cost(workload, each) for each in (once, twice)]
    assert costs[0].latency_s == pytest.approx(costs[1].latency_s)
    assert costs[0].energy_j == pytest.approx(costs[1].energy_j)


def test_clusters_bring_their_crossbars() -> None:
    system = redesigned(load_system("manycore"), {"machine.clusters": 64})
    assert [target.tiles for target in system.targets] == [64, 64]
    assert area_m2(system, {}) == pytest.approx(64 * 0.9375e-6)


@pytest.mark.parametrize(
    ("system", "changes", "said"),
    [
        ("lionheart", {"machine.nothing": 1}, "unknown number 'nothing'"),
        ("lionheart", {"nothing": 1}, "must be machine.KEY"),
        ("lionheart", {"targets.none.rows": 1}, "unknown target 'none'"),
        ("lionheart", {"targets.tile.rows": 0}, "targets.tile.rows: got 0; must be a whole number"),
        ("lionheart", {"targets.tile.rows": 1.5}, "must be a whole number from 1 to 65,536"),
        ("lionheart", {"targets.tile.input_bits": 99}, "must be from 1 to 16"),
        ("lionheart", {"targets.tile.tiles": -1}, "must be a whole number, at least 0"),
        ("lionheart", {"machine.llc_bytes": 1.5}, "machine.llc_bytes: got 1.5; must be like"),
        ("lionheart", {"machine.frequency_hz": "fast"}, "must be like"),
        ("lionheart", {"machine.frequency_hz": -1.0}, "frequency_hz"),
        (
            "lionheart",
            {"targets.tile.columns": 4, "targets.tile.columns_per_converter": 8},
            "must be at most the 4 columns",
        ),
        ("diana", {"targets.analog.rows": 512}, "does not say what its converters are"),
        ("hermes-64", {"targets.cores.rows": 128}, "'fabric' has no price of other arrays"),
        ("alpine-high-power", {"targets.tile.rows": 512}, "does not say what its converters are"),
    ],
)
def test_what_cannot_be_is_refused(system: str, changes: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        redesigned(load_system(system), changes)

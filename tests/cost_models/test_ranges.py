"""Every number of a system file has its range: what cannot be, such as a rate of 0, is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.constants import Scalar
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.system import Link

#: What may be free. Everything else is divided by, is a size, or is a time or power of real hardware.
MAY_BE_ZERO = {
    "hop_s",
    "cycles_per_result",
    "idle_j_per_cycle",
    "llc_leakage_w",
    "llc_read_j_per_byte",
    "llc_write_j_per_byte",
    "dram_access_j",
    "memory_controller_w",
    "level_latency_cycles",
    "mac_energy_j",
    "convolution_mac_energy_j",
    "depthwise_mac_energy_j",
    "element_op_energy_j",
    "job_energy_j",
    "channel_energy_j",
    "column_energy_j",
    "cell_energy_j",
    "simple_cycles",
    "convert_cycles",
    "input_cycles",
    "handoff_cycles",
    "dram_stall_s_per_byte",
    "l2_j_per_byte",
    "dram_j_per_byte",
    "hbm_j_per_byte",
    "link_j_per_byte",
    "mvm_energy_j",
    "hbm_w",
    "cluster_leakage_w",
    "leakage_w",
    "waiting_power_w",
    "slice_w",
}
#: Shares of 1.
SHARES = {"overlap"}
#: Smallest whole number that makes sense, where it is not 1 (or 0).
LEAST = {"ports": 2}


SYSTEMS = {
    name: load_system(name)
    for name in ("alpine-high-power", "diana", "hermes-64", "imc-cluster", "manycore", "lionheart")
}


def numbers() -> Iterator[tuple[str, str, str, Scalar]]:
    """System, block, key and value of every number of the shipped systems."""
    for name, system in SYSTEMS.items():
        blocks = {"machine": system.machine, "software": system.software}
        blocks |= {target.name: target for target in system.targets}
        for block, owner in blocks.items():
            if owner is None:
                continue
            for key, value in owner.parameters.items():
                if not isinstance(value, str):
                    yield name, block, key, value


NUMBERS = list(numbers())


@pytest.mark.parametrize(("name", "block", "key", "value"), NUMBERS)
def test_ranges_of_numbers(name: str, block: str, key: str, value: Scalar) -> None:
    system = SYSTEMS[name]
    kind = type(value)
    least = LEAST.get(key, 0 if key in MAY_BE_ZERO else 1)
    allowed = [least] if kind is int else [0.0, 1e-30] if key in MAY_BE_ZERO else [1e-30, 1e30]
    refused = [least - 1] if kind is int else [-1e-30] if key in MAY_BE_ZERO else [0.0, -1.0]
    if key in SHARES:
        allowed, refused = [1e-30, 1.0], [0.0, 1.1]
    for number in allowed:
        if key == "clusters":  # they bring their crossbars
            cost_model(redesigned(system, {f"{block}.{key}": number}))
        else:
            cost_model(variant(system, block, **{key: number}))
    for number in refused:
        with pytest.raises(InputError, match=rf"{block}.*{key}: got"):
            cost_model(variant(system, block, **{key: number}))


def test_every_kind_of_number_is_there() -> None:
    assert {key for _, _, key, _ in NUMBERS} >= MAY_BE_ZERO | set(LEAST)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"latency_s": 0.0, "bytes_per_s": 1e-30}, None),
        ({"latency_s": -1e-30, "bytes_per_s": 1.0}, "latency_s: got"),
        ({"latency_s": 0.0, "bytes_per_s": 0.0}, "bytes_per_s: got"),
    ],
)
def test_ranges_of_a_link(parameters: dict[str, float], message: str | None) -> None:
    link = Link(source="made up", between=("core", "tile"), parameters=parameters)
    system = SYSTEMS["lionheart"].model_copy(update={"links": (link,)})
    if message is None:
        cost_model(system)
    else:
        with pytest.raises(InputError, match=message):
            cost_model(system)

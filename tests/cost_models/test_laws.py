"""Laws that the prices of every system keep, whatever their numbers are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from small_networks import operator

from lionheart_opt.cost import Cost
from lionheart_opt.hardware.constants import Scalar
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system, system_names
from lionheart_opt.space import Space, random_mapping
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System
from lionheart_opt.workload import INPUT, Mvm, Unit, Workload

FACTOR = 2.0


def wide() -> Workload:
    """A matrix whose input is so long that waiting for it takes longer than the product."""
    matrix = operator(
        "fc", "linear", input_shapes=((1, 8000),), output_shape=(1, 40), macs=320_000,
        weight_count=320_000, mvm=Mvm(rows=8000, columns=40, count=1),
    )  # fmt: skip
    tail = operator("gelu", "gelu", "fc", input_shapes=((1, 40),), output_shape=(1, 40))
    return Workload(name="wide", layers=(matrix, tail), units=(Unit(name="fc", layers=("fc",)),))


def heavy() -> Workload:
    """A matrix that is larger than every L2."""
    matrix = operator(
        "fc", "linear", input_shapes=((1, 4000),), output_shape=(1, 2000), macs=8_000_000,
        weight_count=8_000_000, mvm=Mvm(rows=4000, columns=2000, count=1),
    )  # fmt: skip
    return Workload(name="heavy", layers=(matrix,), units=(Unit(name="fc", layers=("fc",)),))


WORKLOADS = {"wide": wide(), "convolutions": convolutional_workload(), "heavy": heavy()}
#: How a number is called that takes longer where it is smaller, and where it is larger.
RATES = ("_per_s", "_per_cycle", "_hz", "_efficiency")
TIMES = ("_s", "_cycles", "_s_per_byte", "_cycles_per_operation")


def mappings(workload: Workload, system: System) -> list[Mapping]:
    space, rng = Space(workload=workload, system=system), np.random.default_rng(0)
    return [space.all_digital, space.all_analog, *(random_mapping(space, rng) for _ in range(3))]


def numbers_of(cost: Cost) -> tuple[float, float, float]:
    return cost.latency_s, cost.time_per_inference_s, cost.energy_j


def with_numbers(system: System, *, time: float = 1.0, energy: float = 1.0) -> System:
    """Every number of a system in other units: as many times as much time, or energy."""

    def scaled(key: str, value: Scalar) -> Scalar:
        if isinstance(value, (str, bool)):
            return value
        if key.endswith("ops_per_j"):
            return value / energy
        if key.endswith("_w"):
            return value * energy / time
        if "_j_per" in key or key.endswith("_j"):
            return value * energy
        if key.endswith(("_per_s", "_hz")):
            return value / time
        if "_s_per" in key or key.endswith("_s"):
            return value * time
        return value

    blocks = {
        name: block.model_copy(
            update={
                "parameters": {key: scaled(key, each) for key, each in block.parameters.items()}
            }
        )
        for name, block in system.blocks.items()
    }
    targets = tuple(blocks[f"targets.{target.name}"] for target in system.targets)
    links = tuple(blocks[f"links.{number}"] for number in range(len(system.links)))
    shared = {name: blocks.get(name) for name in ("machine", "software")}
    return system.model_copy(update={"targets": targets, "links": links, **shared})


@pytest.fixture(params=list(system_names()))
def system(request: pytest.FixtureRequest) -> System:
    return load_system(request.param)


@pytest.fixture(params=WORKLOADS)
def workload(request: pytest.FixtureRequest) -> Workload:
    return WORKLOADS[request.param]


def test_slower_by_a_factor_is_slower_by_that_factor(system: System, workload: Workload) -> None:
    """If all takes twice the time, an inference does, with as much energy."""
    model, slow = cost_model(system), cost_model(with_numbers(system, time=FACTOR))
    for mapping in mappings(workload, system):
        latency_s, interval_s, energy_j = numbers_of(model.cost(workload, mapping))
        expected = FACTOR * latency_s, FACTOR * interval_s, energy_j
        assert numbers_of(slow.cost(workload, mapping)) == pytest.approx(expected, rel=1e-9)


def test_twice_all_energies_is_twice_the_energy(system: System, workload: Workload) -> None:
    model, dear = cost_model(system), cost_model(with_numbers(system, energy=FACTOR))
    for mapping in mappings(workload, system):
        latency_s, interval_s, energy_j = numbers_of(model.cost(workload, mapping))
        expected = latency_s, interval_s, FACTOR * energy_j
        assert numbers_of(dear.cost(workload, mapping)) == pytest.approx(expected, rel=1e-9)


def slower(system: System) -> Iterator[tuple[str, System]]:
    """Each rate and time of a system, and the system with a hundredth or a hundred times of it."""
    for block, owner in system.blocks.items():
        for key, value in owner.parameters.items():
            if isinstance(value, (str, bool, tuple, list)) or key.endswith("_j_per_cycle"):
                continue
            name = f"{block}.{key}"
            if key.endswith(RATES):
                hundredth = max(value // 100, 1) if isinstance(value, int) else value / 100
                yield name, system.with_constants({name: hundredth})
            elif key.endswith(TIMES):
                yield name, system.with_constants({name: 100 * value})


def test_what_takes_longer_takes_more_energy(system: System, workload: Workload) -> None:
    """Whichever part of a system is a hundred times slower, others wait for it, and leak.

    Unless layers then run elsewhere: fewer cores take less power.
    """
    model = cost_model(system)
    for name, slow in slower(system):
        for mapping in mappings(workload, system)[:2]:
            before, after = model.cost(workload, mapping), cost_model(slow).cost(workload, mapping)
            is_placed_alike = [each.place for each in before.layers] == [
                each.place for each in after.layers
            ]
            is_slower = after.time_per_inference_s > 1.01 * before.time_per_inference_s
            if is_slower and is_placed_alike:
                assert after.energy_j > before.energy_j * (1 + 1e-6), name


def test_no_result_comes_before_the_next_one(system: System, workload: Workload) -> None:
    """An inference takes at least as long as the time between two of them."""
    model = cost_model(system)
    for batch in (1, 3):
        several = workload.with_batch(batch)
        for mapping in mappings(workload, system):
            cost = model.cost(several, mapping)
            assert cost.latency_s >= batch * cost.time_per_inference_s * (1 - 1e-9)


def test_names_do_not_matter(system: System, workload: Workload) -> None:
    model = cost_model(system)
    names = {layer.name: f"layer {number}" for number, layer in enumerate(workload.layers)}
    paths = {layer.module: f"path {number}" for number, layer in enumerate(workload.layers)}
    units = {unit.name: f"unit {number}" for number, unit in enumerate(workload.units)}
    renamed = replace(
        workload,
        layers=tuple(
            replace(
                layer,
                name=names[layer.name],
                module=paths[layer.module],
                inputs=tuple(names.get(source, INPUT) for source in layer.inputs),
            )
            for layer in workload.layers
        ),
        units=tuple(
            Unit(name=units[unit.name], layers=tuple(names[layer] for layer in unit.layers))
            for unit in workload.units
        ),
    )
    for mapping in mappings(workload, system):
        moved = Mapping.of({units[unit]: target for unit, target in mapping.items()})
        after = numbers_of(model.cost(renamed, moved))
        assert after == pytest.approx(numbers_of(model.cost(workload, mapping)), rel=1e-12)


@pytest.mark.parametrize("name", system_names())
def test_what_mappings_share_changes_no_price(name: str) -> None:
    """A model prices two networks in turn as models do that have priced nothing before."""
    system = load_system(name)
    model, rng = cost_model(system), np.random.default_rng(0)
    networks = convolutional_workload(), convolutional_workload((24, 16, 10), side=6)
    for _ in range(4):
        for workload in networks:
            mapping = random_mapping(Space(workload=workload, system=system), rng)
            cost = model.cost(workload, mapping)
            fresh = cost_model(system).cost(workload, mapping)
            assert (cost.totals, cost.layers) == (fresh.totals, fresh.layers)

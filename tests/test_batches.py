"""Batches: who can price them, what a batch of one is, and what weights and crossbars gain."""

from dataclasses import dataclass, replace
from math import inf

import pytest

import lionheart_opt as lo
from lionheart_opt import InputError
from lionheart_opt.batches import as_single_inferences, check_batch
from lionheart_opt.cheapest import cheapest
from lionheart_opt.cost import COST_OBJECTIVES, Cost, CostObjective
from lionheart_opt.hardware.roofline import roofline
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.space import Space, every_mapping
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System
from lionheart_opt.uncertainty import estimates_of
from lionheart_opt.workload import Workload

SYSTEMS = ("lionheart", "alpine-high-power-8", "diana", "imc-cluster", "manycore", "hermes-64")


@dataclass(frozen=True)
class SingleOnly:
    """A cost model that knows of no batches."""

    system: System

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        return cost_model(self.system).cost(workload, mapping)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_batch_of_one_is_one_inference(name: str) -> None:
    workload = convolutional_workload()
    assert workload.with_batch(1) is workload
    assert lo.cost(workload, name, batch=1) == lo.cost(workload, name)


def test_a_family_that_cannot_say_is_refused() -> None:
    system, workload = load_system("diana"), convolutional_workload()
    check_batch(SingleOnly(system), system, workload)
    with pytest.raises(InputError, match=r"diana.*batch: got 2; the family 'diana' prices single"):
        check_batch(SingleOnly(system), system, workload.with_batch(2))


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "2", None, 10**9])
def test_other_batches_are_refused(batch: object) -> None:
    with pytest.raises(
        InputError, match=r"batch: got .*must be a whole number from 1 to 1,000,000"
    ):
        convolutional_workload().with_batch(batch)  # type: ignore[arg-type]


def test_what_follows_itself() -> None:
    batch = convolutional_workload().with_batch(3)
    together = as_single_inferences(cost_model(load_system("diana")), batch)
    assert (together.batch, together.macs) == (1, 3 * batch.macs)
    pipelined = as_single_inferences(cost_model(load_system("manycore")), batch)
    assert (pipelined.batch, pipelined.macs) == (1, batch.macs)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_cheapest_mapping_of_a_batch(name: str) -> None:
    system, workload = load_system(name), convolutional_workload().with_batch(4)
    space = Space(workload=workload, system=system)
    best = cheapest(space)
    assert best is not None
    best_s = lo.cost(workload, system, best.mapping).time_per_inference_s
    for mapping in (space.all_digital, space.all_analog):
        assert best_s <= lo.cost(workload, system, mapping).time_per_inference_s * (1 + 1e-6)
    assert best.exact == cheapest(Space(workload=workload.with_batch(1), system=system)).exact


@pytest.mark.parametrize("objective", COST_OBJECTIVES)
def test_the_mapping_of_a_batch_that_costs_least_of_anything(objective: CostObjective) -> None:
    """In a pipeline, the latency of a large batch follows from its interval."""
    system, workload = load_system("manycore"), lo.trace("resnet8").with_batch(64)
    space = Space(workload=workload, system=system)
    costs = {}
    for each in COST_OBJECTIVES:
        best = cheapest(space, each)
        assert best is not None
        costs[each] = lo.cost(workload, system, best.mapping).value(objective)
    assert costs[objective] <= min(costs.values()) * (1 + 1e-6)


def test_no_layer_of_a_batch_is_above_its_roof() -> None:
    for name in ("diana", "manycore"):
        system, workload = load_system(name), convolutional_workload()
        mapping = Space(workload=workload, system=system).all_digital
        single = roofline(workload, system, mapping).points
        batch = roofline(workload.with_batch(8), system, mapping).points
        for alone, together in zip(single, batch, strict=True):
            assert together.ops_per_byte >= alone.ops_per_byte
            assert (
                together.attainable_ops_per_s is None
                or together.ops_per_s <= together.attainable_ops_per_s
            )


def test_best_and_roofline_are_of_the_price_of_the_batch() -> None:
    """A batch of the cluster moves activations that a single inference does not."""
    system, workload = load_system("imc-cluster"), convolutional_workload().with_batch(4_000)
    space = Space(workload=workload, system=system)
    prices = {each: lo.cost(workload, system, each) for each in every_mapping(space)}
    assert any("memory" in layer.components for layer in prices[space.all_analog].layers)
    for objective in COST_OBJECTIVES:
        best = cheapest(space, objective)
        assert best is not None
        least = min(cost.value(objective) for cost in prices.values())
        assert prices[best.mapping].value(objective) <= least * (1 + 1e-6)
    times = {layer.name: layer.latency_s for layer in prices[space.all_analog].layers}
    for point in roofline(workload, system, space.all_analog).points:
        assert point.time_s == times[point.name]


def test_a_batch_is_part_of_a_workload() -> None:
    workload = convolutional_workload()
    batch = workload.with_batch(8)
    assert Workload.from_json(batch.to_json()) == batch
    assert "batch" not in workload.to_json(), "records of other versions stay what they are"
    assert batch.digest != workload.digest
    assert repr(batch).endswith("batch of 8)")
    assert batch.macs == workload.macs
    assert replace(batch, name="other").batch == 8


@pytest.mark.parametrize("name", ["diana", "imc-cluster", "manycore", "hermes-64", "lionheart"])
@pytest.mark.parametrize("mapping", ["all-digital", "all-analog"])
def test_more_inferences_take_longer_and_share_what_they_can(name: str, mapping: str) -> None:
    """As long as the memory holds their activations, none is dearer than alone."""
    workload = convolutional_workload()
    alone = lo.cost(workload, name, mapping)
    before = alone
    for batch in (2, 3, 8, 16):
        together = lo.cost(workload, name, mapping, batch=batch)
        assert before.latency_s < together.latency_s <= batch * alone.latency_s * (1 + 1e-9)
        assert together.time_per_inference_s <= alone.time_per_inference_s * (1 + 1e-9)
        assert together.energy_j <= alone.energy_j * (1 + 1e-9)
        assert batch * together.energy_j >= alone.energy_j
        before = together


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("diana", "l2_bytes_per_s"),
        ("diana", "dram_bytes_per_s"),
        ("imc-cluster", "l2_bytes_per_s"),
        ("imc-cluster", "dram_bytes_per_s"),
        ("lionheart", "dram_bytes_per_s"),
        ("manycore", "link_bytes_per_cycle"),
    ],
)
def test_a_faster_memory_never_makes_a_batch_slower(name: str, constant: str) -> None:
    workload, system = lo.trace("resnet8"), load_system(name)
    assert system.machine is not None
    value = system.machine.parameters[constant]
    for batch in (1, 256):
        for mapping in ("all-digital", "all-analog"):
            times = [
                lo.cost(
                    workload,
                    system.with_constants({f"machine.{constant}": type(value)(factor * value)}),
                    mapping,
                    batch=batch,
                ).time_per_inference_s
                for factor in (0.25, 1, 4)
            ]
            assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("name", ["diana", "imc-cluster", "manycore"])
def test_what_is_known_of_a_batch_are_numbers(name: str) -> None:
    """Costs with intervals, also of a batch that no memory holds."""
    workload = lo.trace("resnet8")
    for batch in (1, 16, 1_000_000):
        cost = lo.cost(workload, name, batch=batch)
        digital = lo.cost(workload, name, "all-digital", batch=batch)
        for value, low, high in estimates_of(cost, digital).values():
            assert low is not None and high is not None
            assert 0 < low <= value <= high < inf


@pytest.mark.parametrize("name", ["manycore", "alpine-high-power-8"])
def test_an_interval_is_known_as_well_in_a_batch(name: str) -> None:
    """Waiting for other inferences is no work of the layer that ends the batch."""
    workload = lo.trace("resnet8")
    single, batch = (lo.cost(workload, name, batch=count) for count in (1, 64))
    for ours, theirs in zip(
        single.estimate("interval_s"), batch.estimate("interval_s"), strict=True
    ):
        assert ours == pytest.approx(theirs, rel=1e-9)

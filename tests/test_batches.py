"""Batches: who can price them, what a batch of one is, and what weights and crossbars gain."""

from dataclasses import dataclass, replace
from math import inf

import numpy as np
import pytest

import lionheart_opt as lo
from lionheart_opt import InputError
from lionheart_opt.batches import as_single_inferences, check_batch
from lionheart_opt.cheapest import cheapest
from lionheart_opt.cost import COST_OBJECTIVES, Cost, CostObjective, cost_tables
from lionheart_opt.hardware.roofline import roofline
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system, system_names
from lionheart_opt.space import Space, every_mapping
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System
from lionheart_opt.testing.problems import sample
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
    batch = convolutional_workload().with_batch(12)
    for name, macs in (("diana", 12 * batch.macs), ("manycore", batch.macs)):
        model, cost = cost_model(load_system(name)), lo.cost(batch, name)
        whole = as_single_inferences(model, batch, cost)
        assert (whole.batch, whole.macs) == (1, macs)
        run = as_single_inferences(model, batch, replace(cost, together=4))
        assert run.macs == (4 * batch.macs if name == "diana" else batch.macs)


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
    """Runs of DIANA are as long as the L1 holds their activations."""
    system, workload = load_system("diana"), convolutional_workload().with_batch(256)
    space = Space(workload=workload, system=system)
    prices = {each: lo.cost(workload, system, each) for each in every_mapping(space)}
    assert {cost.together for cost in prices.values()} != {256}
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


@pytest.mark.parametrize("system", [*SYSTEMS, "alpine-low-power", "alpine-loosely-coupled"])
@pytest.mark.parametrize("network", ["resnet8", "mobilenet", "mlp"])
@pytest.mark.parametrize("mapping", ["all-digital", "all-analog"])
def test_no_batch_is_dearer_than_its_inferences_one_by_one(
    system: str, network: str, mapping: str
) -> None:
    """Whole batches cost up to 27 times the energy where activations do not fit into the L1."""
    workload = lo.trace(network)
    alone = lo.cost(workload, system, mapping)
    for batch in (2, 7, 12, 64, 1000):
        cost = lo.cost(workload, system, mapping, batch=batch)
        assert cost.latency_s <= batch * alone.latency_s * (1 + 1e-9)
        assert cost.time_per_inference_s <= alone.time_per_inference_s * (1 + 1e-9)
        assert cost.energy_j <= alone.energy_j * (1 + 1e-9)


@pytest.mark.parametrize("name", system_names())
@pytest.mark.parametrize("channels", [[16, 24, 40], [8, 64, 64], [128, 512, 512]])
def test_no_mapping_makes_a_batch_dearer(name: str, channels: list[int]) -> None:
    """All shipped systems, with networks of which the batch fits into all memories, some, and none."""
    system, workload = load_system(name), convolutional_workload(channels)
    model = cost_model(system)
    for mapping in sample(Space(workload=workload, system=system)):
        alone = model.cost(workload, mapping)
        for batch in (2, 9, 75, 512):
            cost = model.cost(workload.with_batch(batch), mapping)
            assert cost.latency_s <= batch * alone.latency_s * (1 + 1e-9)
            assert cost.energy_j <= alone.energy_j * (1 + 1e-9)


@pytest.mark.parametrize("name", ["lionheart", "diana", "imc-cluster", "hermes-64"])
@pytest.mark.parametrize("network", ["resnet8", "mobilenet"])
def test_a_batch_costs_no_more_than_its_parts(name: str, network: str) -> None:
    """No equal cut costs less of both, up to a thousandth."""
    workload = lo.trace(network)
    for mapping in ("all-digital", "all-analog"):
        whole = lo.cost(workload, name, mapping, batch=48)
        for size in (1, 2, 3, 4, 6, 8, 12, 16, 24):
            part = lo.cost(workload, name, mapping, batch=size)
            ratios = np.array([48 / size * part.latency_s, part.energy_j]) / (
                whole.latency_s,
                whole.energy_j,
            )
            assert ratios.max() >= 1 - 1e-9 and ratios.sum() >= 2 * (1 - 1e-3)


@pytest.mark.parametrize("name", ["lionheart", "diana", "imc-cluster", "hermes-64"])
@pytest.mark.parametrize("batch", [2, 12, 256])
def test_bulk_prices_of_batches_are_those_of_single_mappings(name: str, batch: int) -> None:
    system, workload = load_system(name), lo.trace("resnet8").with_batch(batch)
    model = cost_model(system)
    tables = cost_tables(model, workload)
    assert tables is not None
    mappings = sample(Space(workload=workload, system=system))
    latency_s, energy_j = tables.cost_batch(tables.encode(mappings))
    costs = [model.cost(workload, mapping) for mapping in mappings]
    np.testing.assert_allclose(latency_s, [cost.latency_s for cost in costs], rtol=1e-9)
    np.testing.assert_allclose(energy_j, [cost.energy_j for cost in costs], rtol=1e-9)


@pytest.mark.parametrize("objective", COST_OBJECTIVES)
def test_the_cheapest_mapping_of_a_batch_that_is_cut(objective: CostObjective) -> None:
    """Which cut is best depends on the mapping."""
    system, workload = load_system("diana"), convolutional_workload([8, 64, 64]).with_batch(75)
    space = Space(workload=workload, system=system)
    costs = {each: lo.cost(workload, system, each) for each in every_mapping(space)}
    assert len({cost.together for cost in costs.values()}) > 1
    best = cheapest(space, objective)
    assert best is not None and not best.exact
    least = min(cost.value(objective) for cost in costs.values())
    assert costs[best.mapping].value(objective) <= least * (1 + 1e-6)


@pytest.mark.parametrize("name", ["diana", "imc-cluster", "manycore", "hermes-64", "lionheart"])
@pytest.mark.parametrize("mapping", ["all-digital", "all-analog"])
def test_more_inferences_take_longer_and_share_what_they_can(name: str, mapping: str) -> None:
    """A larger batch takes longer, but no inference of it is dearer than alone."""
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
    for batch in (1, 16, 4096):
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

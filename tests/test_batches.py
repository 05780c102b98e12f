"""Batches: who can price them, what a batch of one is, and what weights and crossbars gain."""

from dataclasses import dataclass, replace

import pytest

import lionheart_opt as lo
from lionheart_opt import InputError
from lionheart_opt.batches import as_single_inferences, check_batch
from lionheart_opt.cheapest import cheapest
from lionheart_opt.cost import Cost
from lionheart_opt.hardware.roofline import roofline
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.space import Space
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System
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


def test_a_batch_is_part_of_a_workload() -> None:
    workload = convolutional_workload()
    batch = workload.with_batch(8)
    assert Workload.from_json(batch.to_json()) == batch
    assert "batch" not in workload.to_json(), "records of other versions stay what they are"
    assert batch.digest != workload.digest
    assert repr(batch).endswith("batch of 8)")
    assert batch.macs == workload.macs
    assert replace(batch, name="other").batch == 8

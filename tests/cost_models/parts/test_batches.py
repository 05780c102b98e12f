"""What a batch shares: weights that are loaded, and crossbars that are programmed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lionheart_opt.cost import Cost, LayerCost
from lionheart_opt.cost_models.imc_cluster import ImcCluster
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.system import System
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload


def chain(*sizes: int) -> Workload:
    """Linear layers of one vector each."""
    layers = tuple(
        Layer(
            name=f"fc{k}",
            kind="linear",
            module=f"fc{k}",
            inputs=(f"fc{k - 1}" if k else INPUT,),
            input_shapes=((1, rows),),
            output_shape=(1, columns),
            macs=rows * columns,
            weight_count=rows * columns,
            mvm=Mvm(rows=rows, columns=columns, count=1),
        )
        for k, (rows, columns) in enumerate(pairwise(sizes))
    )
    units = tuple(Unit(name=layer.name, layers=(layer.name,)) for layer in layers)
    return Workload(name="chain", layers=layers, units=units)


def cost(system: System, workload: Workload, target: str, batch: int) -> Cost:
    mapping = Mapping.of({unit.name: target for unit in workload.units})
    return cost_model(system).cost(workload.with_batch(batch), mapping)


def first(cost: Cost) -> LayerCost:
    return cost.layers[0]


def test_the_cluster_fetches_weights_once_for_a_batch() -> None:
    system = load_system("imc-cluster")
    workload = chain(1024, 1024)  # 1 MiB of weights, which the L1 cannot hold
    moved_j = [first(cost(system, workload, "cores", n)).components["memory"][1] for n in (1, 16)]
    assert moved_j[0] == pytest.approx(2**20 * 1.4e-12, rel=1e-9)
    # beside them, the activations of the batch do not fit either: those of each inference move
    assert moved_j[1] == pytest.approx(moved_j[0] / 16 + 2 * 1024 * 1.4e-12, rel=1e-9)


def test_diana_loads_its_array_once_for_a_batch() -> None:
    system, workload = load_system("diana"), chain(256, 256)
    single, batch = (first(cost(system, workload, "analog", n)) for n in (1, 16))
    assert batch.components["weights"][0] == single.components["weights"][0] == 8 * 256 / 260e6
    assert batch.components["weights"][1] == pytest.approx(single.components["weights"][1] / 16)
    assert batch.components["mvm"][1] <= single.components["mvm"][1]


def test_diana_fills_its_digital_array_with_a_batch() -> None:
    """16 pixels at once: a vector has one, a batch of 16 has all."""
    system, workload = load_system("diana"), chain(256, 256)
    single, batch = (cost(system, workload, "digital", n) for n in (1, 16))
    stores_s = (256 + 256) / 8 / 260e6
    assert batch.latency_s == pytest.approx(single.latency_s + 15 * stores_s, rel=1e-9)


def test_a_core_reads_cold_weights_once_for_a_batch() -> None:
    """Two matrices, each of which the last-level cache can hold, but not both."""
    system, workload = load_system("lionheart"), chain(1000, 1000, 1000)
    single, batch = (first(cost(system, workload, "core", n)) for n in (1, 4))
    assert single.components["dram"][1] == pytest.approx(4 * batch.components["dram"][1])
    assert batch.components["memory"][0] == pytest.approx(single.components["memory"][0])
    assert batch.components["compute"][0] == pytest.approx(4 * single.components["compute"][0])


def test_weights_that_no_cache_holds_are_read_for_every_vector() -> None:
    """As ALPINE's loops go through the whole matrix for each."""
    system, workload = load_system("lionheart"), chain(2000, 1000)
    single, batch = (cost(system, workload, "core", n) for n in (1, 4))
    assert batch.time_per_inference_s == pytest.approx(single.latency_s, rel=1e-9)


def test_crossbars_are_programmed_once_for_a_batch() -> None:
    from lionheart_opt.hardware.reprogramming import Reprogramming

    system = variant(load_system("imc-cluster"), "machine", leakage_w=1e-3)
    rule = Reprogramming(source="made up", crossbar_s=1e-3, crossbar_j=1e-6, endurance_writes=1e8)
    ima = system.target("ima").model_copy(update={"tiles": 1, "reprogramming": rule})
    targets = tuple(ima if target.name == "ima" else target for target in system.targets)
    system = system.model_copy(update={"targets": targets})
    workload = chain(256, 256, 256)
    single, batch = (cost(system, workload, "ima", n) for n in (1, 10))
    for layer in batch.layers:
        leakage_j = 1e-3 * 1e-3
        assert layer.components["reprogramming"] == pytest.approx((1e-3, (1e-6 + leakage_j) / 10))
    assert batch.time_per_inference_s < 0.11 * single.latency_s
    assert batch.rewriting["ima"].rewritten == single.rewriting["ima"].rewritten == 2
    lifetimes = [each.rewriting["ima"].lifetime_inferences for each in (single, batch)]
    assert lifetimes[1] == 10 * lifetimes[0]


def test_a_batch_is_cut_into_runs_whose_activations_the_cluster_holds() -> None:
    """The paper's assumption that they stay in the L1 is one about a single inference."""
    system = load_system("imc-cluster")
    model = cost_model(system)
    assert isinstance(model, ImcCluster)
    workload = chain(1024, 1024)
    mapping = Mapping.of({"fc0": "ima"})
    for batch, together in ((64, 64), (512, 256), (1024, 256)):
        price = model.cost(workload.with_batch(batch), mapping)
        assert price.together == together
        assert "memory" not in first(price).components
    # uncut, all of them would move once: inputs and outputs, in 8 bits, to the L2, or the DRAM
    for batch, byte_j in ((512, 1.4e-12), (1024, 880e-12)):
        whole = model.of_batches.cost(workload.with_batch(batch).whole_batch, mapping)
        _, energy_j = first(whole).components["memory"]
        assert energy_j == pytest.approx(batch * 2 * 1024 * byte_j, rel=1e-9)


def test_a_run_has_its_share_of_the_batch() -> None:
    """Latencies are those of all runs, energies of one inference, and crossbars last a run."""
    system = load_system("imc-cluster")
    workload = chain(1024, 1024)
    run, batch = (cost(system, workload, "ima", n) for n in (256, 1024))
    assert run.together == batch.together == 256
    assert batch.latency_s == pytest.approx(4 * run.latency_s, rel=1e-12)
    assert batch.energy_j == pytest.approx(run.energy_j, rel=1e-12)
    assert batch.interval_s == pytest.approx(run.interval_s, rel=1e-12)

"""The cost model of the many-core: replication, pipelining and what takes up clusters."""

from __future__ import annotations

import numpy as np
import pytest
from many_cores import networks, on_many_cores
from scipy.optimize import Bounds, LinearConstraint, milp

from lionheart_opt.cost_models.manycore import Manycore
from lionheart_opt.cost_models.parts.manycore_plan import Plan
from lionheart_opt.cost_models.parts.pipeline import Graph, latencies
from lionheart_opt.cost_models.parts.pulp_cluster import separable_pool_operations
from lionheart_opt.cost_models.parts.replication import Way
from lionheart_opt.cost_models.validation import manycore as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.plugins import load_system
from lionheart_opt.space import Space
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System
from lionheart_opt.workload import Workload


@pytest.fixture(scope="module")
def system() -> System:
    return load_system("manycore")


@pytest.fixture(scope="module")
def workload() -> Workload:
    return paper.resnet18()


@pytest.fixture(scope="module")
def final(system: System, workload: Workload) -> Plan:
    return paper.steps(system, workload)[-1].plan


def ways_of(plan: Plan) -> list[Way]:
    """How each layer is built."""
    return [
        Way(work={work.slice_s: plan.graph.slices[name]}, clusters=work.clusters)
        for name, work in plan.work.items()
    ]


class TestReplication:
    def test_equals_the_integer_programme(self, final: Plan) -> None:
        """One binary for each stage and number of copies; HiGHS finds no shorter interval."""
        stages = ways_of(final)
        choices = [
            (k, n) for k, stage in enumerate(stages) for n in range(1, max(stage.work.values()) + 1)
        ]
        scale = 1e-6
        times = np.array([stages[k].time_s(n) for k, n in choices]) / scale
        clusters = np.array([float(stages[k].clusters * n) for k, n in choices])
        member = np.array([[float(k == row) for k, _ in choices] for row in range(len(stages))])
        # the last variable is the interval: no stage may take longer
        slower = np.hstack([member * times, -np.ones((len(stages), 1))])
        one_choice = np.hstack([member, np.zeros((len(stages), 1))])
        budget = 322 - final.storage_clusters
        result = milp(
            c=np.append(np.zeros(len(choices)), 1.0),
            integrality=np.append(np.ones(len(choices)), 0.0),
            bounds=Bounds(0, np.append(np.ones(len(choices)), np.inf)),
            constraints=[
                LinearConstraint(one_choice, 1, 1),
                LinearConstraint(slower, -np.inf, 0),
                LinearConstraint(np.append(clusters, 0.0)[None], -np.inf, budget),
            ],
        )
        assert result.success
        assert result.fun * scale == pytest.approx(final.interval_s)

    def test_what_does_not_fit_is_reported(self, system: System, workload: Workload) -> None:
        """One copy of everything takes 243 clusters: more than 100, and said so."""
        small = redesigned(system, {"machine.clusters": 100})
        cost = Manycore(small).cost(workload, Space(workload=workload, system=small).all_analog)
        assert cost.tiles["ima"] == 243


GROWING: dict[str, tuple[int, ...]] = {
    "clusters": (300, 322, 400, 512, 700),
    "ports": (2, 3, 4, 6, 8, 16, 17, 32),
    "l1_bytes": (2**18, 700_000, 2**20, 1_500_000, 2**22, 2**23),
    "link_bytes_per_cycle": (4, 16, 64, 128),
}


class TestMoreNeverHurts:
    """More of a resource allows all that less of it does."""

    @pytest.mark.parametrize("name", GROWING)
    @pytest.mark.parametrize("where", ["all_analog", "all_digital"])
    @pytest.mark.parametrize("network", ["resnet18", "small", "wide"])
    def test_interval(self, system: System, network: str, where: str, name: str) -> None:
        workload = {"wide": convolutional_workload((64, 300, 700), side=16), **networks()}[network]
        mapping = getattr(Space(workload=workload, system=system), where)
        models = [Manycore(redesigned(system, {f"machine.{name}": n})) for n in GROWING[name]]
        plans = [model.plan(workload, mapping) for model in models]
        intervals = [plan.interval_s for plan in plans]
        assert all(
            plan.clusters <= model.machine.clusters
            for plan, model in zip(plans, models, strict=True)
        )
        assert intervals == sorted(intervals, reverse=True)
        if network == "resnet18" and name == "clusters":
            assert intervals[-1] < intervals[0] / 2

    @pytest.mark.parametrize("clusters", [64, 243, 300])
    @pytest.mark.parametrize("name", ["ports", "l1_bytes"])
    def test_interval_of_mixed_mappings(self, system: System, name: str, clusters: int) -> None:
        small = redesigned(system, {"machine.clusters": clusters})
        workload = networks()["resnet18"]
        mapping = Space(workload=workload, system=system).all_analog
        for unit in workload.units[3::4]:
            mapping = mapping.move(unit.name, "cores")
        plans = [
            Manycore(variant(small, "machine", **{name: number})).plan(workload, mapping)
            for number in GROWING[name]
        ]
        intervals = [plan.interval_s for plan in plans if plan.clusters <= clusters]
        assert intervals == sorted(intervals, reverse=True)
        assert len(intervals) == len(plans) or clusters < 300

    def test_trees_that_pay_are_at_least_as_fast_as_the_widest(
        self, system: System, workload: Workload
    ) -> None:
        mapping = Space(workload=workload, system=system).all_analog
        for ports in (2, 4, 8, 16, 32):
            intervals = [
                Manycore(variant(system, "machine", ports=ports, trees=trees))
                .plan(workload, mapping)
                .interval_s
                for trees in ("chosen", "widest")
            ]
            assert intervals[0] <= intervals[1]
            assert (intervals[0] == intervals[1]) == (ports == 2), "two ports leave no choice"

    def test_all_digital_is_close_to_what_all_cores_could_do(
        self, system: System, workload: Workload
    ) -> None:
        """97 us if every core of 512 clusters were busy all the time."""
        model = Manycore(system)
        cost = model.cost(workload, Space(workload=workload, system=system).all_digital)
        at_best = workload.macs / (512 * model.cores.convolution_macs_per_cycle * 1e9)
        assert cost.interval_s is not None
        assert at_best < cost.interval_s < 1.2 * at_best


class TestPipeline:
    def test_stages_and_what_skips_them(self, final: Plan) -> None:
        graph = final.graph
        assert {layer.kind for layer in graph.layers.values()} == {
            "conv2d",
            "max_pool2d",
            "avg_pool2d",
            "add",
            "linear",
        }
        assert graph.sources["layer2.0.add"] == ("layer2.0.conv2", "layer2.0.downsample.0")
        # a shortcut's result waits for two convolutions; the block's input itself does not
        skipping = [layer.name for layer in graph.skipping]
        assert "layer2.0.downsample.0" in skipping
        assert "layer1.1.add" not in skipping
        assert sum(layer.output_count for layer in graph.skipping) == 983_040

    def test_an_image_takes_the_longest_path(self) -> None:
        """conv1 -> conv2 | shortcut -> add -> pool -> fc, on 8 columns, by hand."""
        workload = convolutional_workload()
        graph = Graph.of(workload)
        own = {"conv1": 1.0, "conv2": 2.0, "shortcut": 5.0, "add": 1.0, "pool": 3.0, "fc": 4.0}
        waits, on_path = latencies(graph, own, interval_s=80.0)
        assert on_path == {"conv1", "shortcut", "add", "pool", "fc"}
        # a 3x3 window needs one more column; the pool needs the seven that follow the first
        assert waits == {"conv1": 0, "shortcut": 10.0, "add": 0, "pool": 70.0, "fc": 0}

    def test_latency_is_at_least_what_the_interval_imposes(
        self, system: System, workload: Workload
    ) -> None:
        mapping = Space(workload=workload, system=system).all_analog
        cost = Manycore(system).cost(workload, mapping)
        assert cost.interval_s is not None
        assert cost.latency_s > cost.interval_s

    def test_memory_bounds_the_interval(self, system: System, workload: Workload) -> None:
        """Residuals written and read once, and the image read, at what the memory sustains."""
        _, replicated, final = paper.steps(system, workload)
        machine = Manycore(system).machine
        moved = 2 * 983_040 + 256 * 256 * 3
        expected = moved / (machine.hbm_bytes_per_cycle * machine.clock_hz)
        assert replicated.plan.interval_s == pytest.approx(expected)
        assert replicated.plan.copies == final.plan.copies
        assert replicated.plan.storage_clusters == 0

    def test_pools_run_along_one_axis_after_the_other(self, workload: Workload) -> None:
        pool = workload.layer("maxpool")
        assert separable_pool_operations(pool) == 6 * pool.output_count
        whole = workload.layer("avgpool")
        assert separable_pool_operations(whole) == 64 * whole.output_count  # 63 sums, 1 scaling

    def test_copies_of_digital_layers_take_the_clusters_that_hold_their_weights(
        self, system: System, workload: Workload
    ) -> None:
        plan = Manycore(system).plan(
            workload, Space(workload=workload, system=system).all_digital, copies={}
        )
        # 3 x 3 x 512 x 512 weights of a byte in 1 MiB each
        assert plan.clusters_of("layer4.1.conv2") == 3
        assert plan.clusters_of("layer1.0.conv1") == 1


def test_every_used_target_reports_the_shared_clusters(system: System) -> None:
    workload = convolutional_workload()
    space = Space(workload=workload, system=system)
    model = Manycore(system)
    analog = model.cost(workload, space.all_analog).tiles
    mixed = model.cost(workload, space.all_analog.move("fc", "cores")).tiles
    assert analog["ima"] > 0
    assert analog["cores"] == 0
    assert mixed["ima"] == mixed["cores"] > 0


def test_every_cluster_has_a_tile_on_every_target(system: System) -> None:
    """Otherwise a mapping that needs more clusters than there are would fit."""
    with pytest.raises(
        InputError, match=r"\[targets.cores\]: tiles: got 512; must be 100, the `cl"
    ):
        Manycore(variant(system, "machine", clusters=100))
    [cores, ima] = system.targets
    unlimited = system.model_copy(
        update={"targets": (cores, ima.model_copy(update={"tiles": None}))}
    )
    with pytest.raises(InputError, match=r"\[targets.ima\]: tiles: got None; must be 512"):
        Manycore(unlimited)


def test_workloads_in_turns_cost_what_they_cost_alone(system: System) -> None:
    """What mappings of a workload share is kept; another workload has layers of the same names."""
    workloads = [convolutional_workload(), convolutional_workload((16, 48, 40), side=16)]
    model = Manycore(system)
    for workload in (*workloads, workloads[0]):
        space = Space(workload=workload, system=system)
        for mapping in (space.all_digital, space.all_analog):
            kept = model.cost(workload, mapping)
            alone = Manycore(system).cost(workload, mapping)
            assert kept.to_frame().equals(alone.to_frame())
            assert (kept.interval_s, kept.tiles) == (alone.interval_s, alone.tiles)


class TestEnergyOfMoves:
    """Bytes between clusters, and to and from the memory, have energies beside those of the targets."""

    def energy_j(self, system: System, workload: Workload, **changes: float | str) -> float:
        changed = variant(system, "machine", **changes)
        mapping = Space(workload=workload, system=changed).all_analog
        return Manycore(changed).cost(workload, mapping).energy_j

    def test_of_the_memory(self, system: System, workload: Workload) -> None:
        image = 3 * 256 * 256
        skipping = sum(layer.output_count for layer in Graph.of(workload).skipping)
        for residuals, moved in (("l1", image), ("hbm", image + 2 * skipping)):
            free, dear = (
                self.energy_j(system, workload, residuals=residuals, hbm_j_per_byte=unit)
                for unit in (0.0, 1e-9)
            )
            assert dear - free == pytest.approx(moved * 1e-9)

    def test_of_the_interconnect(self, system: System, workload: Workload) -> None:
        free, dear = (self.energy_j(system, workload, link_j_per_byte=unit) for unit in (0.0, 1e-9))
        moved = sum(layer.output_count for layer in Graph.of(workload).layers.values())
        assert dear - free == pytest.approx(moved * 1e-9)

    def test_a_slow_memory_sets_the_interval(self, system: System, workload: Workload) -> None:
        slow = variant(system, "machine", hbm_bytes_per_cycle=0.0413)
        mapping = Space(workload=workload, system=slow).all_analog
        cost = Manycore(slow).cost(workload, mapping)
        assert cost.interval_s == pytest.approx(3 * 256 * 256 / 0.0413e9)


def test_a_slow_memory_costs_energy() -> None:
    """Static power of the memory and of all clusters for the time that they wait for it."""
    workload = networks()["resnet18"]
    fast, slow = (
        on_many_cores(workload, "energy_j", machine={"hbm_bytes_per_cycle": rate})
        for rate in (4.0, 0.04)
    )
    costs = [problem.cost(problem.all_analog) for problem in (fast, slow)]
    waited_s = costs[1].time_per_inference_s - costs[0].time_per_inference_s
    machine = Manycore(slow.system).machine
    assert machine.static_w == pytest.approx(0.6 + 512 * 1e-3)
    assert waited_s > 4e-3
    assert costs[1].energy_j - costs[0].energy_j == pytest.approx(machine.static_w * waited_s)

"""ALPINE with several cores, listed as targets or counted: latency, pace, energy and placement."""

from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt.cost import Cost, cost_tables
from lionheart_opt.cost_models.alpine import Alpine
from lionheart_opt.cost_models.validation import alpine as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.cost_tables import BoundsInBulk
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.space import Space, random_mapping
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System


@cache
def system_of(name: str) -> System:
    return load_system(name)


def two_cores() -> System:
    return paper.with_cores(system_of("lionheart"), 2)


class TestPipeline:
    """Several cores."""

    def cost(self, **stages: str) -> Cost:
        return Alpine(two_cores()).cost(convolutional_workload(), Mapping.of(stages))

    def test_one_busy_core_is_no_pipeline(self) -> None:
        """The other core only idles, at 126.03 pJ a cycle."""
        workload = convolutional_workload()
        alone = Alpine(system_of("lionheart"))
        mapping = Space(workload=workload, system=alone.system).all_analog
        single, double = alone.cost(workload, mapping), Alpine(two_cores()).cost(workload, mapping)
        assert single.interval_s is None
        assert (
            double.interval_s == pytest.approx(single.latency_s) == pytest.approx(double.latency_s)
        )
        idle_j = 126.03e-12 * 2.3e9 * single.latency_s
        assert double.energy_j == pytest.approx(single.energy_j + idle_j)

    def test_results_come_at_the_pace_of_the_busiest_core(self) -> None:
        cost = self.cost(conv1="core", conv2="core2", shortcut="core2", fc="core2")
        busy_s = {"core": 0.0, "core2": 0.0}
        for layer in cost.layers:
            busy_s[layer.target] += layer.latency_s
        assert cost.interval_s == pytest.approx(max(busy_s.values()))
        assert cost.latency_s == pytest.approx(sum(busy_s.values()))

    def test_branches_on_two_cores_run_side_by_side(self) -> None:
        """`conv2` and `shortcut` both read `relu1`, and `add` waits for the slower one."""
        model = Alpine(variant(two_cores(), "software", handoff_cycles=0.0))
        workload = convolutional_workload()

        def priced(core: str) -> tuple[float, dict[str, float]]:
            stages = {"conv1": "core", "conv2": "core", "shortcut": core, "fc": "core"}
            cost = model.cost(workload, Mapping.of(stages))
            return cost.latency_s, {layer.name: layer.latency_s for layer in cost.layers}

        (in_turn_s, in_turn), (beside_s, beside) = priced("core"), priced("core2")
        hidden = "shortcut" if beside["shortcut"] == 0 else "conv2"
        assert beside[hidden] == 0 < in_turn[hidden]
        moved_s = 2 * (16 + 24) * 64 / 2.3e9 + 1e-12  # bytes of `relu1` and `shortcut`
        assert in_turn_s - in_turn[hidden] <= beside_s <= in_turn_s - in_turn[hidden] + moved_s

    def test_a_core_sends_a_result_once_and_each_core_that_reads_it_fetches_it_once(self) -> None:
        cost = self.cost(conv1="tile", conv2="tile2", shortcut="tile2", fc="core2")
        layers = {layer.name: layer for layer in cost.layers}
        assert [layers[name].target for name in ("relu1", "add", "pool")] == [
            *("core", "core2", "core2")
        ]
        handed = {name for name, layer in layers.items() if "handoff" in layer.components}
        assert handed == {"relu1", "conv2"}  # `shortcut` finds on its core what `conv2` has fetched
        moved_s, active_j, elements = 1 / 2.3e9, 845.39e-12, 16 * 64
        assert layers["relu1"].components["handoff"] == pytest.approx(
            (
                355e3 / 2.3e9 + elements * moved_s,
                355e3 * 638.99e-12 + elements * (active_j + 5.02e-12),
            )
        )
        assert layers["conv2"].components["handoff"] == pytest.approx(
            (elements * moved_s, elements * (active_j + 5.60e-12))
        )

    def test_idle_cores_and_leakage_are_paid_for_the_interval(self) -> None:
        cost = self.cost(conv1="core", conv2="core2", shortcut="core2", fc="core2")
        assert cost.interval_s is not None
        by_component = {
            name: sum(layer.components[name][1] for layer in cost.layers)
            for name in ("llc leakage", "idle cores")
        }
        assert by_component["llc leakage"] == pytest.approx(3.49632 * cost.interval_s)
        idle_s = 2 * cost.interval_s - cost.latency_s
        assert by_component["idle cores"] == pytest.approx(126.03e-12 * 2.3e9 * idle_s)

    def test_all_cores_of_the_machine_idle(self) -> None:
        system = variant(system_of("alpine-high-power-8"), "machine", cores=1024)
        few, many = Alpine(system_of("alpine-high-power-8")), Alpine(system)
        workload = convolutional_workload()
        mapping = Space(workload=workload, system=system).all_analog
        costs = [model.cost(workload, mapping) for model in (few, many)]
        assert costs[0].interval_s == costs[1].interval_s is not None
        idle_j = (1024 - 8) * 126.03e-12 * 2.3e9 * costs[0].interval_s
        assert costs[1].energy_j - costs[0].energy_j == pytest.approx(idle_j)

    def test_there_are_no_tables(self) -> None:
        """The slowest core sets the pace: no sum over units. Callers then price mapping by mapping."""
        model = Alpine(two_cores())
        assert model.tables(convolutional_workload()) is None
        assert cost_tables(model, convolutional_workload()) is None


class TestCountedCores:
    """`cores = N`: the layers are placed."""

    system = variant(system_of("alpine-high-power-8"), "machine", cores=3)

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 10_000))
    def test_it_costs_what_the_same_placement_by_hand_costs(self, seed: int) -> None:
        workload = convolutional_workload()
        mapping = random_mapping(
            Space(workload=workload, system=self.system), np.random.default_rng(seed)
        )
        cost = Alpine(self.system).cost(workload, mapping)
        place = {layer.name: layer.place for layer in cost.layers}
        listed = {
            unit.name: mapping[unit.name] + place[unit.layers[0]].removeprefix("core ").strip("1")
            for unit in workload.units
        }
        by_hand = Alpine(paper.with_cores(system_of("alpine-high-power"), 3))
        same = by_hand.cost(workload, Mapping.of(listed))
        assert cost.interval_s == pytest.approx(same.interval_s)
        assert cost.latency_s == pytest.approx(same.latency_s)
        assert cost.energy_j == pytest.approx(same.energy_j)

    def test_no_runs_of_layers_are_faster(self) -> None:
        """Against all ways to cut the four units into runs; `bound` is below all of them."""
        workload = convolutional_workload()
        mapping = Space(workload=workload, system=self.system).all_digital
        cost = Alpine(self.system).cost(workload, mapping)
        by_hand = Alpine(paper.with_cores(system_of("alpine-high-power"), 3))
        units = [unit.name for unit in workload.units]
        intervals = []
        for cores in combinations_with_replacement(("core", "core2", "core3"), len(units)):
            listed = Mapping.of(dict(zip(units, cores, strict=True)))
            intervals.append(by_hand.cost(workload, listed).interval_s)
        assert cost.interval_s == pytest.approx(min(map(float, intervals)))
        assert cost.interval_bound_s is not None and cost.interval_bound_s <= min(intervals)

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 10_000), llc_bytes=st.sampled_from((100, 3000, 1 << 20)))
    def test_shared_work_bounds_interval_and_energy(self, seed: int, llc_bytes: int) -> None:
        workload = convolutional_workload()
        model = Alpine(variant(self.system, "machine", llc_bytes=llc_bytes))
        shared = model.shared_work(workload)
        assert shared is not None and shared.shares == 3
        assert isinstance(model, BoundsInBulk)
        mapping = random_mapping(
            Space(workload=workload, system=self.system), np.random.default_rng(seed)
        )
        cost = model.cost(workload, mapping)
        work_s, energy_j = shared.tables.cost_batch(shared.tables.encode([mapping]))
        assert cost.interval_s is not None and cost.interval_bound_s is not None
        assert work_s[0] / 3 <= cost.interval_bound_s * (1 + 1e-9)
        assert energy_j[0] <= cost.energy_j * (1 + 1e-9)

    def test_all_analog_uses_the_tiles_of_all_listed_cores(self) -> None:
        from lionheart_opt.tracing import trace_model

        workload = trace_model("resnet20")
        system = paper.with_cores(system_of("alpine-high-power"), 3)
        space = Space(workload=workload, system=system)
        targets = list(dict.fromkeys(space.all_analog.values()))
        assert targets == ["tile", "tile2", "tile3"]
        runs = [targets.index(target) for target in space.all_analog.values()]
        assert runs == sorted(runs)
        model = Alpine(system)
        first = Mapping.of(dict.fromkeys(space.all_analog, "tile"))
        intervals = [model.cost(workload, each).interval_s for each in (space.all_analog, first)]
        assert intervals[0] is not None and intervals[1] is not None
        assert intervals[0] < 0.7 * intervals[1]
        other = variant(system, "tile2", mvm_latency_s=1.0)
        assert "tile2" not in Space(workload=workload, system=other).all_analog.values()

    def test_listed_cores_share_no_work(self) -> None:
        assert Alpine(two_cores()).shared_work(convolutional_workload()) is None

    def test_more_cores_are_never_slower(self) -> None:
        from lionheart_opt.tracing import trace_model

        workload = trace_model("mobilenet")
        intervals = []
        for cores in (1, 2, 3, 5, 8, 64):
            system = variant(self.system, "machine", cores=cores)
            space = Space(workload=workload, system=system)
            cost = Alpine(system).cost(workload, space.all_analog)
            intervals.append(cost.time_per_inference_s)
            assert (cost.interval_bound_s or 0.0) <= cost.time_per_inference_s
        assert intervals == sorted(intervals, reverse=True)
        assert intervals[0] > 4 * intervals[-2]

    def test_all_analog_uses_the_tiles_of_several_cores(self) -> None:
        """As many as pay for the hand-over: all three where it is free, one where it takes a second."""
        workload = convolutional_workload()
        for handoff_cycles, count in ((0.0, 3), (2.3e9, 1)):
            system = variant(self.system, "software", handoff_cycles=handoff_cycles)
            mapping = Space(workload=workload, system=system).all_analog
            cost = Alpine(system).cost(workload, mapping)
            assert len({layer.place for layer in cost.layers if layer.target == "tile"}) == count

    def test_cores_are_counted_or_listed(self) -> None:
        listed = paper.with_cores(self.system, 2)
        with pytest.raises(InputError, match=r"cores: got 3, and 2 digital targets"):
            Alpine(listed)

    def test_tiles_of_counted_cores_have_no_limit(self) -> None:
        targets = tuple(
            target.model_copy(update={"tiles": 3}) if target.name == "tile" else target
            for target in self.system.targets
        )
        with pytest.raises(InputError, match=r"cores: got 3, and target 'tile' has 3 tiles"):
            Alpine(self.system.model_copy(update={"targets": targets}))

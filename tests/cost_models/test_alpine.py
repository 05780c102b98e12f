"""The model of ALPINE and LionHeart: what it promises for any network and system of the family."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt.cost import LayerCost
from lionheart_opt.cost_models.alpine import Alpine
from lionheart_opt.cost_models.parts.alpine_parameters import SoftwareParameters
from lionheart_opt.cost_models.validation.alpine_networks import lstm, perceptron
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.problem import Problem
from lionheart_opt.space import Space, random_mapping
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import Link, System
from lionheart_opt.testing import CostModelContract, tiny_problem
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload

SYSTEMS = ("lionheart", "alpine-high-power", "alpine-low-power")


@cache
def system_of(name: str) -> System:
    return load_system(name)


def loosely_coupled() -> System:
    """LionHeart's system with its tiles behind a bus."""
    link = Link(
        source="made up",
        between=("core", "tile"),
        parameters={"latency_s": 1e-6, "bytes_per_s": 1e9},
    )
    return system_of("lionheart").model_copy(update={"links": (link,)})


def one_layer(layer: Layer) -> Workload:
    units = (Unit(name="unit", layers=(layer.name,)),) if layer.weight_count else ()
    return Workload(name="one layer", layers=(layer,), units=units)


def convolution(inside: int, outside: int, kernel: int, side: int) -> Layer:
    mvm = Mvm(rows=inside * kernel**2, columns=outside, count=side**2)
    return Layer(
        name="conv",
        kind="conv2d",
        module="conv",
        inputs=(INPUT,),
        input_shapes=((1, inside, side, side),),
        output_shape=(1, outside, side, side),
        macs=mvm.rows * mvm.columns * mvm.count,
        weight_count=mvm.rows * mvm.columns,
        mvm=mvm,
        kernel=(kernel, kernel),
        stride=(1, 1),
    )


def plain(kind: str, **fields: object) -> Layer:
    """A layer without weights on an 8x8 map of 16 channels."""
    shape = (1, 16, 8, 8)
    return Layer(
        name="layer",
        kind=kind,
        module="",
        inputs=(INPUT,),
        input_shapes=(shape,),
        output_shape=shape,
        **fields,  # type: ignore[arg-type]
    )


def priced(layer: Layer, target: str, system: System) -> LayerCost:
    workload = one_layer(layer)
    mapping = Mapping.of({unit.name: target for unit in workload.units})
    [cost] = Alpine(system).cost(workload, mapping).layers
    return cost


class TestLooselyCoupled(CostModelContract):
    """A system with links, which no shipped file has, keeps the contract too."""

    @pytest.fixture
    def system(self) -> System:
        return loosely_coupled()


class TestCore:
    """Operators on a core."""

    @settings(max_examples=50, deadline=None)
    @given(
        sizes=st.tuples(*[st.integers(1, 80)] * 2, st.integers(1, 3), st.integers(1, 12)),
        axis=st.integers(0, 3),
        target=st.sampled_from(("core", "tile")),
        name=st.sampled_from(SYSTEMS),
    )
    def test_larger_layers_cost_more(
        self, sizes: tuple[int, ...], axis: int, target: str, name: str
    ) -> None:
        larger = [size + (k == axis) * size for k, size in enumerate(sizes)]
        before = priced(convolution(*sizes), target, system_of(name))
        after = priced(convolution(*larger), target, system_of(name))
        assert after.latency_s > before.latency_s
        assert after.energy_j > before.energy_j

    def test_weights_beyond_the_cache_wait_for_memory(self) -> None:
        system = system_of("lionheart")
        fits, exceeds = convolution(64, 64, 3, 4), convolution(512, 512, 3, 4)
        assert priced(fits, "core", system).components["memory"][0] == 0
        waiting_s, _ = priced(exceeds, "core", system).components["memory"]
        # all weights for each of 16 pixels
        stall_s = system.software_as(SoftwareParameters).dram_stall_s_per_byte + 1 / 19.2e9
        assert waiting_s == pytest.approx(16 * 2359296 * stall_s)

    def test_weights_that_steps_share_fill_the_cache_once(self) -> None:
        """Ten steps of an LSTM with 364 kB of weights find them all in 1 MB."""
        model = Alpine(system_of("alpine-high-power"))
        mapping = Mapping.of({"cell.1": "core", "dense": "core"})
        cost = model.cost(lstm(256), mapping)
        assert all(layer.components["memory"][0] == 0 for layer in cost.layers)

    @pytest.mark.parametrize(
        "kind", ["relu", "gelu", "add", "mul", "softmax", "layer_norm", "mean", "cat", "embedding"]
    )
    def test_no_operator_is_free(self, kind: str) -> None:
        cost = priced(plain(kind), "core", system_of("lionheart"))
        assert cost.components["compute"][0] > 0
        assert cost.components["llc access"][1] > 0

    def test_only_a_batch_norm_behind_a_single_reader_is_folded(self) -> None:
        norm = replace(plain("batch_norm"), name="norm", inputs=("conv",))
        relu = replace(plain("relu"), name="relu", inputs=("norm",))
        also = replace(plain("relu"), name="also", inputs=("conv",))
        conv = convolution(16, 16, 3, 8)
        model, mapping = Alpine(system_of("lionheart")), Mapping.of({"unit": "tile"})
        units = (Unit(name="unit", layers=("conv",)),)

        def cost_of_norm(*layers: Layer) -> float:
            workload = Workload(name="norms", layers=layers, units=units)
            costs = {layer.name: layer for layer in model.cost(workload, mapping).layers}
            assert costs["relu"].latency_s > 0
            return costs["norm"].latency_s

        assert cost_of_norm(conv, norm, relu) == 0
        assert cost_of_norm(conv, also, norm, relu) > 0
        assert cost_of_norm(conv, also, replace(norm, inputs=("also",)), relu) > 0

    def test_an_unknown_operator_is_named_with_its_layer(self) -> None:
        with pytest.raises(InputError, match=r"'layer': unknown operator 'sofmax' \(did you mean"):
            priced(plain("sofmax"), "core", system_of("lionheart"))

    @pytest.mark.parametrize("make", ["transformer", "lstm", "mobilenet_v2"])
    def test_every_operator_of_a_traced_network_has_a_price(self, make: str) -> None:
        import torch

        from lionheart_opt.tracing import trace, trace_model

        if make == "mobilenet_v2":
            workload = trace_model(make)
        elif make == "lstm":
            workload = trace(torch.nn.LSTM(8, 16, batch_first=True), torch.zeros(1, 5, 8), make)
        else:
            model = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
            workload = trace(model, torch.zeros(1, 6, 16), make)
        model = Alpine(system_of("lionheart"))
        space = Space(workload=workload, system=model.system)
        for mapping in (space.all_digital, space.all_analog):
            for layer in model.cost(workload, mapping).layers:
                # attention's scales of queries and keys are part of their product
                is_folded = layer.kind == "batch_norm" or layer.name in (
                    "self_attn.mul",
                    "self_attn.mul_2",
                )
                assert (layer.latency_s > 0) != is_folded, layer.name


class TestTiles:
    """Splitting and counting."""

    def test_resnet20_occupies_35_tiles_and_one(self) -> None:
        """Rounded up by rows and columns its convolutions take 35, not the printed 32 (II-C)."""
        from lionheart_opt.tracing import trace_model

        workload = trace_model("resnet20")
        model = Alpine(system_of("lionheart"))
        space = Space(workload=workload, system=model.system)
        assert model.cost(workload, space.all_analog).tiles == {"tile": 36}
        assert model.cost(workload, space.all_digital).tiles == {"tile": 0}

    def test_a_split_matrix_is_queued_again_and_added_up(self) -> None:
        system = system_of("lionheart")
        whole, split = convolution(16, 256, 4, 2), convolution(32, 512, 4, 2)
        unsplit, cut = (priced(layer, "tile", system).components for layer in (whole, split))
        for component in ("queue", "mvm", "dequeue"):
            assert cut[component][0] == pytest.approx(4 * unsplit[component][0])
        assert unsplit["partial sums"][0] == 0 < cut["partial sums"][0]

    def test_what_a_stride_leaves_out_is_not_converted(self) -> None:
        dense = convolution(16, 16, 1, 8)
        mvm = Mvm(rows=16, columns=16, count=16)
        strided = replace(dense, output_shape=(1, 16, 4, 4), macs=16**3, mvm=mvm, stride=(2, 2))
        before, after = (
            priced(layer, "tile", system_of("lionheart")).components["convert"][0]
            for layer in (dense, strided)
        )
        assert after == pytest.approx(before / 4)

    def test_a_finite_number_of_tiles_is_a_constraint(self) -> None:
        system = system_of("lionheart")
        targets = tuple(
            target.model_copy(update={"tiles": 3}) if target.name == "tile" else target
            for target in system.targets
        )
        system = system.model_copy(update={"targets": targets})
        problem = Problem(
            workload=convolutional_workload((64, 64, 40)),  # 576 rows: three tiles
            system=system,
            cost_model=Alpine(system),
            oracle=tiny_problem().oracle,
            objectives=("latency_s",),
            accuracy_limit=AccuracyLimit(max_drop=0.1, time_s=1.0),
        )
        all_analog = problem.cost(problem.all_analog)
        assert all_analog.tiles == {"tile": 1 + 3 + 3 + 1}
        assert problem.cost_violations(all_analog)["tiles_tile"] == 5
        fits = problem.mapping({"conv1": "tile", "fc": "tile"})
        assert problem.cost_violations(problem.cost(fits))["tiles_tile"] <= 0

    def test_a_unit_that_no_crossbar_runs_is_refused(self) -> None:
        depthwise = replace(convolution(16, 16, 3, 8), kind="depthwise_conv2d", mvm=None)
        with pytest.raises(
            InputError, match=r"'tile' cannot run layer 'conv' \(depthwise_conv2d\)"
        ):
            priced(depthwise, "tile", system_of("lionheart"))


class TestCrossings:
    """Moving between targets."""

    def test_a_link_takes_time_and_energy(self) -> None:
        workload = convolutional_workload()
        tight, loose = Alpine(system_of("lionheart")), Alpine(loosely_coupled())
        space = Space(workload=workload, system=tight.system)
        assert loose.cost(workload, space.all_digital) == tight.cost(workload, space.all_digital)
        before = tight.cost(workload, space.all_analog)
        after = loose.cost(workload, space.all_analog)
        extra = {
            tight.name: loose.latency_s - tight.latency_s
            for tight, loose in zip(before.layers, after.layers, strict=True)
        }
        assert extra["conv1"] == pytest.approx(1e-6 + 3 * 64 * 1e-9)
        assert extra["relu1"] == pytest.approx(1e-6 + 16 * 64 * 1e-9)
        assert extra["add"] == pytest.approx(2 * (1e-6 + 24 * 64 * 1e-9))
        assert extra["pool"] == 0
        assert after.energy_j > before.energy_j

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 10_000), is_linked=st.booleans())
    def test_tables_give_the_cost(self, seed: int, is_linked: bool) -> None:
        """With links also between units that read each other directly."""
        model = Alpine(loosely_coupled() if is_linked else system_of("lionheart"))
        workload = perceptron(2)
        direct = tuple(
            replace(layer, inputs=tuple(name.removesuffix(".relu") for name in layer.inputs))
            for layer in workload.layers
        )
        workload = replace(workload, layers=direct)
        rng = np.random.default_rng(seed)
        mapping = random_mapping(Space(workload=workload, system=model.system), rng)
        tables = model.tables(workload)
        assert (len(tables.pairs) > 0) == is_linked
        latency_s, energy_j = tables.cost_batch(tables.encode([mapping]))
        cost = model.cost(workload, mapping)
        assert latency_s[0] == pytest.approx(cost.latency_s, rel=1e-12)
        assert energy_j[0] == pytest.approx(cost.energy_j, rel=1e-12)
        shuffled = Mapping(tuple(reversed(mapping.assignments)))
        assert model.cost(workload, shuffled) == cost


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cores": 0}, r"\[machine\]: cores: got 0"),
        ({"cores": 1025}, r"\[machine\]: cores: got 1025"),
        ({"frequency_hz": -1.0}, r"\[machine\]: frequency_hz: got -1.0"),
        ({"frequency_hz": "fast"}, r"\[machine\]: frequency_hz: got 'fast'"),
    ],
)
def test_wrong_numbers_are_named(change: dict[str, float | str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Alpine(variant(system_of("alpine-high-power-8"), "machine", **change))


def test_a_tile_needs_a_core_that_exists() -> None:
    with pytest.raises(
        InputError, match=r"\[targets.tile\]: unknown core 'cor' \(did you mean 'core'"
    ):
        Alpine(variant(system_of("lionheart"), "tile", core="cor"))


@pytest.mark.parametrize("block", ["machine", "core", "tile"])
def test_unknown_keys_are_refused(block: str) -> None:
    system = system_of("lionheart")
    owner = system.machine if block == "machine" else system.target(block)
    assert owner is not None
    changed = owner.model_copy(update={"parameters": {**owner.parameters, "rowz": 1}})
    update = {"machine": changed}
    if block != "machine":
        targets = tuple(changed if target is owner else target for target in system.targets)
        update = {"targets": targets}
    with pytest.raises(InputError, match="unknown key 'rowz'"):
        Alpine(system.model_copy(update=update))

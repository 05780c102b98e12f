"""A fabric of cores with digital units: what a layer takes, by hand, and how many cores it needs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from small_networks import IMAGE, convolution, network, operator

from lionheart_opt.cost_models.fabric import Fabric
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.area import area_m2
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.system import Link, OperatorPrice
from lionheart_opt.workload import Layer, Mvm, Workload

CHIP = load_system("hermes-64")
MODEL = Fabric(CHIP)
CORES = MODEL.cores
CYCLE_S = 1 / 400e6
SLICES_W = 8 * MODEL.digital.slice_w


def product(rows: int, columns: int, count: int = 1) -> Layer:
    return Layer(
        name="fc",
        kind="linear",
        module="fc",
        inputs=("input",),
        input_shapes=((1, count, rows),),
        output_shape=(1, count, columns),
        macs=rows * columns * count,
        weight_count=rows * columns,
        mvm=Mvm(rows=rows, columns=columns, count=count),
    )


def on_cores(workload: Workload, model: Fabric = MODEL) -> dict[str, tuple[float, float]]:
    """Layer -> time in s and energy in J, with all units on the cores."""
    mapping = Mapping.of({unit.name: "cores" for unit in workload.units})
    cost = model.cost(workload, mapping)
    return {layer.name: (layer.latency_s, layer.energy_j) for layer in cost.layers}


def test_a_product_by_hand() -> None:
    """600 x 300: three blocks of rows and two of columns, 150 results from each core, 7 vectors."""
    [(time_s, energy_j)] = on_cores(network(product(600, 300, 7))).values()
    vector_s = 520e-9 + 150 * CYCLE_S + 3 * CORES.hop_s
    assert time_s == pytest.approx(7 * vector_s)
    assert energy_j == pytest.approx(7 * 6 * (52.8e-9 + CORES.beside_w * vector_s))


@pytest.mark.parametrize(
    ("rows", "columns", "cores"),
    [(1, 1, 1), (256, 256, 1), (257, 256, 2), (256, 257, 2), (2016, 224, 8), (1008, 2016, 32)],
)
def test_the_cores_that_a_matrix_needs(rows: int, columns: int, cores: int) -> None:
    workload = network(product(rows, columns))
    cost = MODEL.cost(workload, Mapping.of({"fc": "cores"})).within(CHIP)
    assert cost.tiles == {"cores": cores} and cost.fits
    assert MODEL.tables(workload).tiles.tolist() == [[0, cores]]
    assert MODEL.cost(workload, Mapping.of({"fc": "digital"})).tiles == {"cores": 0}


def test_more_than_64_cores_do_not_fit() -> None:
    cost = MODEL.cost(network(product(2304, 2048)), Mapping.of({"fc": "cores"})).within(CHIP)
    assert cost.misfit == "72 of 64 crossbars on 'cores': does not fit"


def test_a_fabric_of_other_arrays_has_as_many_tiles_as_its_paper_says() -> None:
    """ResNet-32 for CIFAR-10 takes 43 tiles of 512x512 (Benmeziane et al., EDGE 2023, Table IV)."""
    stages = [(1, 27, 16), (10, 144, 16), (1, 144, 32), (9, 288, 32), (1, 288, 64), (9, 576, 64)]
    matrices = [*stages, (1, 16, 32), (1, 32, 64), (1, 64, 10)]  # shortcuts and classifier
    assert sum(count * rows * columns for count, rows, columns in matrices) == 464_432
    cores = Fabric(variant(CHIP, "cores", rows=512, columns=512)).cores
    tiles = [
        count * math.prod(cores.blocks(Mvm(rows=rows, columns=columns, count=1)))
        for count, rows, columns in matrices
    ]
    assert sum(tiles) == 43


def test_the_tile_of_analognas_alone_explains_neither_its_time_nor_its_energy() -> None:
    """Layers of ResNet-32 one after the other, each product on whole arrays: published are less."""
    matrices = [
        *[(1, 27, 16, 1024), (10, 144, 16, 1024), (1, 144, 32, 256), (9, 288, 32, 256)],
        *[(1, 288, 64, 64), (9, 576, 64, 64)],
        *[(1, 16, 32, 256), (1, 32, 64, 64), (1, 64, 10, 1)],  # shortcuts and classifier
    ]
    numbers = {"mvm_latency_s": 40e-9, "mvm_energy_j": 5.24e-9, "beside_w": 1e-30}
    model = Fabric(variant(CHIP, "cores", rows=512, columns=512, **numbers))
    time_s = energy_j = 0.0
    for count, *sizes in matrices:
        [layer] = model.cost(network(product(*sizes)), Mapping.of({"fc": "cores"})).layers
        mvm_s, mvm_j = layer.components["mvm"]
        time_s += count * mvm_s
        energy_j += count * mvm_j
    assert time_s == pytest.approx(0.591e-3, rel=1e-3) and time_s > 0.434e-3
    assert energy_j == pytest.approx(80.5e-6, rel=1e-3) and energy_j > 3 * 22.7e-6


def test_functions_of_results_that_pass_by_take_no_time() -> None:
    """Activations, and sums with other maps. A map that passes nowhere takes an operation an element."""
    workload = network(
        convolution("conv"),
        operator("gate", "sigmoid", "conv"),
        operator("sum", "add", "gate", "input"),
        operator("apart", "add", "input", "input"),
    )
    costs = on_cores(workload)
    assert costs["gate"] == costs["sum"] == (0.0, 0.0)
    operations = math.prod(IMAGE)
    energy_j = operations / 8 * CYCLE_S * SLICES_W
    assert costs["apart"] == (pytest.approx(operations / 8 * CYCLE_S), pytest.approx(energy_j))


def test_slices_that_are_slower_than_the_cores_hold_them_up() -> None:
    """16 cores put out 4096 results in 256 cycles; 8 slices need 512 for their functions."""
    fast = network(product(256, 2048), operator("f", "tanh", "fc", output_shape=(1, 1, 2048)))
    assert on_cores(fast)["f"] == (0.0, 0.0)
    slow = network(product(256, 4096), operator("f", "tanh", "fc", output_shape=(1, 1, 4096)))
    time_s, energy_j = on_cores(slow)["f"]
    assert time_s == pytest.approx(256 * CYCLE_S)
    assert energy_j == pytest.approx(256 * CYCLE_S * SLICES_W)


def test_a_price_of_the_file_counts_before_passing_by() -> None:
    price = OperatorPrice(simple=3, transcendental=0, source="made up")
    model = Fabric(CHIP.model_copy(update={"operators": {"tanh": price}}))
    workload = network(convolution("conv"), operator("f", "tanh", "conv"))
    assert on_cores(workload)["f"] == (0.0, 0.0)
    assert on_cores(workload, model)["f"][0] == pytest.approx(3 * 144 / 8 * CYCLE_S)


def test_products_on_the_host_are_an_operation_each() -> None:
    workload = network(product(100, 10))
    cost = MODEL.cost(workload, Mapping.of({"fc": "digital"}))
    assert cost.latency_s == pytest.approx(1000 / 8 * CYCLE_S)
    assert cost.energy_j == pytest.approx(1000 / 8 * CYCLE_S * SLICES_W)


def test_the_area_is_that_of_the_chip() -> None:
    assert area_m2(CHIP, {"cores": 3}) == pytest.approx(144e-6)


def test_ceilings_are_those_of_all_cores() -> None:
    """63.1 TOPS in one phase, 16.1 in four (Table I)."""
    host, cores = MODEL.ceilings()
    assert (host.target, host.ops_per_s) == ("digital", 2 * 8 * 400e6)
    assert cores.ops_per_s == pytest.approx(16.1e12, rel=0.01)
    [_, fast] = Fabric(variant(CHIP, "cores", mvm_latency_s=133e-9)).ceilings()
    assert fast.ops_per_s == pytest.approx(63.1e12, rel=0.01)
    cores_target = CHIP.target("cores").model_copy(update={"tiles": None})
    unlimited = CHIP.model_copy(update={"targets": (CHIP.target("digital"), cores_target)})
    assert Fabric(unlimited).ceilings()[1].ops_per_s is None


def test_what_the_family_does_not_read_is_refused() -> None:
    link = Link(source="made up", between=("digital", "cores"))
    more = CHIP.target("cores").model_copy(update={"name": "others"})
    for changed, said in (
        ({"links": (link,)}, "prices no links"),
        ({"targets": (*CHIP.targets, more)}, "has the host and one analog target"),
    ):
        with pytest.raises(InputError, match=said) as error:
            Fabric(CHIP.model_copy(update=changed))
        assert "\n" not in str(error.value)


def test_an_operator_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="layer 'x': unknown operator 'no_such_kind'"):
        MODEL.cost(network(operator("x", "no_such_kind")), Mapping.of({}))
    with pytest.raises(InputError, match="cannot run layer 'fc'"):
        MODEL.cost(network(replace(product(4, 4), mvm=None)), Mapping.of({"fc": "cores"}))


def branched() -> Workload:
    """Two branches, of which one is longer, and their sum."""
    return network(
        convolution("long"),
        convolution("longer", "long"),
        convolution("short"),
        operator("sum", "add", "longer", "short"),
    )


def test_branches_at_once_take_as_long_as_the_longest() -> None:
    workload = branched()
    mapping = Mapping.of(dict.fromkeys(("long", "longer", "short"), "cores"))
    in_turn = MODEL.cost(workload, mapping)
    model = Fabric(variant(CHIP, "machine", branches="at once"))
    at_once = model.cost(workload, mapping)
    times_s = {layer.name: layer.latency_s for layer in in_turn.layers}
    assert at_once.latency_s == pytest.approx(times_s["long"] + times_s["longer"] + times_s["sum"])
    assert at_once.energy_j == pytest.approx(in_turn.energy_j)
    [short] = [layer for layer in at_once.layers if layer.name == "short"]
    assert short.latency_s == 0.0 and short.aside_s == pytest.approx(times_s["short"])
    assert model.tables(workload) is None and MODEL.tables(workload) is not None


def test_there_is_one_host_for_all_branches() -> None:
    workload = branched()
    mapping = Mapping.of(dict.fromkeys(("long", "longer", "short"), "digital"))
    model = Fabric(variant(CHIP, "machine", branches="at once"))
    in_turn = MODEL.cost(workload, mapping)
    assert model.cost(workload, mapping).latency_s == pytest.approx(in_turn.latency_s)


def test_columns_that_are_not_in_use_may_take_no_energy() -> None:
    """A matrix of 300x20 takes two arrays of 256 columns."""
    workload, mapping = network(product(300, 20)), Mapping.of({"fc": "cores"})
    whole, filled = (
        Fabric(variant(CHIP, "cores", energy_of=energy_of)).cost(workload, mapping).energy_j
        for energy_of in ("array", "columns")
    )
    assert whole - filled == pytest.approx(2 * MODEL.cores.mvm_energy_j * (1 - 20 / 256))


def test_layers_that_overlap_save_a_share_of_the_time_of_products() -> None:
    workload, mapping = network(product(100, 10)), Mapping.of({"fc": "cores"})
    half = Fabric(variant(CHIP, "cores", overlap=0.5)).cost(workload, mapping)
    all_of_it = MODEL.cost(workload, mapping)
    saved_s = all_of_it.latency_s - half.latency_s
    assert saved_s == pytest.approx(0.5 * MODEL.cores.mvm_latency_s)
    assert half.energy_j == pytest.approx(all_of_it.energy_j)

"""Networks of all kinds: what is traced, what is priced and what is on tiles is the same."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest
import torch
from aihwkit.simulator.parameters.enums import WeightClipType
from oracle_setup import quiet
from torch import Tensor, nn
from traced import check_consistency, counted_macs
from weight_uses import networks

from lionheart_opt.granularity import with_units
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.uses import unfused
from lionheart_opt.tracing import trace
from lionheart_opt.workload import Workload

NAMES = list(networks())
ENGINES = ["fast", "aihwkit"]
#: Products with weights that the host computes: the same weights are on tiles the other way round.
ON_THE_HOST = {"autoencoder": ["linear"]}


def case(name: str) -> tuple[nn.Module, Tensor, Workload]:
    network, inputs = networks()[name]
    return network, inputs, trace(network, inputs[:1], name)


def test_there_are_many() -> None:
    assert len(NAMES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_macs_are_those_that_torch_counts(name: str) -> None:
    network, inputs, workload = case(name)
    if name != "some rows":  # tiles read the whole matrix
        check_consistency(workload)
    assert workload.macs == counted_macs(network, inputs[:1])


@pytest.mark.parametrize("name", NAMES)
def test_all_products_with_weights_can_be_analog(name: str) -> None:
    """The others are products of two activations."""
    _, _, workload = case(name)
    analog = {layer for unit in workload.crossbar_units for layer in unit.layers}
    others = [layer for layer in workload.layers if layer.macs and layer.name not in analog]
    weighted = [layer.name for layer in others if layer.weight_count]
    assert weighted == ON_THE_HOST.get(name, [])
    assert {layer.kind for layer in others} <= {"matmul", "linear"}


@pytest.mark.parametrize("name", NAMES)
def test_tiles_are_those_that_are_priced(name: str) -> None:
    """The matrix of a layer has the rows and columns of the crossbar's view, in as many tiles."""
    network, _, workload = case(name)
    config = lionheart()
    config.mapping.max_input_size, config.mapping.max_output_size = 4, 3
    paths = [path for unit in workload.crossbar_units for path in workload.paths_of(unit)]
    analog = engine("fast").analog(network, paths, config)
    for layer in workload.layers:
        if layer.mvm is not None and layer.module in paths:
            matrix = analog.analog[layer.module]
            assert matrix.value().shape == (layer.mvm.columns, layer.mvm.rows)
            n_tiles = ceil(layer.mvm.rows / 4) * ceil(layer.mvm.columns / 3)
            assert len(list(matrix.tiling.blocks())) == n_tiles


@pytest.mark.parametrize("name", NAMES)
def test_units_of_any_size_hold_the_same_matrices(name: str) -> None:
    _, _, workload = case(name)
    layers = with_units(workload, "layers")
    assert sorted(path for unit in layers.units for path in layers.paths_of(unit)) == sorted(
        path for unit in workload.units for path in workload.paths_of(unit)
    )
    assert sum(map(layers.unit_macs, layers.units)) == sum(map(workload.unit_macs, workload.units))
    assert layers.weight_count == workload.weight_count


GROUPED = [name for name in NAMES if name in ("grouped", "resnext", "grouped conv1d")]


def grouped_path(workload: Workload) -> str:
    return next(layer.module for layer in workload.layers if layer.kind.startswith("grouped"))


def on_tiles(analog: Any, path: str) -> Tensor:
    """All weights on the tiles of a matrix, in units of the largest conductance."""
    matrix = analog.analog[path]
    if hasattr(matrix, "weight"):
        weight: Tensor = matrix.weight.detach()
        return weight.clone()
    with torch.no_grad():
        value: Tensor = matrix.value()
    return value


@pytest.mark.parametrize("clip", [WeightClipType.FIXED_VALUE, WeightClipType.LAYER_GAUSSIAN])
@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("name", GROUPED)
def test_zeros_between_groups_stay_zeros(name: str, engine_name: Any, clip: Any) -> None:
    """Their devices are noisy, but training leaves their weights at zero."""
    network, inputs, workload = case(name)
    path, config = grouped_path(workload), lionheart()
    config.clip.type, config.clip.sigma = clip, 1.5
    config.clip.fixed_value = 1.0
    config.mapping.max_input_size, config.mapping.max_output_size = 5, 3
    analog = engine(engine_name).analog(network, [path], config).train()
    before = on_tiles(analog, path)
    optimizer = torch.optim.Adam(analog.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        analog.backward(analog(inputs).square().mean())
        optimizer.step()
        analog.after_step()
    after = on_tiles(analog, path)
    assert torch.equal(after != 0, before != 0) and not torch.allclose(after, before)
    assert float((before == 0).double().mean()) > 0.4


@pytest.mark.parametrize("engine_name", ENGINES)
def test_the_spread_that_clips_is_that_of_the_groups(engine_name: Any) -> None:
    """With all the zeros it would be too small."""
    layer = nn.Conv2d(16, 16, 1, groups=8, bias=False)
    config = quiet()
    config.clip.type, config.clip.sigma, config.clip.fixed_value = (
        WeightClipType.LAYER_GAUSSIAN,
        2.0,
        -1.0,
    )
    config.mapping.learn_out_scaling = False
    analog = engine(engine_name).analog(nn.Sequential(layer), ["0"], config).train()
    scales = analog.weights()["0.weight"].abs().amax((1, 2, 3))
    values = (layer.weight.detach() / scales.view(-1, 1, 1, 1)).flatten()
    analog.after_step()
    expected = values.clamp(-2 * values.std(), 2 * values.std()).view(16, 2)
    after = analog.weights()["0.weight"].flatten(1)
    after = after / after.abs().amax(1, keepdim=True)
    expected = expected / expected.abs().amax(1, keepdim=True)
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("name", ["resnext", "u-net", "transposed conv1d", "heads", "experts"])
def test_matrix_forms_on_an_int8_host(name: str, engine_name: Any) -> None:
    """On tiles they are analog, and ideal ones compute in int8 as the host does; both are counted."""
    network, inputs, workload = case(name)
    digital = Digital(host="int8", inputs=inputs)
    paths = [path for unit in workload.crossbar_units for path in workload.paths_of(unit)]
    with torch.no_grad(), unfused():
        expected = engine("fast").analog(network, [], {}, digital).eval()(inputs)
        analog = engine(engine_name).analog(network, paths, quiet(), digital).eval()
        analog.program(dict.fromkeys(paths, 1))
        analog.drift(60.0, dict.fromkeys(paths, 2))
        analog.set_ideal(paths)
        torch.testing.assert_close(analog(inputs), expected, rtol=1e-4, atol=1e-5)
        analog.set_ideal([])
        analog.rewind(0, len(inputs))
        assert (analog(inputs) - expected).abs().max() > 1e-3
        assert all(analog.analog[path].uses == 1 for path in paths)
        for path in paths:
            analog.set_ideal([other for other in paths if other != path])
            assert not torch.equal(analog(inputs), expected), f"{path} is not on tiles"
            analog.rewind(0, len(inputs))
            analog(inputs)
            assert all(matrix.uses == 1 for matrix in analog.analog.values())

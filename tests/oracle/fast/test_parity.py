"""Without noise the fast engine computes what aihwkit computes: outputs, gradients, steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from aihwkit.simulator.parameters.enums import WeightClipType, WeightModifierType, WeightRemapType
from fast_setup import PATH, both, configurations, layers, outputs, programmed, silent
from hypothesis import HealthCheck, assume, given, settings
from torch import nn

from lionheart_opt.oracle.fast import matrix as fast_matrix
from lionheart_opt.oracle.rpu import lionheart

FEW = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=["kernels", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the fast engine computes: numba kernels, or plain torch operations as on other devices."""
    if request.param == "torch":
        monkeypatch.setattr(fast_matrix, "numba_works", lambda: False)
    return str(request.param)


def assert_close(ours: torch.Tensor, reference: torch.Tensor, what: str = "") -> None:
    """Equal up to the order in which sums are added up."""
    atol = 2e-5 * float(reference.detach().abs().max()) + 1e-7
    torch.testing.assert_close(ours, reference, rtol=1e-4, atol=atol, msg=lambda m: f"{what}: {m}")


def reference_gradients(network: Any) -> dict[str, torch.Tensor]:
    """Gradients of aihwkit's tiles, put together as the fast engine's parameters are."""
    module = network.analog[PATH]
    array = getattr(module.layer.analog_module, "array", None)
    grid = array if array is not None else [[module.layer.analog_module]]
    gradients = {
        "weight": torch.cat([torch.cat([t.tile.weight.grad for t in row]) for row in grid], dim=1),
        "out_scaling": torch.stack(
            [torch.cat([t.out_scaling_alpha.grad for t in r]) for r in grid]
        ),
    }
    if isinstance(grid[0][0].input_range, nn.Parameter):
        ranges = [torch.cat([tile.input_range.grad for tile in row]) for row in grid]
        gradients["ranges.values"] = torch.stack(ranges)
    return gradients


def compare_training(layer: nn.Module, x: torch.Tensor, config: Any) -> None:
    """A forward and a backward pass in training mode, a step, and the weights after it."""
    assume(bool(x.any()))  # aihwkit gives no gradient at all for a batch of zeros
    reference, fast = both(layer, config)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    ys = [network.train()(x) for network, x in zip((reference, fast), inputs, strict=True)]
    assert ys[1].shape == ys[0].shape
    assert_close(ys[1], ys[0], "outputs")
    slopes = torch.randn(ys[0].shape, generator=torch.Generator().manual_seed(1))
    for y in ys:
        y.backward(slopes)
    assert_close(inputs[1].grad, inputs[0].grad, "input gradients")
    ours = dict(fast.analog[PATH].named_parameters())
    if layer.bias is not None:
        biases = [network.network.get_parameter("0.bias").grad for network in (fast, reference)]
        assert_close(*biases, "gradient of bias")
    gradients = reference_gradients(reference)
    assert {"weight", "out_scaling"} <= set(gradients)
    for name, gradient in gradients.items():
        assert_close(ours[name].grad, gradient, f"gradient of {name}")
    for network in (reference, fast):
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.grad is not None:
                    parameter -= 0.01 * parameter.grad
        network.after_step()
    stepped = reference.weights()
    assert stepped
    for name, tensor in fast.weights().items():
        assert_close(tensor, stepped[name], f"{name} after a step")


@FEW
@given(layers(), configurations(dynamic=True))
def test_training_with_dynamic_scaling(path: str, case: Any, config: Any) -> None:
    compare_training(*case, config)


@FEW
@given(layers(), configurations(dynamic=False))
def test_training_with_static_and_learned_input_ranges(path: str, case: Any, config: Any) -> None:
    compare_training(*case, config)


@FEW
@given(layers(), configurations(dynamic=True))
def test_evaluation_with_dynamic_scaling(path: str, case: Any, config: Any) -> None:
    layer, x = case
    reference, fast = programmed(layer, config)
    assert_close(outputs(fast, x), outputs(reference, x))


@FEW
@given(layers(), configurations(dynamic=False))
def test_evaluation_with_static_and_learned_input_ranges(path: str, case: Any, config: Any) -> None:
    layer, x = case
    reference, fast = programmed(layer, config)
    assert_close(outputs(fast, x), outputs(reference, x))


def test_what_clipped_in_one_batch_changes_nothing_in_the_next(path: str) -> None:
    config = silent(lionheart())
    config.mapping.max_input_size, config.mapping.max_output_size = 16, 10
    config.forward.out_bound = 2.0
    torch.manual_seed(0)
    layer, x = nn.Linear(40, 25), torch.randn(3, 200, 40)
    x[1, :, 1:16] = 0  # the first tiles do not clip there
    reference, fast = programmed(layer, config)
    clipping = []
    for part in (*x, *x):
        assert_close(outputs(fast, part), outputs(reference, part))
        if path == "kernels":
            clipping.append(next(iter(fast.analog[PATH]._kernels.values()))._clipping.copy())
    if path == "kernels":
        assert clipping[0][0].any() and not clipping[1][0].any() and clipping[1].any()


@pytest.mark.parametrize("bits", [4, 8])
def test_the_adc_rounds_to_the_same_levels(path: str, bits: int) -> None:
    config = silent(lionheart())
    config.forward.out_res = 1 / (2**bits - 2)
    config.mapping.max_input_size = 0  # one tile: a sum of tiles has no levels
    torch.manual_seed(0)
    layer, x = nn.Conv2d(12, 40, 3, padding=1), torch.randn(8, 12, 9, 9)
    reference, fast = programmed(layer, config)
    level = 24 / (2**bits - 2) * x.abs().max() * fast.analog[PATH]._hardware.gain.abs().max()
    difference = (outputs(fast, x) - outputs(reference, x)).abs()
    assert (difference > 1e-3 * level).float().mean() < 1e-3  # sums half-way between two levels
    assert difference.max() <= 1.01 * level


@pytest.mark.parametrize("fixed_value", [-1.0, 0.9])
@pytest.mark.parametrize("remap", [WeightRemapType.NONE, WeightRemapType.CHANNELWISE_SYMMETRIC])
def test_a_single_weight_is_not_clipped_by_a_spread_that_it_does_not_have(
    fixed_value: float, remap: WeightRemapType
) -> None:
    config = silent(lionheart())
    config.clip.type, config.clip.fixed_value = WeightClipType.LAYER_GAUSSIAN, fixed_value
    config.remap.type = remap
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(0.5)
    largest = 0.45 if fixed_value > 0 else 0.5  # in units of the tile, it is 1
    for network in both(layer, config):
        network.train()
        network.after_step()
        assert float(network.weights()["0.weight"]) == pytest.approx(largest, rel=1e-6)


@pytest.mark.parametrize("clip", [WeightClipType.FIXED_VALUE, WeightClipType.LAYER_GAUSSIAN])
@pytest.mark.parametrize(
    "remap",
    [
        WeightRemapType.NONE,
        WeightRemapType.LAYERWISE_SYMMETRIC,
        WeightRemapType.CHANNELWISE_SYMMETRIC,
    ],
)
def test_many_steps_lead_to_the_same_weights(clip: WeightClipType, remap: WeightRemapType) -> None:
    config = silent(lionheart())
    config.mapping.max_input_size = 20
    config.clip.type, config.clip.fixed_value, config.remap.type = clip, 0.9, remap
    torch.manual_seed(0)
    networks = both(nn.Conv2d(5, 6, 3), config)
    x, target = torch.randn(20, 5, 6, 6), torch.randn(20, 6, 4, 4)
    for network in networks:
        network.train()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
        for part, wanted in zip(x.split(5), target.split(5), strict=True):
            optimizer.zero_grad()
            nn.functional.mse_loss(network(part), wanted).backward()
            optimizer.step()
            network.after_step()
    reference, fast = networks[0].weights(), networks[1].weights()
    assert (reference["0.weight"] - fast["0.weight"]).norm() < 1e-4 * reference["0.weight"].norm()
    assert_close(fast["0.bias"], reference["0.bias"])


@settings(FEW, max_examples=10)
@given(layers())
def test_equal_seeds_give_equal_hardware(case: Any) -> None:
    layer, _ = case
    reference, fast = programmed(layer, lionheart(), seed=7)
    tiles = reference.analog[PATH].tiles
    assert tiles
    hardware = fast.analog[PATH]._hardware
    for tile, (t, _, rows, columns) in zip(tiles, fast.analog[PATH].tiling.blocks(), strict=True):
        torch.testing.assert_close(hardware.weight[rows, columns], tile.tile.weight.data)
        torch.testing.assert_close(hardware.gain[t, rows], tile.get_scales() * tile.alpha)


def test_ideal_modules_compute_with_the_weights_being_trained() -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv1d(7, 5, 3, padding=1), torch.randn(4, 7, 11)
    gradients = []
    for network in both(layer, lionheart()):
        network.train().set_ideal([PATH])
        y = network(x)
        assert_close(y, layer(x))
        y.square().sum().backward()
        gradients.append([p.grad for p in network.parameters() if p.grad is not None])
    ours = sorted(float(g.norm()) for g in gradients[1])
    assert ours == pytest.approx(sorted(float(g.norm()) for g in gradients[0]), rel=1e-4)


def test_batches_of_nothing_and_of_zeros(path: str) -> None:
    config = lionheart()  # with noise: aihwkit adds none to a batch of zeros
    reference, fast = programmed(nn.Conv2d(3, 4, 3, padding=1), config)
    zeros = torch.zeros(2, 3, 5, 5)
    assert_close(outputs(fast, zeros), outputs(reference, zeros))
    assert outputs(fast, zeros[:0]).shape == (0, 4, 5, 5)


def test_unbatched_inputs() -> None:
    for layer, x in [
        (nn.Conv2d(3, 4, 3), torch.randn(3, 6, 6)),
        (nn.Conv1d(3, 4, 3), torch.randn(3, 6)),
        (nn.Linear(3, 4), torch.randn(3)),
    ]:
        _, fast = programmed(layer, silent(lionheart()))
        assert_close(outputs(fast, x), outputs(fast, x[None])[0])
        assert outputs(fast, x).shape == layer(x).shape


def test_weight_modifiers_draw_from_the_same_distribution() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(30, 20), torch.eye(30)
    for kind, relative in [
        (WeightModifierType.MULT_NORMAL, True),
        (WeightModifierType.ADD_NORMAL, True),
        (WeightModifierType.ADD_NORMAL, False),
    ]:
        config = silent(lionheart())
        config.forward.inp_res = -1.0
        config.mapping.max_input_size = 16
        config.mapping.weight_scaling_columnwise = False
        config.modifier.type, config.modifier.rel_to_actual_wmax = kind, relative
        config.modifier.assumed_wmax = 0.5
        spreads = []
        for network in both(layer, config):
            ys = torch.stack([outputs(network.train(), x) for _ in range(400)])
            torch.testing.assert_close(ys.mean(0), layer(x), atol=0.02, rtol=0.0)
            spreads.append(ys.std(0))
        torch.testing.assert_close(spreads[1].mean(), spreads[0].mean(), rtol=0.02, atol=0.0)
        assert torch.corrcoef(torch.stack(spreads).flatten(1))[0, 1] > 0.9 or kind != (
            WeightModifierType.MULT_NORMAL
        )

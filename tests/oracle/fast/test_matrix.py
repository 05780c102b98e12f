"""A matrix of the fast engine: scales, weights that come back, the order of its output noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from aihwkit.simulator.parameters.enums import WeightClipType

from lionheart_opt.oracle.fast import matrix
from lionheart_opt.oracle.fast.matrix import FastMatrix, Hardware
from lionheart_opt.oracle.rpu import lionheart


def config(**mapping: Any) -> Any:
    made = lionheart()
    made.mapping.max_input_size, made.mapping.max_output_size = 20, 6
    for name, value in mapping.items():
        setattr(made.mapping, name, value)
    return made


def test_a_training_step_keeps_one_copy_of_the_weights() -> None:
    """That with noise; 16 bits for each output of a tile; the inputs are those of the caller."""
    made = FastMatrix(torch.randn(64, 80), None, config()).train()
    x, saved = torch.randn(48, 80), {}

    def watch(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(watch, lambda tensor: tensor):
        made(x, None, None)
    n_panels = len(made.tiling.blocks())  # no tile has more than 6 outputs
    factors = 3 * made.mapping_scales.nbytes
    assert sum(saved.values()) <= x.nbytes + made.weight.nbytes + n_panels * 48 * 16 * 2 + factors


@pytest.mark.parametrize("columnwise", [True, False])
def test_weights_come_back_and_fill_the_tiles(columnwise: bool) -> None:
    weight = torch.randn(13, 50)
    made = FastMatrix(weight, None, config(weight_scaling_columnwise=columnwise))
    torch.testing.assert_close(made.value(), weight)
    assert len(made.tiling.blocks()) > 1
    for _, _, rows, columns in made.tiling.blocks():
        magnitude = made.weight[rows, columns].abs()
        largest = magnitude.amax(1) if columnwise else magnitude.max()
        torch.testing.assert_close(largest, torch.ones_like(largest))


def test_input_ranges_are_saved_and_restored() -> None:
    chosen = config()
    chosen.pre_post.input_range.enable = True
    weight = torch.randn(13, 50)
    saved = FastMatrix(weight, None, chosen).input_ranges()
    assert saved is not None and saved.shape == (3 * 3, 2)
    again = FastMatrix(weight, saved + 1, chosen).input_ranges()
    assert again is not None and torch.equal(again, saved + 1)
    assert FastMatrix(weight, None, config()).input_ranges() is None


def test_a_step_clips_and_maps_again() -> None:
    made = FastMatrix(torch.randn(13, 50), None, config())
    with torch.no_grad():
        made.weight[0, 0], made.weight[1:3] = 9.0, 0.0
    before = made.value().detach().clone()
    made.after_step()
    after = made.value().detach()
    assert made.weight.abs().max() <= 1.0 and torch.isfinite(made.weight).all()
    assert abs(float(after[0, 0])) < abs(float(before[0, 0])) / 8  # clipped at 1
    torch.testing.assert_close(after[:, 1:], before[:, 1:])


def test_gaussian_clipping_is_that_of_each_tile() -> None:
    chosen = config()
    chosen.clip.type, chosen.clip.sigma, chosen.clip.fixed_value = (
        WeightClipType.LAYER_GAUSSIAN,
        1.5,
        -1.0,
    )
    chosen.remap.type = type(chosen.remap.type).NONE
    made = FastMatrix(torch.randn(13, 50), None, chosen)
    before = made.weight.detach().clone()
    expected = before.clone()
    for _, _, rows, columns in made.tiling.blocks():
        bound = 1.5 * float(before[rows, columns].std())
        assert (before[rows, columns].abs() > bound).any()
        expected[rows, columns] = before[rows, columns].clamp(-bound, bound)
    made.after_step()
    torch.testing.assert_close(made.weight.detach(), expected)


@pytest.mark.parametrize(("learned", "columnwise"), [(False, True), (True, True), (True, False)])
def test_output_scales_are_learned_if_asked_for(learned: bool, columnwise: bool) -> None:
    weight = torch.randn(13, 50)
    made = FastMatrix(
        weight, None, config(learn_out_scaling=learned, out_scaling_columnwise=columnwise)
    )
    if not learned:
        assert made.out_scaling is None
        return
    assert made.out_scaling is not None
    # a scale for each range of inputs, and for each output or each range of outputs
    assert made.out_scaling.shape == (3, 13 if columnwise else 3)
    with torch.no_grad():
        made.out_scaling.mul_(2.0)
    torch.testing.assert_close(made.value(), 2.0 * weight)


@pytest.mark.parametrize("learned", [False, True])
def test_frozen_weights_and_scales_need_no_gradient(learned: bool) -> None:
    made = FastMatrix(torch.randn(13, 50), None, config(learn_out_scaling=learned))
    assert all(parameter.requires_grad for parameter in made.parameters())
    made.freeze()
    assert not any(parameter.requires_grad for parameter in made.parameters())


def programmed() -> tuple[FastMatrix, torch.Tensor]:
    torch.manual_seed(0)
    made = FastMatrix(torch.randn(13, 50), None, config()).eval()
    made.program(1)
    made.drift(60.0, 2)
    return made, torch.randn(12, 50)


def products(made: FastMatrix, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return made(x, None, None)


@pytest.mark.parametrize("path", ["kernels", "torch"])
def test_rewinding_repeats_the_noise_of_a_batch(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if path == "torch":
        monkeypatch.setattr(matrix, "numba_works", lambda: False)
    made, x = programmed()

    def batch(first: int) -> torch.Tensor:
        made.rewind(first, len(x))
        return products(made, x)

    first, second = batch(0), batch(12)
    assert (first != second).float().mean() > 0.8  # some fall on the same level of the ADC
    products(made, x)  # passes in between do not matter
    assert torch.equal(batch(0), first) and torch.equal(batch(12), second)


def test_a_matrix_that_is_used_twice_has_other_noise_the_second_time() -> None:
    made, x = programmed()
    made.rewind(0, len(x))
    first, second = products(made, x), products(made, x)
    assert (first != second).float().mean() > 0.8  # some fall on the same level of the ADC


def test_places_in_the_noise() -> None:
    hardware = Hardware(torch.zeros(1), torch.zeros(1), seed=5)
    assert [hardware.noise(rows) for rows in (10, 3, 4)] == [(5, 0), (5, 10), (5, 13)]
    hardware.batch, hardware.uses = (6, 2), 0
    assert hardware.noise(8) == (5, 24)  # 4 rows for each example
    key, place = hardware.noise(8)
    assert key != 5 and place == 24


def test_restoring_forgets_the_hardware() -> None:
    made, x = programmed()
    made.restore()
    with pytest.raises(RuntimeError, match="programmed"):
        products(made, x)

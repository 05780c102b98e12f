"""The CPU kernels compute what plain torch operations compute, and keep nothing that changes it."""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch
from fast_setup import random_linear, tiling

from lionheart_opt.oracle.fast import cpu
from lionheart_opt.oracle.fast.cpu import CpuProducts

NOISE = (1, 0)
CASES: dict[str, dict[str, Any]] = {
    "ideal": {},
    "dynamic": {"dynamic": True, "input_step": 2 / 254, "input_bound": 1.0},
    "limited": {"dynamic": True, "scale_limit": 1.5, "input_bound": 1.0},
    "clipping": {"output_bound": 2.0, "output_scale": 0.7},
    "repeated": {"dynamic": True, "output_bound": 0.5, "retry_limit": 1000.0},
}


def inputs(n_rows: int = 30, n_inputs: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(n_rows, n_inputs, generator=generator)


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_those_of_torch_operations(case: str) -> None:
    tiles = tiling(25, 40, 12, 18)
    products, numbers = random_linear(25, 40, tiles, **CASES[case])
    kernels, results = CpuProducts(products), []
    for path in ("kernels", "torch"):
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in numbers.items()}
        x = inputs().requires_grad_()
        if path == "kernels":
            y = kernels(x, **leaves, noise=NOISE)
        else:
            y = products(x, leaves["weight"], leaves["gain"], None) + leaves["bias"]
        y.square().sum().backward()
        results.append([y.detach(), x.grad, *(leaf.grad for leaf in leaves.values())])
    assert len(results[0]) == 5
    for ours, theirs in zip(*results, strict=True):
        scale = float(theirs.abs().max())
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * scale)


def gradients(kernels: CpuProducts, numbers: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Gradients of the inputs and of all numbers, some outputs of which clip."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in numbers.items()}
    x = inputs().requires_grad_()
    return list(
        torch.autograd.grad(kernels(x, **leaves, noise=NOISE).square().sum(), (x, *leaves.values()))
    )


@pytest.mark.parametrize("changes", [{}, {"dynamic": True}, {"retry_limit": 4.0}])
def test_gradients_do_not_depend_on_how_outputs_are_kept(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"output_step": 0.02, "output_bound": 0.5, "output_noise": 0.1, **changes}
    products, numbers = random_linear(25, 40, tiling(25, 40, 12, 18), **changes)
    in_steps = gradients(CpuProducts(products), numbers)
    monkeypatch.setattr(cpu, "LARGEST_STEP", 0)  # no step is so small that 16 bits suffice
    in_floats = gradients(CpuProducts(products), numbers)
    assert all(torch.equal(*pair) for pair in zip(in_steps, in_floats, strict=True))


@pytest.mark.parametrize(("step", "nbytes"), [(0.02, 2), (1e-6, 4), (0.0, 4)])
def test_outputs_are_kept_in_16_bits_where_that_loses_nothing(step: float, nbytes: int) -> None:
    products, numbers = random_linear(25, 40, output_step=step, output_bound=0.5)
    weight = numbers["weight"].requires_grad_()
    y: Any = CpuProducts(products)(inputs(), weight, numbers["gain"], numbers["bias"], NOISE)
    *_, kept, steps = y.grad_fn.saved_tensors
    assert kept.nbytes + steps.nbytes == 30 * 32 * nbytes  # 25 outputs fill two panels


def test_packed_weights_are_not_kept_for_the_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    products, numbers = random_linear(25, 40)
    kernels, packed = CpuProducts(products), []
    pack = kernels.pack

    def watched(*of: torch.Tensor) -> Any:
        result = pack(*of)
        packed.append(ref(result.weights))
        return result

    monkeypatch.setattr(kernels, "pack", watched)
    y = kernels(inputs().requires_grad_(), **numbers, noise=NOISE)
    assert y.requires_grad and [array() for array in packed] == [None]


def test_a_graph_that_is_retained_gives_the_same_gradients_again() -> None:
    products, numbers = random_linear(25, 40, output_step=0.02, output_bound=0.5)
    x = inputs().requires_grad_()
    loss = CpuProducts(products)(x, **numbers, noise=NOISE).square().sum()
    first, second = (torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second) and first.any()
    torch.autograd.grad(loss, x)
    with pytest.raises(RuntimeError, match="second time"):  # what was kept is freed
        torch.autograd.grad(loss, x)


def test_only_gradients_that_are_needed_are_computed() -> None:
    products, numbers = random_linear(5, 40)
    kernels = CpuProducts(products)
    weight = numbers["weight"].requires_grad_()
    y = kernels(inputs(), weight, numbers["gain"], numbers["bias"], NOISE)
    y.sum().backward()
    expected = numbers["gain"][0][:, None] * inputs().sum(0)
    torch.testing.assert_close(weight.grad, expected, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        assert not kernels(inputs(), **numbers, noise=NOISE).requires_grad


def test_packed_weights_are_used_as_they_are() -> None:
    products, numbers = random_linear(5, 40)
    kernels = CpuProducts(products)
    packed = kernels.pack(numbers["weight"], numbers["gain"])
    plain = kernels(inputs(), **numbers, noise=NOISE)
    assert torch.equal(kernels(inputs(), **numbers, noise=NOISE, packed=packed), plain)


def test_noise_follows_key_and_place() -> None:
    products, numbers = random_linear(5, 40, output_noise=1.0)
    kernels, x = CpuProducts(products), inputs()
    whole = kernels(x, **numbers, noise=(3, 0))
    later = kernels(x[10:], **numbers, noise=(3, 10))
    torch.testing.assert_close(later, whole[10:])
    other = kernels(x, **numbers, noise=(4, 0))
    assert not torch.isclose(other, whole).any()
    quiet = CpuProducts(random_linear(5, 40)[0])(x, **numbers, noise=NOISE)
    noise = (whole - quiet) / numbers["gain"][0]
    assert 0.7 < float(noise.std()) < 1.3


def test_tiles_of_zeros_are_left_out_as_aihwkit_does() -> None:
    tiles = tiling(5, 40, 0, 20)
    products, numbers = random_linear(5, 40, tiles, dynamic=True, output_noise=1.0)
    kernels, x = CpuProducts(products), torch.zeros(4, 40)
    zeros = kernels(x, **numbers, noise=NOISE)
    assert torch.equal(zeros, numbers["bias"].expand(4, 5))  # not even noise


def test_remembered_clipping_changes_no_result() -> None:
    products, numbers = random_linear(25, 40, tiling(25, 40, 12, 18), **CASES["repeated"])
    kernels, quiet = CpuProducts(products), 0.01 * inputs()
    quiet[:, ::3] = 0
    first = [kernels(x, **numbers, noise=NOISE) for x in (inputs(), quiet)]
    assert kernels._clipping.shape == (3, 3)
    again = [kernels(x, **numbers, noise=NOISE) for x in (quiet, inputs(), inputs(), quiet)]
    for ours, theirs in zip(again, [first[1], first[0], first[0], first[1]], strict=True):
        assert torch.equal(ours, theirs)


def test_levels_have_inverses_in_single_precision() -> None:
    levels = CpuProducts(random_linear(1, 1, input_step=0.1, output_step=0.3)[0]).levels
    assert levels.input_inverse == np.float32(1) / np.float32(0.1)
    assert levels.output_inverse == np.float32(1) / np.float32(0.3)
    assert levels.input_step.dtype == levels.output_step.dtype == np.float32
    assert CpuProducts(random_linear(1, 1)[0]).levels.input_inverse == 0


def test_only_tiles_that_clip_are_repeated_at_half_the_scale() -> None:
    """Two tiles below each other. Repeated at another scale, the outputs round to other levels."""
    changes = {"output_bound": 2.0, "output_step": 0.25, "retry_limit": 1e6}
    products, numbers = random_linear(5, 40, tiling(5, 40, 0, 20), **changes)
    weight, x = numbers["weight"].clone(), inputs()
    weight[:, :20] *= 1.5 / (x[:, :20] @ weight[:, :20].T).abs().max()  # within the bound
    weight[:, 20:] *= 3.0 / (x[:, 20:] @ weight[:, 20:].T).abs().max()  # clips once
    quiet, loud = x[:, :20] @ weight[:, :20].T, x[:, 20:] @ weight[:, 20:].T
    expected = (quiet / 0.25).round() * 0.25 + (loud / 2 / 0.25).round() * 0.25 * 2
    y = CpuProducts(products)(x, weight, torch.ones(2, 5), torch.zeros(5), NOISE)
    torch.testing.assert_close(y, expected)
    halved = (quiet / 2 / 0.25).round() * 0.25 * 2
    assert not torch.allclose(halved, (quiet / 0.25).round() * 0.25), "it makes a difference"

"""Cheap predictors of what a unit loses on an analog target, from the pretrained network alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle.seeds import derive

#: Product of a symmetric matrix and a vector, both in double precision on the CPU.
Product = Callable[[Tensor], Tensor]

#: Training examples, drawn by the seed, over which loss and activations are taken: in one pass, as
#: differentiating twice needs all of its intermediate results again and again.
EXAMPLES = 128
#: Hutchinson's estimate ends at this standard error, relative, or after so many vectors.
TRACE_ERROR, MIN_VECTORS, MAX_VECTORS = 0.1, 8, 32
#: Of the largest eigenvalue, relative.
EIGENVALUE_ERROR = 0.01


def sensitivity_proxies(
    network: nn.Module,
    units: dict[str, tuple[str, ...]],
    examples: Examples,
    *,
    seed: int,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, float]]:
    """Each proxy for each unit. The loss is the mean cross entropy, the network as in inference.

    Args:
        network: floating-point network; left untouched.
        units: name -> paths of its modules with weights.
        examples: training data, of which `EXAMPLES` are used.
        seed: of the examples and of all random vectors.
        report: called with a line before each unit.

    Returns:
        Name of the proxy -> unit -> value:

        - `max_neuron_norm`: largest Euclidean norm of a neuron's weights, a row of the weight matrix
          (arXiv 2603.02633 ranks modules by it).
        - `max_weight`: largest magnitude of a weight: the noise of devices is relative to it.
        - `hessian_trace`: trace of the unit's block of the loss's Hessian, with respect to its weights
          without bias (HAWQ-V2, Dong et al., NeurIPS 2020, arXiv 1911.03852, has its mean over
          weights; independent noise of one variance on every weight raises the loss by half the
          variance times the trace).
        - `hessian_max_eigenvalue`: largest eigenvalue of that block (HILAL, DATE 2026, has it
          beside the trace).
        - `max_activation`: largest magnitude at the unit's inputs: what its converters must cover.
    """
    generator = torch.Generator().manual_seed(derive(seed, "proxy examples"))
    numbers = torch.randperm(len(examples), generator=generator)[:EXAMPLES].numpy()
    sample = examples[numbers]
    network = deepcopy(network).eval()
    found: dict[str, dict[str, float]] = {
        "max_neuron_norm": {},
        "max_weight": {},
        "hessian_trace": {},
        "hessian_max_eigenvalue": {},
        "max_activation": max_activations(network, units, sample),
    }
    for number, (unit, paths) in enumerate(units.items(), start=1):
        report(f"proxies: {unit} ({number} of {len(units)})")
        weights = [network.get_parameter(f"{path}.weight") for path in paths]
        size = sum(weight.numel() for weight in weights)
        product = hessian_product(network, weights, sample)
        generator = torch.Generator().manual_seed(derive(seed, "proxy vectors", unit))
        found["max_neuron_norm"][unit] = max(map(max_neuron_norm, weights))
        found["max_weight"][unit] = max(float(weight.detach().abs().max()) for weight in weights)
        found["hessian_trace"][unit] = trace(product, size, generator)
        found["hessian_max_eigenvalue"][unit] = max_eigenvalue(product, size, generator)
    return found


def max_neuron_norm(weight: Tensor) -> float:
    """Largest Euclidean norm of a row of the weight matrix.

    Args:
        weight: shape (n_outputs, ...), as `nn.Linear` and the convolutions keep it.
    """
    return float(weight.detach().flatten(1).norm(dim=1).max())


def max_activations(
    network: nn.Module, units: dict[str, tuple[str, ...]], examples: Examples
) -> dict[str, float]:
    """Unit -> largest magnitude at the inputs of its modules."""
    largest = dict.fromkeys(units, 0.0)

    def watch(unit: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            largest[unit] = max(largest[unit], float(inputs[0].abs().max()))

        return hook

    hooks = [
        network.get_submodule(path).register_forward_pre_hook(watch(unit))
        for unit, paths in units.items()
        for path in paths
    ]
    with torch.no_grad():
        network(examples.images.to(next(network.parameters()).device))
    for hook in hooks:
        hook.remove()
    return largest


def hessian_product(network: nn.Module, weights: Sequence[Tensor], examples: Examples) -> Product:
    """Product with the Hessian of the mean cross entropy with respect to some of the weights.

    Exact, by differentiating twice (Pearlmutter, Neural Computation 1994); the Hessian itself is
    never formed.

    Args:
        network: in evaluation mode; gradients of all its other parameters are switched off.
        weights: parameters of the network, in the order in which vectors concatenate them.
        examples: the loss's.
    """
    network.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    device = weights[0].device
    with sdpa_kernel(SDPBackend.MATH):  # the only attention that can be differentiated twice
        loss = F.cross_entropy(network(examples.images.to(device)), examples.labels.to(device))
        slopes = torch.autograd.grad(loss, weights, create_graph=True)
    sizes = [weight.numel() for weight in weights]

    def product(vector: Tensor) -> Tensor:
        pieces = torch.split(vector.to(weights[0]), sizes)
        parts = [piece.view_as(weight) for piece, weight in zip(pieces, weights, strict=True)]
        curved = torch.autograd.grad(
            slopes, weights, parts, retain_graph=True, materialize_grads=True
        )
        return torch.cat([part.flatten() for part in curved]).cpu().double()

    return product


def trace(product: Product, size: int, generator: torch.Generator) -> float:
    """Trace of a symmetric matrix by Hutchinson's estimator with random signs.

    Unbiased; vectors are added until its standard error is small (see `TRACE_ERROR`). Exact for a
    diagonal matrix (Hutchinson, Communications in Statistics 1990).

    Args:
        product: with the matrix.
        size: of the matrix.
        generator: of the signs, on the CPU.
    """
    samples: list[float] = []
    while len(samples) < MAX_VECTORS:
        signs = torch.randint(2, (size,), generator=generator).double() * 2 - 1
        samples.append(float(signs @ product(signs)))
        values = torch.tensor(samples, dtype=torch.float64)
        if len(samples) >= MIN_VECTORS:
            error = float(values.std()) / len(samples) ** 0.5
            if error <= TRACE_ERROR * abs(float(values.mean())):
                break
    return float(values.mean())


def max_eigenvalue(product: Product, size: int, generator: torch.Generator) -> float:
    """Largest eigenvalue of a symmetric matrix, by Lanczos iteration (ARPACK).

    Not the one of largest magnitude, which power iteration would find: away from a minimum of the
    loss that one may be negative.

    Args:
        product: with the matrix.
        size: of the matrix.
        generator: of the first vector, on the CPU.
    """
    start = torch.randn(size, generator=generator, dtype=torch.float64)
    image = product(start)
    if size == 1 or not image.any():  # the one entry; a unit that the loss does not depend on
        return float(image[0] / start[0])
    operator = LinearOperator(
        (size, size), matvec=lambda v: product(torch.from_numpy(v).flatten()).numpy(), dtype=float
    )
    found = eigsh(
        operator, k=1, which="LA", v0=start.numpy(), tol=EIGENVALUE_ERROR, return_eigenvectors=False
    )
    return float(found[0])

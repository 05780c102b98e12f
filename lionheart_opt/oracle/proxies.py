"""Cheap predictors of a unit's sensitivity to analog noise, from the pretrained network alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle import products
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.uses import Watch, unfused
from lionheart_opt.tasks import batches
from lionheart_opt.tracing.matrices import Matrix

#: Product of a symmetric matrix and a vector, both in double precision on the CPU.
Product = Callable[[Tensor], Tensor]

#: Number of training examples, drawn by the seed, on which loss and activations are computed.
EXAMPLES = 128
#: Intermediate results of a pass are kept up to this size, because differentiating twice uses them many
#: times. Where all examples need more, every product computes them anew, a few examples at a time.
KEPT_BYTES = 1 << 30
#: Hutchinson's estimate ends at this relative standard error or after `MAX_VECTORS` vectors, and not
#: before `MIN_VECTORS`.
TRACE_ERROR, MIN_VECTORS, MAX_VECTORS = 0.1, 8, 32
#: Relative error of the largest eigenvalue.
EIGENVALUE_ERROR = 0.01


@unfused()
def sensitivity_proxies(
    network: nn.Module,
    units: dict[str, tuple[str, ...]],
    examples: Examples,
    *,
    seed: int,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, float]]:
    """Compute every proxy for every unit.

    The loss is the mean cross entropy of the network in evaluation mode.

    Args:
        network: Floating-point network, left untouched.
        units: Unit -> paths of its weight matrices.
        examples: Training data, of which `EXAMPLES` are used.
        seed: Seed of the choice of examples and of all random vectors.
        report: Called with a line before each unit.

    Returns:
        Name of the proxy -> unit -> value:

        - `max_neuron_norm`: Largest Euclidean norm of a neuron's weights, which are a row of the
          weight matrix (arXiv 2603.02633 ranks modules by it).
        - `max_weight`: Largest magnitude of a weight. The noise of devices is relative to it.
        - `hessian_trace`: Trace of the Hessian of the loss with respect to the unit's weights without
          bias. Independent noise of one variance on every weight raises the loss by half the variance
          times the trace. HAWQ-V2 (Dong et al., NeurIPS 2020, arXiv 1911.03852) uses its mean over
          weights.
        - `hessian_max_eigenvalue`: Largest eigenvalue of that Hessian. HILAL (DATE 2026) uses it
          beside the trace.
        - `max_activation`: Largest magnitude of the unit's inputs, which its converters must cover.
    """
    generator = torch.Generator().manual_seed(derive(seed, "proxy examples"))
    numbers = torch.randperm(len(examples), generator=generator)[:EXAMPLES].numpy()
    sample = examples[numbers].loaded
    network = deepcopy(network).eval()
    proxies: dict[str, dict[str, float]] = {
        "max_neuron_norm": {},
        "max_weight": {},
        "hessian_trace": {},
        "hessian_max_eigenvalue": {},
        "max_activation": max_activations(network, units, sample),
    }
    for number, (unit, paths) in enumerate(units.items(), start=1):
        report(f"proxies: {unit} ({number} of {len(units)})")
        matrices = [Matrix.named(network, path) for path in paths]
        weights = [network.get_parameter(m.parameter).detach()[m.rows] for m in matrices]
        size = sum(weight.numel() for weight in weights)
        product = hessian_product(network, matrices, sample)
        generator = torch.Generator().manual_seed(derive(seed, "proxy vectors", unit))
        proxies["max_neuron_norm"][unit] = max(
            max_neuron_norm(matrix.values(network.get_parameter(matrix.parameter)))
            for matrix in matrices
        )
        proxies["max_weight"][unit] = max(float(weight.abs().max()) for weight in weights)
        proxies["hessian_trace"][unit] = trace(product, size, generator)
        proxies["hessian_max_eigenvalue"][unit] = max_eigenvalue(product, size, generator)
    return proxies


def max_neuron_norm(weight: Tensor) -> float:
    """Largest Euclidean norm of a row of the weight matrix.

    Args:
        weight: Shape (n_outputs, ...).
    """
    return float(weight.detach().flatten(1).norm(dim=1).max())


def max_activations(
    network: nn.Module, units: dict[str, tuple[str, ...]], examples: Examples
) -> dict[str, float]:
    """Unit -> largest magnitude of what its weights are multiplied with."""
    largest = dict.fromkeys(units, 0.0)

    def see(path: str, product: products.Product) -> None:
        magnitude = float(product.x.abs().max())
        for unit in (unit for unit, paths in units.items() if path in paths):
            largest[unit] = max(largest[unit], magnitude)

    watched = list(dict.fromkeys(path for paths in units.values() for path in paths))

    with torch.no_grad(), Watch(network, watched, see):
        device = next(network.parameters()).device
        batches.call(network, batches.to(examples.task.feed(examples.inputs), device, copy=True))
    return largest


def hessian_product(network: nn.Module, matrices: Sequence[Matrix], examples: Examples) -> Product:
    """Product with the Hessian of the mean cross entropy with respect to some weight matrices.

    The product is exact and computed by differentiating twice (Pearlmutter, Neural Computation 1994).
    The Hessian itself is never formed. See `KEPT_BYTES` for what it takes of the memory.

    Args:
        network: Network in evaluation mode; gradients of all its other parameters are switched off.
        matrices: The matrices, in the order in which vectors concatenate them.
        examples: Examples on which the loss is computed.
    """
    weights = [network.get_parameter(matrix.parameter) for matrix in matrices]
    network.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    device = weights[0].device

    def slopes_of(part: Examples) -> list[Tensor]:
        """The part of the loss's gradient that comes from some of the examples."""
        with sdpa_kernel(SDPBackend.MATH):  # the only implementation with second derivatives
            # the network may overwrite its inputs
            fed = batches.to(part.task.feed(part.inputs), device, copy=True)
            loss = part.task.loss(batches.call(network, fed), part.to(device))
            share = len(part) / len(examples)
            whole = torch.autograd.grad(share * loss, weights, create_graph=True)
        return [slope[matrix.rows] for slope, matrix in zip(whole, matrices, strict=True)]

    def curved(slopes: list[Tensor], vector: Tensor, keep: bool) -> Tensor:
        pieces = torch.split(vector.to(weights[0]), [slope.numel() for slope in slopes])
        parts = [piece.view_as(slope) for piece, slope in zip(pieces, slopes, strict=True)]
        curves = torch.autograd.grad(
            slopes, weights, parts, retain_graph=keep, materialize_grads=True
        )
        rows = [part[matrix.rows] for part, matrix in zip(curves, matrices, strict=True)]
        return torch.cat([part.flatten() for part in rows]).cpu().double()

    each = _kept_bytes(lambda: slopes_of(examples[:1]), network)
    size = max(1, KEPT_BYTES // max(each, 1))
    if len(examples) <= size:
        slopes = slopes_of(examples)
        return lambda vector: curved(slopes, vector, keep=True)
    starts = range(0, len(examples), size)

    def product(vector: Tensor) -> Tensor:
        parts = (slopes_of(examples[start : start + size]) for start in starts)
        return sum(
            (curved(part, vector, keep=False) for part in parts), torch.zeros_like(vector).double()
        )

    return product


def _kept_bytes(run: Callable[[], object], network: nn.Module) -> int:
    """Size of the intermediate results that derivatives of a computation keep, without parameters."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    del result
    return sum(kept.values())


def trace(product: Product, size: int, generator: torch.Generator) -> float:
    """Trace of a symmetric matrix by Hutchinson's estimator with random signs.

    The estimator is unbiased, and exact for a diagonal matrix (Hutchinson, Communications in
    Statistics 1990). Vectors are added until its standard error is small (see `TRACE_ERROR`).

    Args:
        product: Product with the matrix.
        size: Number of rows of the matrix.
        generator: Random generator of the signs, on the CPU.
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

    Power iteration would find the eigenvalue of largest magnitude instead, which may be negative away
    from a minimum of the loss.

    Args:
        product: Product with the matrix.
        size: Number of rows of the matrix.
        generator: Random generator of the first vector, on the CPU.
    """
    start = torch.randn(size, generator=generator, dtype=torch.float64)
    image = product(start)
    if size == 1 or not image.any():  # a single entry, or the loss does not depend on the unit
        return float(image[0] / start[0])
    operator = LinearOperator(
        (size, size), matvec=lambda v: product(torch.from_numpy(v).flatten()).numpy(), dtype=float
    )
    eigenvalues = eigsh(
        operator, k=1, which="LA", v0=start.numpy(), tol=EIGENVALUE_ERROR, return_eigenvectors=False
    )
    return float(eigenvalues[0])

"""How often weights are used: as often as the trace says, by products that tiles can compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.products import Product, WeightProducts
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.batches import Inputs
from lionheart_opt.tracing.matrices import Matrix
from lionheart_opt.workload import Workload

#: Path of a weight matrix -> number of products with it in one inference.
Uses = dict[str, int]


def traced_uses(workload: Workload) -> Uses:
    """How often a workload uses each weight matrix of its units."""
    units = workload.unit_of
    return dict(Counter(layer.module for layer in workload.layers if layer.name in units))


class Watch(WeightProducts):
    """Inside its context, products with some of a network's weight matrices are seen.

    Args:
        network: The network.
        paths: Paths of the matrices.
        see: Called with the path and the product.

    Raises:
        InputError: The network has no such matrix.
    """

    def __init__(
        self, network: nn.Module, paths: Sequence[str], see: Callable[[str, Product], None]
    ) -> None:
        super().__init__()
        self._matrices = {path: Matrix.named(network, path) for path in paths}
        self._see = see
        names = dict.fromkeys(matrix.parameter for matrix in self._matrices.values())
        self.watch((name, network.get_parameter(name)) for name in names)

    def product(self, product: Product, matrix: Matrix) -> Tensor | None:
        """Show the product to `see`; torch computes it."""
        for path, watched in self._matrices.items():
            same = (matrix.parameter, matrix.form) == (watched.parameter, watched.form)
            if same and matrix.overlaps(watched):
                self._see(path, product)
        return None

    def steps(self, parameters: Iterable[str]) -> bool:  # noqa: ARG002
        """All recurrent layers are computed step by step."""
        return True


@contextmanager
def unfused() -> Iterator[None]:
    """Keep torch from the fused kernel of `nn.TransformerEncoderLayer` and `nn.MultiheadAttention`.

    In evaluation it hides the products with their weights.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@torch.no_grad()
@unfused()
def counted_uses(network: nn.Module, paths: Sequence[str], inputs: Inputs) -> Uses:
    """How often a network in evaluation mode multiplies with each of its matrices in one pass.

    Args:
        network: The network.
        paths: Paths of the matrices.
        inputs: What it is called with.

    Raises:
        InputError: The network has no such matrix.
    """
    counts = Counter(dict.fromkeys(paths, 0))
    with Watch(network, paths, lambda path, _: counts.update([path])):
        batches.call(network, batches.apply(torch.clone, inputs))
    return dict(counts)


def check_uses(counts: Uses, expected: Uses | None, n_examples: int) -> None:
    """Refuse a pass in which an analog matrix was used more or less often than the trace says.

    Args:
        counts: How often each analog matrix was used.
        expected: How often each is used in one inference; None only asks for a use at all.
        n_examples: Number of examples in the pass; a network may take them one by one.

    Raises:
        InputError: Matrices were used another number of times.
    """
    wrong = {
        path: count
        for path, count in counts.items()
        if not _as_expected(count, expected.get(path, 0) if expected else None, n_examples)
    }
    if wrong:
        path, count = next(iter(wrong.items()))
        others = [repr(other) for other in wrong if other != path]
        more = f" (likewise {', '.join(others)})" if others else ""
        traced = "some" if expected is None else expected.get(path, 0)
        raise InputError(
            f"the weights of {path!r} are in {count} products of a pass that tiles can compute, but in "
            f"{traced} when the network was traced{more}: they are computed in every pass, used by a "
            "function that tiles do not know, or the network's way depends on its input; "
            "keep the unit on the host"
        )


def _as_expected(count: int, expected: int | None, n_examples: int) -> bool:
    if expected is None:
        return count > 0
    return count in (expected, expected * n_examples)

"""Products whose results are seen to come from somewhere else than torch."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lionheart_opt.oracle.products import Product, WeightProducts
from lionheart_opt.tracing.matrices import Matrix


class Doubled(WeightProducts):
    """Gives twice what a product would, so that a product that was not seen is noticed."""

    def __init__(self, *weights: Tensor, factor: float = 2.0, stepwise: bool = True) -> None:
        super().__init__()
        self.seen: list[Matrix] = []
        self.factor, self.stepwise = factor, stepwise
        self.watch((f"w{number}", weight) for number, weight in enumerate(weights))

    def product(self, product: Product, matrix: Matrix) -> Tensor | None:
        self.seen.append(matrix)
        if not self.factor:
            return None
        return self.factor * product.with_bias(product.plain(slice(None)))

    def steps(self, parameters: Any) -> bool:
        return self.stepwise

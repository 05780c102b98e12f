"""Batches that run layer by layer: the price of all of it, as that of one inference.

Each layer runs for all inferences before the next one starts. So weights that a layer loads once are
loaded once for the batch, and crossbars are reprogrammed once. Activations of all inferences wait between
layers: where a memory cannot hold those of a large batch, an inference of it costs more than one alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from lionheart_opt.batches import BatchOrder
from lionheart_opt.cost import Cost
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.mapping import Mapping
from lionheart_opt.workload import Workload


class _Model(Protocol):
    @property
    def batch_order(self) -> BatchOrder: ...


@runtime_checkable
class _AssumesRoom(Protocol):
    """A model whose system may assume that the activations of one inference fit into its memory."""

    @property
    def of_batches(self) -> _Model:
        """The model without that assumption."""
        ...


M = TypeVar("M", bound=_Model)
T = TypeVar("T", CostTables, CostTables | None)


def _of_batches(model: M) -> M:
    return cast(M, model.of_batches) if isinstance(model, _AssumesRoom) else model


def whole_batches(
    price: Callable[[M, Workload, Mapping], Cost],
) -> Callable[[M, Workload, Mapping], Cost]:
    """Let a method that prices one inference price a batch, where the model runs it layer by layer."""

    @wraps(price)
    def priced(model: M, workload: Workload, mapping: Mapping) -> Cost:
        count = workload.batch
        if count == 1 or model.batch_order != "layer by layer":
            return price(model, workload, mapping)
        cost = price(_of_batches(model), workload.whole_batch, mapping)
        layers = tuple(
            replace(
                whole,
                macs=layer.macs,
                components={
                    part: (latency_s, energy_j / count)
                    for part, (latency_s, energy_j) in whole.components.items()
                },
            )
            for whole, layer in zip(cost.layers, workload.layers, strict=True)
        )
        rewriting = {
            target: replace(
                what,
                lifetime_inferences=None
                if what.lifetime_inferences is None
                else what.lifetime_inferences * count,
            )
            for target, what in cost.rewriting.items()
        }
        interval_s = cost.latency_s / count
        return replace(cost, layers=layers, interval_s=interval_s, rewriting=rewriting)

    return priced


def tables_of_whole_batches(tabulate: Callable[[M, Workload], T]) -> Callable[[M, Workload], T]:
    """The same for a method that gives the coefficients of the cost."""

    @wraps(tabulate)
    def tabulated(model: M, workload: Workload) -> T:
        count = workload.batch
        if count == 1 or model.batch_order != "layer by layer":
            return tabulate(model, workload)
        tables = tabulate(_of_batches(model), workload.whole_batch)
        if tables is None:
            return tables
        shares = np.array([1.0, 1.0 / count])  # of the latency, and of the energy
        return replace(
            tables,
            fixed=tables.fixed * shares,
            unit=tables.unit * shares,
            pair=tables.pair * shares,
        )

    return tabulated

"""Batches that run layer by layer: the price of all of it, as that of one inference.

Each layer runs for all inferences before the next one starts. So weights that a layer loads once are
loaded once for the batch, and crossbars are reprogrammed once. Activations of all inferences wait between
layers: where a memory cannot hold those of a large batch, an inference of it costs more than one alone.
So a batch may be cut into equal runs, one after the other: each mapping has its `cheapest_run`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from lionheart_opt.batches import BatchOrder
from lionheart_opt.cost import Cost
from lionheart_opt.cost_tables import CostTables, cheapest_run
from lionheart_opt.mapping import Mapping
from lionheart_opt.workload import Workload

#: A coefficient that is larger by this share differs by rounding only.
ROUNDING = 1e-12


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


def _of_runs(model: M, size: int) -> M:
    """The model that prices runs of so many inferences."""
    if size > 1 and isinstance(model, _AssumesRoom):
        return cast(M, model.of_batches)
    return model


def whole_batches(
    price: Callable[[M, Workload, Mapping], Cost],
) -> Callable[[M, Workload, Mapping], Cost]:
    """Let a method that prices one inference price a batch, where the model runs it layer by layer."""

    @wraps(price)
    def priced(model: M, workload: Workload, mapping: Mapping) -> Cost:
        if workload.batch == 1 or model.batch_order != "layer by layer":
            return price(model, workload, mapping)
        costs = [
            _repeated(price(_of_runs(model, size), run, mapping), workload, size)
            for size, run in workload.runs.items()
        ]
        totals = np.array([[cost.latency_s, cost.energy_j] for cost in costs])
        return costs[int(cheapest_run(totals))]

    return priced


def _repeated(cost: Cost, workload: Workload, size: int) -> Cost:
    """The cost of a batch that is cut into runs of that size.

    Args:
        cost: That of one run, as if it were one inference.
        workload: The batch.
        size: Inferences of a run.
    """
    runs = workload.batch // size
    layers = tuple(
        replace(
            whole,
            macs=layer.macs,
            components={
                part: (runs * latency_s, energy_j / size)
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
            else what.lifetime_inferences * size,
        )
        for target, what in cost.rewriting.items()
    }
    return replace(
        cost,
        layers=layers,
        interval_s=cost.latency_s / size,
        rewriting=rewriting,
        together=size,
    )


def tables_of_whole_batches(tabulate: Callable[[M, Workload], T]) -> Callable[[M, Workload], T]:
    """The same for a method that gives the coefficients of the cost."""

    @wraps(tabulate)
    def tabulated(model: M, workload: Workload) -> T:
        if workload.batch == 1 or model.batch_order != "layer by layer":
            return tabulate(model, workload)
        cuts = []
        for size, run in workload.runs.items():
            tables = tabulate(_of_runs(model, size), run)
            if tables is None:
                return tables
            runs = workload.batch // size
            shares = np.array([runs, 1.0 / size])  # of the latency, and of the energy
            cuts.append(
                replace(
                    tables,
                    fixed=tables.fixed * shares,
                    unit=tables.unit * shares,
                    pair=tables.pair * shares,
                    runs=runs,
                )
            )
        for tables in cuts:
            if all(_is_never_dearer(tables, other) for other in cuts):
                return tables
        return replace(cuts[0], cuts=tuple(cuts))

    return tabulated


def _is_never_dearer(tables: CostTables, other: CostTables) -> bool:
    """Whether no coefficient is larger, but for rounding."""
    return all(
        bool((ours <= theirs * (1 + ROUNDING)).all())
        for ours, theirs in (
            (tables.fixed, other.fixed),
            (tables.unit, other.unit),
            (tables.pair, other.pair),
        )
    )

"""The price of a mapping: what a cost model says, checked, as anybody can write one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf

import numpy as np

from lionheart_opt.cost import Cost, CostModel, cost_tables
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.own_errors import own_error
from lionheart_opt.system import System
from lionheart_opt.text import shown
from lionheart_opt.workload import Workload

#: By what share prices of tables may differ from costs: by rounding.
SAME = 1e-6


def priced(cost_model: CostModel, system: System, workload: Workload, mapping: Mapping) -> Cost:
    """The cost of a mapping, compared with what the system has.

    Raises:
        InputError: The model cannot price an operation, or what it gives is no cost of this workload on
            this system: no `Cost`, without a time, or with other layers and targets than there are.
    """
    with own_errors(system, "cost"):
        cost = cost_model.cost(workload, mapping)
        problem = _problem(cost, system, workload)
    if problem:
        raise InputError(f"{_model_of(system)}: cost: {problem}")
    return cost.within(system)


def check_tables(
    cost_model: CostModel, system: System, workload: Workload, mappings: Iterable[Mapping]
) -> None:
    """Refuse tables of a cost model that give other prices than its costs.

    Raises:
        InputError: They do, for one of the mappings.
    """
    with own_errors(system, "tables"):
        tables = cost_tables(cost_model, workload)
    if tables is None:
        return
    for mapping in mappings:
        cost = priced(cost_model, system, workload, mapping)
        rows = np.ravel(tables.cost_batch(tables.encode([mapping])))
        if not np.allclose(rows, [cost.latency_s, cost.energy_j], rtol=SAME, atol=0.0):
            raise InputError(
                f"{_model_of(system)}: tables: got {rows[0]:.4g} s and {rows[1]:.4g} J for a mapping "
                f"that costs {cost.latency_s:.4g} s and {cost.energy_j:.4g} J"
            )


@contextmanager
def own_errors(system: System, what: str) -> Iterator[None]:
    """Report errors of a cost model of the user's own in one line, with the line of its code.

    Args:
        system: The system that names the model.
        what: The method.

    Raises:
        InputError: Something else than an `InputError` was raised.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if ":" not in system.family:
            raise  # an error of ours is no bad input
        raise own_error(error, f"{_model_of(system)}: {what}") from error


def _model_of(system: System) -> str:
    return f"{system.where}: family {system.family!r}"


def _problem(cost: object, system: System, workload: Workload) -> str:
    """What is wrong with a cost; empty if nothing is."""
    if not isinstance(cost, Cost):
        return f"got {shown(cost)}; must be a Cost"
    names = [layer.name for layer in cost.layers]
    expected = [layer.name for layer in workload.layers]
    for name, other in zip(names, expected, strict=False):
        if name != other:
            return f"got layer {shown(name)} in place of {other!r}; must have all layers in order"
    if len(names) != len(expected):
        return f"got {len(names)} of {len(expected)} layers; must have all of them"
    targets = {target.name for target in system.targets}
    for layer in cost.layers:
        if layer.target not in targets:
            return (
                f"layer {layer.name!r}: got target {shown(layer.target)}; allowed: "
                f"{', '.join(sorted(targets))}"
            )
    try:
        times = {"latency_s": cost.latency_s, "time per inference": cost.time_per_inference_s}
        is_finite = cost.energy_j < inf
    except OverflowError:
        is_finite = False
    if not is_finite:
        return "the sum over the layers is not finite"
    for name, time_s in times.items():
        if not 0 < time_s < inf:
            return f"{name}: got {time_s:g} s; must be finite and above 0"
    return ""

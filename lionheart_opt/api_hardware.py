"""The part of the front door that compares machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lionheart_opt import plugins
from lionheart_opt.api import named_mapping, system_of
from lionheart_opt.api_arguments import several
from lionheart_opt.api_networks import as_workload
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.roofline import Roofline
from lionheart_opt.hardware.roofline import roofline as roofline_of
from lionheart_opt.hardware.system_comparison import SystemComparison, compare_systems
from lionheart_opt.mapping import Mapping
from lionheart_opt.own_modules import beside
from lionheart_opt.space import Space
from lionheart_opt.system import System
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    from torch import nn


def systems(
    model: Workload | nn.Module | str | dict[str, Any],
    systems: Sequence[str | System] | None = None,
    *,
    example: Any = None,
    batch: int | None = None,
) -> SystemComparison:
    """A network on every system side by side: all-digital, all-analog, and the fastest that fits.

    Args:
        model: A workload, or what `trace` takes.
        systems: Names of systems, paths of TOML files, or systems; all that are installed by default.
        example: As for `trace`.
        batch: As for `cost`.

    Example:
        >>> lo.systems("resnet8").to_frame()

    Raises:
        InputError: A system does not exist, or none can price the network.
    """
    workload = as_workload(model, example, batch)
    if systems is None:
        chosen: Sequence[str | System] = list(plugins.system_names())
    else:
        chosen = [systems] if isinstance(systems, System) else several(systems, "systems")
    if not chosen:
        raise InputError("systems: got none; must be at least one")
    with beside(Path.cwd()):
        return compare_systems(workload, [system_of(system) for system in chosen])


def roofline(
    model: Workload | nn.Module | str | dict[str, Any],
    system: str | System = "lionheart",
    mapping: Mapping | dict[str, str] | str = "all-analog",
    *,
    example: Any = None,
    batch: int | None = None,
) -> Roofline:
    """Operations per byte and per second of each layer, and what its target does at most.

    Args:
        model: A workload, or what `trace` takes.
        system: As for `cost`.
        mapping: As for `cost`.
        example: As for `trace`.
        batch: As for `cost`.

    Example:
        >>> lo.plot.roofline(lo.roofline("resnet8", "lionheart"))

    Raises:
        InputError: The system, the mapping or an operation is not known, or there are no ceilings.
    """
    workload = as_workload(model, example, batch)
    machine = system_of(system)
    space = Space(workload=workload, system=machine)
    with beside(Path.cwd()):
        return roofline_of(workload, machine, named_mapping(space, mapping))

"""What a search moves as a whole: every weight matrix, every layer, every block, or groups by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal, get_args

from lionheart_opt.errors import Collected, InputError
from lionheart_opt.space import matching_units
from lionheart_opt.text import shown
from lionheart_opt.workload import INPUT, Layer, Unit, Workload

#: Sizes of units that have a name.
Granularity = Literal["projections", "layers", "blocks"]
#: A size, patterns each of which is a unit, or names of units with the patterns that belong to each.
Units = Granularity | Sequence[str] | dict[str, tuple[str, ...]]

#: Paths of matrices of a layer that holds several: attention, and recurrent layers.
_PACKED = re.compile(r"(?P<module>(.*\.)?)in_proj_weight\[.*\]")
_PROJECTION = re.compile(r"(?P<module>(.*\.)?)[qkv]_proj_weight")
_RECURRENT = re.compile(r"(?P<module>(.*\.)?)weight_(ih|hh|hr)(_(?P<number>l\d+)(_reverse)?)?")


def with_units(workload: Workload, units: Units, where: str = "units") -> Workload:
    """The same workload with units of another size.

    Args:
        workload: The workload as traced: every weight matrix is a unit, projections of attention
            included.
        units: `projections` leaves it as it is. `layers` joins the projections into one attention, and
            the matrices of a recurrent layer, its directions included. `blocks` joins all matrices of a
            residual or encoder block, and leaves the others in layers. A list has patterns such as
            `layer1.*`, each of which joins the units that it matches; a dictionary gives each group of
            patterns a name. Units that no pattern matches stay as they are.
        where: What error messages call the units.

    Raises:
        InputError: There is no such size, a pattern matches no unit, a unit belongs to two groups, or
            the network has no blocks.
    """
    if isinstance(units, str):
        if units not in get_args(Granularity):
            allowed = ", ".join(f'"{name}"' for name in get_args(Granularity))
            raise InputError(
                f"{where}: got {shown(units)}; must be {allowed}, a list of patterns, or groups"
            )
        layers = {} if units == "projections" else _layers(workload)
        groups = _blocks(workload) if units == "blocks" else {}
        if units == "blocks" and not groups:
            raise InputError(
                f'{where}: network {workload.name!r} has no residual or encoder block; use "layers", '
                "or a list of patterns"
            )
        in_blocks = {member for members in groups.values() for member in members}
        groups |= {name: each for name, each in layers.items() if in_blocks.isdisjoint(each)}
        return _grouped(workload, groups, where)
    patterns = units if isinstance(units, dict) else {pattern: (pattern,) for pattern in units}
    wrong = Collected()
    named: dict[str, tuple[str, ...]] = {}
    for name, members in patterns.items():
        with wrong.collect():
            named[name] = matching_units(workload, members, f"{where}: {shown(name)}")
    wrong.refuse()
    return _grouped(workload, named, where)


def _grouped(workload: Workload, groups: dict[str, Any], where: str) -> Workload:
    try:
        return workload.grouped(groups)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _layers(workload: Workload) -> dict[str, list[str]]:
    """Layers that hold several matrices -> their units."""
    groups: dict[str, list[str]] = {}
    for unit in workload.units:
        layer = _layer_of(workload.paths_of(unit)[0])
        if layer:
            groups.setdefault(layer, []).append(unit.name)
    return {name: members for name, members in groups.items() if len(members) > 1}


def _layer_of(path: str) -> str:
    for pattern in (_PACKED, _PROJECTION):
        if match := pattern.fullmatch(path):
            return f"{match['module']}in_proj"
    if match := _RECURRENT.fullmatch(path):
        return (match["module"] + (match["number"] or "")).strip(".") or "cell"
    return ""


def _blocks(workload: Workload) -> dict[str, list[str]]:
    """Residual and encoder blocks -> their units, in execution order.

    A residual block is what lies between a result and the addition that takes it up again; it is called
    after the module around it. Blocks of one module are one, and so are those in an element of a list
    of modules that adds, too: attention and feed-forward network of `encoder.layers.0`. An addition
    that spans several blocks makes no block.
    """
    block_of: dict[str, str] = {}
    adders: dict[str, list[Layer]] = {}
    for adder, units in sorted(_branches(workload), key=lambda branch: len(branch[1])):
        spanned = {block_of[unit] for unit in units if unit in block_of}
        if len(spanned) < 2:
            name = spanned.pop() if spanned else _module_of(workload, adder, units)
            name = name or (units[0] if len(units) == 1 else f"{units[0]} to {units[-1]}")
            block_of |= dict.fromkeys(units, name)
            adders.setdefault(name, []).append(adder)
    names = set(block_of.values())
    groups: dict[str, list[str]] = {}
    for unit in workload.units:
        name = block_of.get(unit.name) or _block_around(workload, unit, adders, block_of)
        if name:
            groups.setdefault(_outermost(name, names), []).append(unit.name)
    return groups


def _branches(workload: Workload) -> Iterator[tuple[Layer, list[str]]]:
    """Additions, and the units on the ways to each from the result that it takes up again.

    Where none of its operands leads to the other, that is the last result that all ways lead through.
    Additions of recurrent layers are left out.
    """
    layers = list(enumerate(workload.layers, start=1))
    of_units = [(n, layer.name) for n, layer in layers if layer.name in workload.unit_of]
    paths = (path for unit in workload.units for path in workload.paths_of(unit))
    matches = (_RECURRENT.fullmatch(path) for path in paths)
    recurrent = {match["module"].rstrip(".") for match in matches if match}
    number = {INPUT: 0} | {layer.name: n for n, layer in layers}
    ways = [1]  # bits of the layers that lead to a layer, itself included
    through, depth = [0], [0]  # the last layer that all ways lead through, and how many those are
    for n, layer in layers:
        sources = sorted({number[source] for source in layer.inputs})
        shared = sources[0] if sources else 0
        for source in sources[1:]:
            while shared != source:
                if depth[shared] < depth[source]:
                    source = through[source]
                else:
                    shared = through[shared]
        through.append(shared)
        depth.append(depth[shared] + 1)
        leading = 1 << n
        for source in sources:
            leading |= ways[source]
        ways.append(leading)
        if layer.kind == "add" and len(sources) == 2 and layer.module not in recurrent:
            start = sources[0] if ways[sources[1]] >> sources[0] & 1 else shared
            within = [name for at, name in of_units if leading >> at & 1 and at > start]
            if start:
                within = [name for name in within if ways[number[name]] >> start & 1]
            if within:
                yield layer, list(dict.fromkeys(workload.unit_of[name] for name in within))


def _block_around(
    workload: Workload, unit: Unit, adders: dict[str, list[Layer]], block_of: dict[str, str]
) -> str:
    """The block in whose module a unit lies that runs while the block does; empty if there is none.

    The keys of cross attention are an example: they do not depend on what the block reads.
    """
    order = {layer.name: n for n, layer in enumerate(workload.layers)}
    at = order[unit.layers[0]]
    for name, additions in adders.items():
        if all(path.startswith(f"{name}.") for path in workload.paths_of(unit)):
            members = [other for other in workload.units if block_of.get(other.name) == name]
            first = min(order[member.layers[0]] for member in members)
            if first < at < max(order[addition.name] for addition in additions):
                return name
    return ""


def _module_of(workload: Workload, adder: Layer, units: Sequence[str]) -> str:
    """Path of the module around a branch and its addition; empty if there is none in the network.

    Where a module adds the result of an element of a list to something, it is that element. Where the
    network itself adds, it is the module around the branch.
    """
    paths = (path for unit in units for path in workload.paths_of(workload.unit(unit)))
    branch = _common([path.split(".")[:-1] for path in paths])
    around = _common([branch, adder.module.split(".")])
    for length in range(len(around) + 1, len(branch) + 1):
        if branch[length - 1].isdigit():
            return ".".join(branch[:length])
    return ".".join(around or branch)


def _outermost(name: str, names: Collection[str]) -> str:
    """The first of the modules around a module that is an element of a list and a block, or itself."""
    parts = name.split(".")
    around = (".".join(parts[:n]) for n in range(1, len(parts)) if parts[n - 1].isdigit())
    return next((outer for outer in around if outer in names), name)


def _common(paths: Sequence[list[str]]) -> list[str]:
    """The names with which all paths begin."""
    begin: list[str] = []
    for names in zip(*paths, strict=False):
        if len(set(names)) > 1:
            break
        begin.append(names[0])
    return begin

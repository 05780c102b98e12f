"""The same system with other numbers, by their dotted names; arrays take their constants with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from lionheart_opt import plugins
from lionheart_opt.cost import RescalesArrays
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.hardware.arrays import Array, Geometry, change
from lionheart_opt.hardware.constants import Block, Scalar
from lionheart_opt.system import System, Target
from lionheart_opt.text import shown

#: What can be chosen of an array that says what its converters are.
ARRAY_KEYS = tuple(field.name for field in fields(Geometry))


def redesigned(system: System, changes: dict[str, Scalar]) -> System:
    """A copy of a system with other numbers.

    Rows, columns, bits and shared converters of an analog target are scaled from the array that the file
    states: with them change the time, energy and area of a product (`lionheart_opt.hardware.arrays`) and
    the RPU configuration that the oracle simulates. All other numbers are replaced as they are.

    Args:
        system: The original, which is not changed.
        changes: Dotted name of a number (`machine.clusters`, `targets.ima.rows`, `targets.tile.tiles`,
            `links.0.bytes_per_s` of the first link) -> its new value.

    Raises:
        InputError: There is no such number, or it cannot have that value.
    """
    arrays: dict[str, dict[str, Scalar]] = {}
    model = plugins.cost_model(system)
    coupled = model.coupled if isinstance(model, RescalesArrays) else {}
    followers = {other: value for name, value in changes.items() for other in coupled.get(name, ())}
    for name, value in {**followers, **changes}.items():
        block, _, key = name.rpartition(".")
        if block.startswith("targets.") and key in ARRAY_KEYS:
            arrays.setdefault(block.removeprefix("targets."), {})[key] = value
        else:
            system = _with_number(system, name, value)
    for target, numbers in arrays.items():
        system = _with_array(system, system.target(target), numbers)
    plugins.cost_model(system)  # refuses numbers out of range
    return system


def number(system: System, name: str) -> Scalar | None:
    """The number of a dotted name; None where a system leaves it open.

    Raises:
        InputError: There is no such number.
    """
    owner, key, _ = _place(system, name)
    if isinstance(owner, Target) and owner.array is not None and key in ARRAY_KEYS:
        value: Scalar = getattr(geometry(owner, owner.array), key)
        return value
    if isinstance(owner, Target) and key == "tiles":
        return owner.tiles
    if key not in owner.parameters:
        allowed = [*owner.parameters]
        if isinstance(owner, Target):
            allowed += ["tiles", *(ARRAY_KEYS if owner.array is not None else ())]
        raise unknown("number", key, dict.fromkeys(allowed), f"{system.where}: {name}")
    return owner.parameters[key]


def geometry(target: Target, array: Array) -> Geometry:
    """The array that a target states."""
    return Geometry(
        rows=int(target.parameters["rows"]),
        columns=int(target.parameters["columns"]),
        input_bits=array.input_bits,
        output_bits=array.output_bits,
        columns_per_converter=array.columns_per_converter,
    )


def _place(system: System, name: str) -> tuple[Block, str, Callable[[Block], System]]:
    """The block of a dotted name, the key in it, and how to put another block in its place."""
    block, dot, key = name.rpartition(".")
    if block in ("machine", "software") and getattr(system, block) is not None:
        return getattr(system, block), key, lambda new: system.model_copy(update={block: new})
    place, _, target = block.partition(".")
    if place == "links" and target in map(str, range(len(system.links))):
        count = int(target)

        def put_link(new: Block) -> System:
            links = (*system.links[:count], new, *system.links[count + 1 :])
            return system.model_copy(update={"links": links})

        return system.links[count], key, put_link
    if not dot or place != "targets" or not target:
        allowed = "machine.KEY, software.KEY, targets.NAME.KEY, or links.NUMBER.KEY of a link"
        raise InputError(f"{system.where}: got {shown(name)}; must be {allowed}")
    old = system.target(target)

    def put(new: Block) -> System:
        targets = tuple(new if each is old else each for each in system.targets)
        return system.model_copy(update={"targets": targets})

    return old, key, put


def _with_number(system: System, name: str, value: Scalar) -> System:
    before = number(system, name)
    owner, key, put = _place(system, name)
    if key == "tiles" and isinstance(owner, Target):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InputError(f"{name}: got {shown(value)}; must be a whole number, at least 0")
        return put(owner.model_copy(update={"tiles": value}))
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(before, float) and is_number:
        value = float(value)
    if type(value) is not type(before):
        raise InputError(f"{name}: got {shown(value)}; must be like {shown(before)}")
    intervals = {other: known for other, known in owner.intervals.items() if other != key}
    parameters = {**owner.parameters, key: value}
    return put(owner.model_copy(update={"parameters": parameters, "intervals": intervals}))


def _with_array(system: System, target: Target, numbers: dict[str, Any]) -> System:
    where = f"{system.where}: [targets.{target.name}]"
    model = plugins.cost_model(system)
    array = target.array
    if array is not None and not isinstance(model, RescalesArrays):
        raise InputError(
            f"{where}: {', '.join(numbers)}: the family {system.family!r} has no price of other arrays"
        )
    if array is None or not isinstance(model, RescalesArrays):
        raise InputError(
            f"{where}: {', '.join(numbers)}: the system does not say what its converters are "
            "(`array = {...}`), so that another array has no price"
        )
    if target.reprogramming is not None and not {"rows", "columns"}.isdisjoint(numbers):
        raise InputError(
            f"{where}: rows, columns: `reprogramming` holds for the array of the file; "
            "another one has no price"
        )
    stated = geometry(target, array)
    for key, value in numbers.items():
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        is_bits = key.endswith("bits")
        if not (is_whole or (is_bits and isinstance(value, float))) or not 1 <= value <= (
            16 if is_bits else 65_536
        ):
            allowed = "from 1 to 16" if is_bits else "a whole number from 1 to 65,536"
            raise InputError(f"targets.{target.name}.{key}: got {shown(value)}; must be {allowed}")
    wanted = replace(stated, **numbers)
    if wanted.columns_per_converter > wanted.columns:
        raise InputError(
            f"targets.{target.name}.columns_per_converter: got {wanted.columns_per_converter}; must be "
            f"at most the {wanted.columns} columns"
        )
    factors = change(array, stated, wanted)
    scaled_numbers = model.rescaled(target.name, factors)
    parameters = {
        **target.parameters,
        **scaled_numbers,
        "rows": wanted.rows,
        "columns": wanted.columns,
    }
    scaled = array.model_copy(
        update={
            "input_bits": wanted.input_bits,
            "output_bits": wanted.output_bits,
            "columns_per_converter": wanted.columns_per_converter,
            "area_m2": None if array.area_m2 is None else array.area_m2 * factors.area,
        }
    )
    update = {
        "parameters": parameters,
        "intervals": {
            key: known for key, known in target.intervals.items() if key not in scaled_numbers
        },
        "array": scaled,
        "rpu_config": _config(target, stated, wanted),
    }
    new = target.model_copy(update=update)
    targets = tuple(new if each is target else each for each in system.targets)
    return system.model_copy(update={"targets": targets})


def _config(target: Target, stated: Geometry, wanted: Geometry) -> str | None:
    """Name of the RPU configuration of the wanted array; one of the user's own stays as it is."""
    name = target.rpu_config
    same = replace(wanted, columns_per_converter=stated.columns_per_converter) == stated
    if name is None or ":" in name or same:
        return name
    bits = f"{wanted.input_bits:g}/{wanted.output_bits:g} bit"
    return f"{name.partition(' ')[0]} {wanted.rows}x{wanted.columns} {bits}"

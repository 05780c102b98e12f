"""Arguments of the front door: taken as people give them, or refused in one line."""

from __future__ import annotations

from math import inf
from numbers import Integral, Number, Real
from pathlib import Path
from typing import Any

from lionheart_opt.errors import InputError
from lionheart_opt.granularity import Units
from lionheart_opt.text import shown

#: Largest drop that is accepted where nothing is said: a point of accuracy.
USUAL_DROP = 0.01


def path_of(value: str | Path, where: str) -> Path:
    """A path; `where` is the name of the argument."""
    if not isinstance(value, (str, Path)):
        raise InputError(f"{where}: got {shown(value)}; must be a path")
    return Path(value)


def fraction_of(value: float, where: str) -> float:
    """A fraction from 0 to 1."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0.0 <= value <= 1.0:
        raise InputError(f"{where}: got {shown(value)}; must be a fraction from 0 to 1")
    return float(value)


def seed_of(value: int) -> int:
    """A seed of a random generator."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
        raise InputError(f"seed: got {shown(value)}; must be a whole number from 0 on")
    return int(value)


def drop_of(max_drop: float | None, max_relative_drop: float | None) -> tuple[float, bool]:
    """The largest drop, and whether it is a share of the baseline; a point if neither is given."""
    if max_drop is not None and max_relative_drop is not None:
        raise InputError("max_drop and max_relative_drop: both are given; choose one")
    is_relative = max_relative_drop is not None
    value = max_relative_drop if is_relative else USUAL_DROP if max_drop is None else max_drop
    where = "max_relative_drop" if is_relative else "max_drop"
    if not isinstance(value, Real) or isinstance(value, bool) or not 0.0 <= value < inf:
        raise InputError(f"{where}: got {shown(value)}; must be a number from 0 on")
    return float(value), is_relative


def name_of(value: str, where: str) -> str:
    """A name."""
    if not isinstance(value, str):
        raise InputError(f"{where}: got {shown(value)}; must be a name")
    return value


def names_of(value: Any, where: str) -> tuple[str, ...]:
    """Names, given as one or as a sequence."""
    return tuple(name_of(name, where) for name in several(value, where))


def several(value: Any, where: str) -> tuple[Any, ...]:
    """A tuple of what may be given as one value or as a sequence."""
    if isinstance(value, (str, bytes, Number)):
        return (value,)
    try:
        return tuple(value)
    except TypeError:
        raise InputError(f"{where}: got {shown(value)}; must be one value or a list") from None


def table_of(value: dict[Any, Any] | None, where: str) -> dict[Any, Any]:
    """A dictionary; an empty one for None."""
    if value is not None and not isinstance(value, dict):
        raise InputError(f"{where}: got {shown(value)}; must be a dictionary")
    return value or {}


def units_of(value: Any) -> Units:
    """What moves as a whole: the name of a size, patterns, or groups of patterns; None joins nothing."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict):
        groups = table_of(value, "units").items()
        return {name_of(name, "units"): names_of(each, f"units {name!r}") for name, each in groups}
    return names_of(value, "units")


def kind_of(value: object) -> str:
    """What error messages say that a value of the wrong type is."""
    if isinstance(value, type):
        return f"the class {value.__name__}, not an instance of it"
    return "None" if value is None else f"an object of type {type(value).__name__}"

"""What can be explored: numbers of a system with their values, and objectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from lionheart_opt.cost import COST_OBJECTIVES
from lionheart_opt.errors import Collected, InputError, unknown
from lionheart_opt.hardware.area import area_m2
from lionheart_opt.hardware.constants import Scalar
from lionheart_opt.hardware.redesign import number, redesigned
from lionheart_opt.system import System
from lionheart_opt.text import shown

#: What an exploration can minimise.
ExploreObjective = Literal["latency_s", "energy_j", "interval_s", "area_m2"]
EXPLORE_OBJECTIVES: tuple[ExploreObjective, ...] = get_args(ExploreObjective)
USUAL_OBJECTIVES: tuple[ExploreObjective, ...] = ("latency_s", "energy_j", "area_m2")
#: Objectives that an exploration can have at most.
MOST_OBJECTIVES = 3
#: Values of one number at most.
MOST_VALUES = 1_000

#: Values of a number, or a range `from:to:step`.
Values = Sequence[Scalar] | str


def chosen_objectives(
    given: Sequence[ExploreObjective] | None, system: System
) -> tuple[ExploreObjective, ...]:
    """What an exploration minimises; by default time, energy and, where it is known, area.

    Raises:
        InputError: There are none, too many, unknown ones, or areas of a system that gives none.
    """
    has_area = area_m2(system, dict.fromkeys(system.analog_targets, 1)) is not None
    if given is None:
        return USUAL_OBJECTIVES if has_area else USUAL_OBJECTIVES[:2]
    names: tuple[Any, ...] = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if name not in EXPLORE_OBJECTIVES:
            raise unknown("objective", name, EXPLORE_OBJECTIVES)
    if not 1 <= len(names) <= MOST_OBJECTIVES or len(set(names)) < len(names):
        raise InputError(
            f"objectives: got {', '.join(names) or 'none'}; must be one to {MOST_OBJECTIVES}, all "
            "different"
        )
    if not set(names) & set(COST_OBJECTIVES):
        raise InputError("objectives: area_m2 alone has no best mapping; add a time or an energy")
    if "area_m2" in names and not has_area:
        raise InputError(
            f"objectives: area_m2: {system.where} gives no areas; state area_m2 in [targets.NAME.array]"
        )
    return names


def checked_values(vary: dict[str, Values], system: System) -> dict[str, tuple[Scalar, ...]]:
    """The values of each number, each of which can be used alone.

    Raises:
        InputError: A number does not exist, or cannot have a value. All of it is said.
    """
    if not isinstance(vary, dict) or not vary:
        raise InputError(f"vary: got {shown(vary)}; must be names of numbers and their values")
    checked: dict[str, tuple[Scalar, ...]] = {}
    wrong = Collected()
    for name, given in vary.items():
        with wrong.collect():
            number(system, name)
            checked[name] = values_of(name, given)
            for value in checked[name]:
                redesigned(system, {name: value})
    wrong.refuse()
    return checked


def values_of(name: str, given: Values) -> tuple[Scalar, ...]:
    """The values of a number: as they are listed, or those of a range `from:to:step`.

    Raises:
        InputError: There are none, too many, or the same one twice, or the text is no range.
    """
    where = f"vary {name}"
    if isinstance(given, str):
        return _range(where, given)
    plain = given.tolist() if hasattr(given, "tolist") else given  # an array
    given = [each.item() if isinstance(each, np.generic) else each for each in _listed(plain)]
    if not given or not all(isinstance(each, (bool, int, float, str)) for each in given):
        raise InputError(f"{where}: got {shown(plain)}; must be a list of values, or '64:512:64'")
    if len(given) > MOST_VALUES or len(set(given)) < len(given):
        raise InputError(
            f"{where}: got {len(given)} values; must be at most {MOST_VALUES}, all different"
        )
    return tuple(given)


def _listed(given: Any) -> Sequence[Any]:
    """Values in their order; none where they have no order."""
    return given if isinstance(given, (list, tuple, range)) else ()


def _range(where: str, text: str) -> tuple[Scalar, ...]:
    try:
        ends = [float(part) for part in text.split(":")]
    except ValueError:
        ends = []
    if len(ends) != 3 or not np.isfinite(ends).all() or ends[2] <= 0 or ends[1] < ends[0]:
        raise InputError(f"{where}: got {shown(text)}; must be a range such as '64:512:64'")
    first, last, step = ends
    count = int(np.floor((last - first) / step + 1e-9)) + 1
    if count > MOST_VALUES:
        raise InputError(f"{where}: {count:,} values; must be at most {MOST_VALUES:,}")
    is_whole = not any(sign in text for sign in ".eE")
    values = [first + k * step for k in range(count)]
    return tuple(int(value) if is_whole else value for value in values)

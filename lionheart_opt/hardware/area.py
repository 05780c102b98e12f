"""Area of a system with the crossbars of a mapping, and what it reaches for it."""

from __future__ import annotations

from lionheart_opt.cost import Cost
from lionheart_opt.estimates import names_with_ends, with_ends
from lionheart_opt.system import System
from lionheart_opt.workload import Workload

#: Name of the operations for each area, and of the ends of its interval.
DENSITY = names_with_ends(["tops_per_mm2"])


def area_m2(system: System, tiles: dict[str, int]) -> float | None:
    """Area of arrays, converters, and what is said of the rest; None where an array has no area.

    Args:
        system: The system.
        tiles: Analog target -> crossbars of a mapping. They count where the target has no number of
            crossbars of its own.
    """
    machine = system.machine
    total = 0.0 if machine is None or machine.area_m2 is None else machine.area_m2
    for name in system.analog_targets:
        target = system.target(name)
        if target.array is None or target.array.area_m2 is None:
            return None
        count = tiles.get(name, 0) if target.tiles is None else target.tiles
        total += count * (target.array.area_m2 + target.array.beside_m2)
    return total or None


def area_of(cost: Cost, workload: Workload, system: System) -> dict[str, float | None]:
    """Area in m2, and operations per second that the network reaches for each mm2, in units of 10^12.

    Two operations count for each multiply-accumulate. `tops_per_mm2_low` and `tops_per_mm2_high` are the
    ends of the interval of 95 % that follows from the time. The area has none: no source says how well
    areas are known. All are None where the system gives no areas.
    """
    area = area_m2(system, cost.tiles)
    if area is None:
        return {"area_m2": None, **dict.fromkeys(DENSITY)}
    rate = cost.estimate("interval_s").inverse
    density = rate.times(2 * workload.macs / (area * 1e6) / 1e12)
    return {"area_m2": area, **with_ends({DENSITY[0]: density})}

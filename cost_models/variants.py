"""The same system with other numbers: what-if studies, validation, calibration."""

from __future__ import annotations

from lionheart_opt.errors import unknown
from lionheart_opt.hardware.constants import Scalar
from lionheart_opt.system import System


def variant(system: System, block: str, **parameters: Scalar) -> System:
    """A copy with parameters of one block replaced.

    Args:
        system: The original, which is not changed.
        block: `machine`, `software` or the name of a target.
        parameters: New values of keys that the block has. They are exact: their intervals are dropped.

    Raises:
        InputError: There is no such block or key.
    """
    where = f"system {system.name!r}, {block}"
    shared = {"machine": system.machine, "software": system.software}
    owner = shared.get(block) or system.target(block)
    for key in parameters:
        if key not in owner.parameters:
            raise unknown("key", key, owner.parameters, where)
    intervals = {key: known for key, known in owner.intervals.items() if key not in parameters}
    numbers = {"parameters": {**owner.parameters, **parameters}, "intervals": intervals}
    changed = owner.model_copy(update=numbers)
    if owner is shared.get(block):
        return system.model_copy(update={block: changed})
    targets = tuple(changed if target is owner else target for target in system.targets)
    return system.model_copy(update={"targets": targets})

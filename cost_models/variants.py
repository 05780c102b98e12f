"""The same system with other numbers: what-if studies, validation, calibration."""

from __future__ import annotations

from lionheart_opt.errors import unknown
from lionheart_opt.system import Scalar, System


def variant(system: System, block: str, **parameters: Scalar) -> System:
    """A copy with parameters of one block replaced.

    Args:
        system: The original, which is not changed.
        block: `machine` or the name of a target.
        parameters: New values of keys that the block has.

    Raises:
        InputError: There is no such block or key.
    """
    where = f"system {system.name!r}, {block}"
    owner = system.machine if block == "machine" and system.machine else system.target(block)
    for key in parameters:
        if key not in owner.parameters:
            raise unknown("key", key, owner.parameters, where)
    changed = owner.model_copy(update={"parameters": {**owner.parameters, **parameters}})
    if owner is system.machine:
        return system.model_copy(update={"machine": changed})
    targets = tuple(changed if target is owner else target for target in system.targets)
    return system.model_copy(update={"targets": targets})

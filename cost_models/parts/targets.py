"""What families demand of the targets and links of a system: nothing in its file is passed over."""

from __future__ import annotations

from lionheart_opt.cost_models.parts.operations import known_kinds
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.system import System, Target


def refuse_links(system: System) -> None:
    """Refuse tables `[[links]]`, where the family prices no links.

    Raises:
        InputError: There is one.
    """
    if system.links:
        raise InputError(
            f"{system.where}: got {len(system.links)} tables [links]; the family {system.family!r} "
            "prices no links; remove them"
        )


def one_analog_target(system: System) -> Target:
    """The analog target of a system that has nothing but its host and that.

    Raises:
        InputError: It has other targets.
    """
    analog = [target for target in system.targets if target.numerics == "analog"]
    if len(analog) != 1 or len(system.targets) != 2:
        names = ", ".join(repr(target.name) for target in system.targets)
        raise InputError(
            f"{system.where}: got targets {names}; the family {system.family!r} has the host and one "
            "analog target"
        )
    return analog[0]


def check_kinds(system: System) -> None:
    """Refuse kinds of layers that no network has: a target would never run them.

    Raises:
        InputError: A target has such a kind; the message gives the nearest ones.
    """
    known = known_kinds() | set(system.operators)
    for target in system.targets:
        for kind in target.kinds:
            if kind != "*" and kind not in known:
                raise unknown(
                    "kind", kind, known, f"{system.where}: [targets.{target.name}]: kinds"
                )

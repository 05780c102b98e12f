"""What families demand of the targets and links of a system: nothing in its file is passed over."""

from __future__ import annotations

from lionheart_opt.cost_models.parts.operations import known_kinds
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.system import System, Target
from lionheart_opt.text import shown

#: Kinds of layers that are products of one matrix with vectors.
_ON_CROSSBARS = frozenset(
    """linear conv1d conv2d conv3d grouped_conv1d grouped_conv2d conv_transpose1d conv_transpose2d
    conv_transpose3d""".split()
)


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
    """Refuse what a target would never run: kinds of layers that no network, or no crossbar, has.

    Raises:
        InputError: A target has such a kind, or a kernel with other axes than its kinds.
    """
    own = set(system.operators)
    for target in system.targets:
        is_analog = target.numerics == "analog"
        known = (_ON_CROSSBARS if is_analog else known_kinds()) | own
        where = f"{system.where}: [targets.{target.name}]"
        for kind in target.kinds:
            if kind != "*" and kind not in known:
                what = "kind on a crossbar" if is_analog else "kind"
                raise unknown(what, kind, known, f"{where}: kinds")
            axes = kind[-2:-1] if kind.endswith(("1d", "2d", "3d")) else ""
            if axes and target.kernel is not None and len(target.kernel) != int(axes):
                raise InputError(
                    f"{where}: kernel: got {shown(list(target.kernel))}; must have {axes} sizes for "
                    f"{kind!r}"
                )

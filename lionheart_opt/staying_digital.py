"""Which weights no analog target can hold, why, and what would change that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lionheart_opt.space import Space
from lionheart_opt.system import System
from lionheart_opt.workload import Layer

_SHOWN = 3  # names in a line

#: What a crossbar cannot hold: the end of a kind, the reason, and the remedy.
_NO_MATRIX = (
    ("bilinear", "it multiplies two activations with its weights", ""),
    (
        "matmul",
        "its parameter has a matrix for each head or expert",
        "make each of them a parameter of its own",
    ),
    (
        "conv_transpose",
        "transposed convolutions in groups have no matrix",
        "make each group a convolution of its own",
    ),
    (
        "conv3d",
        "three-dimensional convolutions in groups have no matrix",
        "make each group a convolution of its own",
    ),
)
_DEPTHWISE = "each channel has a filter of its own, in a matrix that would be almost all zeros"
_NO_UNIT = (
    "its weights are computed in every pass, some columns of a parameter, a vector, or used the other "
    "way round than elsewhere"
)
_OWN_PARAMETER = "use a whole parameter, or rows of one, always the same way round"


def staying_digital(space: Space) -> list[str]:
    """A line for each reason for which weights stay on the host, with the layers and a remedy.

    Units that the user keeps on the host are left out.

    Args:
        space: The workload, and the system that is to run it.
    """
    if not space.system.analog_targets:
        return []
    layers: dict[tuple[str, str], list[str]] = {}
    for name, reason, remedy in _reasons(space):
        layers.setdefault((reason, remedy), []).append(name)
    return [
        f"{_listed(names)} on the host: {reason}{f'; {remedy}' if remedy else ''}"
        for (reason, remedy), names in layers.items()
    ]


def _reasons(space: Space) -> Iterator[tuple[str, str, str]]:
    """Name of a layer or unit, why it stays on the host, and the remedy."""
    workload, system = space.workload, space.system
    for layer in workload.layers:
        if layer.macs and layer.weight_count and layer.name not in workload.unit_of:
            if layer.kind != "embedding_bag":
                yield layer.name, _NO_UNIT, _OWN_PARAMETER
    for unit in workload.units:
        is_analog = any(name in system.analog_targets for name in space.choices[unit.name])
        if not is_analog and unit.name not in space.digital:
            yield unit.name, *_of_unit(workload.layers_of(unit), system)


def _of_unit(layers: Sequence[Layer], system: System) -> tuple[str, str]:
    """Why no analog target runs a unit, and the remedy."""
    for layer in layers:
        if layer.mvm is None:
            if layer.kind.startswith("depthwise"):
                return _DEPTHWISE, ""
            for part, reason, remedy in _NO_MATRIX:
                if part in layer.kind:
                    return reason, remedy
            return f"a crossbar cannot run {layer.kind!r}", ""
    targets = [system.target(name) for name in system.analog_targets]
    for layer in layers:
        if not any("*" in target.kinds or layer.kind in target.kinds for target in targets):
            kinds = ", ".join(dict.fromkeys(kind for target in targets for kind in target.kinds))
            return (
                f"the analog targets of system {system.name!r} run {kinds} only",
                f"add {layer.kind!r} to their `kinds` in a system file of your own, if they can run it",
            )
    kernels = ", ".join(str(target.kernel) for target in targets if target.kernel)
    if kernels and not any(target.supports(layer) for layer in layers for target in targets):
        return f"the analog targets of system {system.name!r} run kernels of {kernels} only", ""
    return "no analog target runs all of its layers", "make them units of their own"


def _listed(names: Sequence[str]) -> str:
    """Some names, in words."""
    shown = ", ".join(map(repr, names[:_SHOWN]))
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{shown}{rest} {'stays' if len(names) == 1 else 'stay'}"

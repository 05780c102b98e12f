"""Crossbars take turns: where a mapping needs more than there are, some are programmed again and again.

Layers run in the same order in every inference, one after the other, and a layer needs all crossbars of
its matrix at once. Some crossbars of the target are programmed once and stay. The others, `s` of them,
hold what is left of the matrix that is in use: each time that execution comes to a matrix, those of its
crossbars that do not stay are programmed, one after the other, before its layer starts. So `s` is the
largest number of crossbars that any matrix has among those that do not stay.

With `n` crossbars needed, `c` present, and each matrix used once per inference, `n - c + s` crossbars are
programmed per inference, with the least `s` that leaves room for the rest: 1 where that is possible,
which makes `n - c + 1`. A matrix that execution comes back to is programmed each time, so that such
matrices stay first. The plan that programs the fewest crossbars is chosen. The `s` crossbars are used in
turn, so that they wear alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lionheart_opt.cost import Cost
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.reprogramming import Rewriting
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System
from lionheart_opt.workload import Layer, Workload

#: Module and size of a weight matrix, as in `Workload.matrices_of`.
Matrix = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How matrices lie on crossbars.

    Args:
        own: Matrix -> crossbars that hold nothing else.
        shared: Number of crossbars that several matrices share. They always stay.
    """

    own: dict[Matrix, int]
    shared: int = 0

    @property
    def least(self) -> int:
        """The fewest crossbars with which it works."""
        return self.shared + max(self.own.values(), default=0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is programmed during an inference.

    Args:
        moving: Matrix -> number of its crossbars that do not stay.
        places: Number of crossbars of the target that they take turns on.
        rewritten: How many crossbars are programmed per inference.
    """

    moving: dict[Matrix, int]
    places: int
    rewritten: int


def matrix_of(layer: Layer) -> Matrix:
    """The weight matrix that a layer uses."""
    return layer.module, layer.weight_count


def refuse_reprogramming(system: System, why: str) -> None:
    """Refuse targets that are reprogrammed.

    Args:
        system: The system.
        why: Why it cannot have any.

    Raises:
        InputError: There is one.
    """
    for target in system.targets:
        if target.reprogramming is not None:
            raise InputError(f"{system.where}: [targets.{target.name}.reprogramming]: {why}")


def holds_all(
    system: System, workload: Workload, crossbars: Callable[[str, Sequence[str]], int]
) -> bool:
    """Whether no mapping reprograms anything: each target holds all units that it can run.

    Args:
        system: The system.
        workload: The workload.
        crossbars: Crossbars that units, by their names, occupy on a target together.
    """
    able = {unit.name: system.targets_of(workload, unit) for unit in workload.units}
    for target in system.targets:
        if target.reprogramming is not None and target.tiles is not None:
            units = [unit for unit, targets in able.items() if target.name in targets]
            if crossbars(target.name, units) > target.tiles:
                return False
    return True


def with_reprogramming(
    cost: Cost,
    system: System,
    workload: Workload,
    mapping: Mapping,
    layouts: Callable[[str], Sequence[Layout]],
    waiting_w: float = 0.0,
) -> Cost:
    """A cost with the programming of crossbars, on targets that lack some and may be reprogrammed.

    There, `tiles` becomes the number of crossbars that the target has. Where even that is not enough, it
    becomes the fewest with which the mapping would work.

    Args:
        cost: The cost without programming; `tiles` are the crossbars that all matrices need together.
        system: The system.
        workload: The workload.
        mapping: The mapping.
        layouts: Ways to lay out the matrices on a target; the best is taken.
        waiting_w: Power of the machine while it waits.
    """
    tiles, rewriting = dict(cost.tiles), dict(cost.rewriting)
    programmed: dict[str, tuple[float, float]] = {}
    for target in system.targets:
        rule, room = target.reprogramming, target.tiles
        needed = tiles.get(target.name, 0)
        if rule is None or room is None or needed <= room:
            continue
        ways = layouts(target.name)
        runs = _runs(workload, mapping, target.name)
        uses = Counter(matrix for _, matrix in runs)
        plans = [best for way in ways if (best := plan(way, uses, room)) is not None]
        if not plans:
            tiles[target.name] = min(way.least for way in ways)
            continue
        best = min(plans, key=lambda each: each.rewritten)
        for name, matrix in runs:
            if count := best.moving[matrix]:
                time_s = count * rule.crossbar_s
                programmed[name] = (time_s, count * rule.crossbar_j + time_s * waiting_w)
        tiles[target.name] = room
        rewriting[target.name] = Rewriting(
            needed=needed,
            rewritten=best.rewritten,
            lifetime_inferences=None
            if rule.endurance_writes is None
            else rule.endurance_writes * best.places / best.rewritten,
        )
    layers = tuple(
        replace(layer, components=layer.components | {"reprogramming": programmed[layer.name]})
        if layer.name in programmed
        else layer
        for layer in cost.layers
    )
    return replace(cost, layers=layers, tiles=tiles, rewriting=rewriting)


def plan(layout: Layout, uses: dict[Matrix, int], room: int) -> Plan | None:
    """The plan that programs the fewest crossbars per inference.

    Args:
        layout: How the matrices lie; they need more than `room`.
        uses: Matrix -> how often execution comes to it in an inference.
        room: Crossbars that there are.

    Returns:
        None where a matrix alone finds no room.
    """
    if layout.least > room:
        return None
    own = sorted(layout.own, key=lambda matrix: uses[matrix])
    lacking = layout.shared + sum(layout.own.values()) - room
    best: Plan | None = None
    for places in range(1, max(layout.own.values(), default=0) + 1):
        left = lacking + places
        if best is not None and left >= best.rewritten:
            break  # more places need more programming
        moving = dict.fromkeys(own, 0)
        for matrix in own:
            moving[matrix] = min(layout.own[matrix], places, left)
            left -= moving[matrix]
        rewritten = sum(count * uses[matrix] for matrix, count in moving.items())
        if not left and (best is None or rewritten < best.rewritten):
            best = Plan(moving=moving, places=places, rewritten=rewritten)
    return best


def _runs(workload: Workload, mapping: Mapping, target: str) -> list[tuple[str, Matrix]]:
    """Layers of a target and their matrices, wherever execution comes from another matrix.

    Inferences follow each other, so that the first layer comes after the last.
    """
    units = set(mapping.units_on(target))
    layers = [layer for layer in workload.layers if workload.unit_of.get(layer.name) in units]
    before = [matrix_of(layer) for layer in (*layers[-1:], *layers[:-1])]
    return [
        (layer.name, matrix_of(layer))
        for layer, last in zip(layers, before, strict=True)
        if matrix_of(layer) != last
    ]

"""The search space: which mappings of a workload a system can run."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from lionheart_opt.errors import Collected, InputError, unknown
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System
from lionheart_opt.workload import INPUT, Unit, Workload


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Space:
    """All complete mappings of a workload onto a system.

    Args:
        workload: What must run.
        system: What it can run on.
        digital: Names of units that stay on the host, or patterns such as `layer1.*`; see
            `matching_units`.

    Raises:
        InputError: An entry of `digital` matches no unit.
    """

    workload: Workload
    system: System
    digital: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        units = matching_units(self.workload, self.digital, "digital")
        object.__setattr__(self, "digital", units)

    def __repr__(self) -> str:
        return (
            f"Space({self.workload.name!r} on {self.system.name!r}: {len(self.units)} units with a "
            f"choice of {len(self.workload.units)})"
        )

    @cached_property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """Name of each unit of the workload -> names of the targets that can run it, host first."""
        return {
            unit.name: (self.system.host,)
            if unit.name in self.digital
            else self.system.targets_of(self.workload, unit)
            for unit in self.workload.units
        }

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The units that have a choice, in execution order: the search space."""
        return tuple(unit for unit in self.workload.units if len(self.choices[unit.name]) > 1)

    @cached_property
    def _unit_macs(self) -> dict[str, int]:
        return {unit.name: self.workload.unit_macs(unit) for unit in self.workload.units}

    @cached_property
    def all_digital(self) -> Mapping:
        """Every unit on the host."""
        return Mapping.of(dict.fromkeys(self.choices, self.system.host))

    @cached_property
    def forced(self) -> tuple[str, ...]:
        """Names of the units that the host cannot run: with any, all-digital is no mapping."""
        host = self.system.host
        return tuple(unit for unit, targets in self.choices.items() if host not in targets)

    @cached_property
    def all_analog(self) -> Mapping:
        """Every unit on the first analog target that can run it.

        Where analog targets are alike but for the digital target that drives them, as the tiles of
        several cores are, consecutive units are dealt to them so that each has about the same MACs.

        Of the rest, those for which the system has an engine, a digital target that does not run every
        kind of layer, are on the first such engine, as in Garofalo et al. 2022 (JETCAS 12(2)). All others
        are on the host.
        """
        mapping = {unit: self._accelerator(unit) for unit in self.choices}
        for alike in self._alike_tiles.values():
            units = [unit for unit, target in mapping.items() if target == alike[0]]
            macs = [self.workload.unit_macs(self.workload.unit(unit)) for unit in units]
            ends = np.cumsum([float(count) for count in macs])
            for unit, middle in zip(units, ends - np.divide(macs, 2), strict=True):
                share = int(len(alike) * middle / ends[-1]) if ends[-1] else 0
                mapping[unit] = alike[min(share, len(alike) - 1)]
        return self.mapping(mapping)

    @cached_property
    def _alike_tiles(self) -> dict[str, list[str]]:
        """Description -> analog targets that differ only in the target that drives them."""
        names = {target.name for target in self.system.targets}
        groups: dict[str, list[str]] = {}
        for name in self.system.analog_targets:
            target = self.system.target(name)
            if not names.isdisjoint(map(str, target.parameters.values())):
                numbers = {
                    key: "" if str(value) in names else value
                    for key, value in target.parameters.items()
                }
                changes = {"name": "", "source": "", "parameters": numbers}
                groups.setdefault(repr(target.model_copy(update=changes).__dict__), []).append(name)
        return groups

    def _accelerator(self, unit: str) -> str:
        analog = self.analog_target(unit)
        engines = (name for name in self.choices[unit] if "*" not in self.system.target(name).kinds)
        return analog if analog != self.system.host else next(engines, analog)

    def analog_target(self, unit: str) -> str:
        """The first analog target that can run the unit; the host where none can.

        Raises:
            InputError: The unit does not exist.
        """
        if unit not in self.choices:
            raise unknown("unit", unit, self.choices)
        analog = (name for name in self.choices[unit] if name in self.system.analog_targets)
        return next(analog, self.system.host)

    def analog(self, units: Iterable[str]) -> Mapping:
        """The given units on the first analog target that can run each, everything else on the host.

        Raises:
            InputError: A unit does not exist.
        """
        return self.mapping({unit: self.analog_target(unit) for unit in units})

    def mapping(self, assignments: dict[str, str]) -> Mapping:
        """A complete mapping: the given assignments, everything else on the host.

        Raises:
            InputError: A unit does not exist, or its target cannot run it.
        """
        mapping = Mapping.of({**self.all_digital.to_json(), **assignments})
        self.check(mapping)
        return mapping

    def check(self, mapping: Mapping) -> None:
        """Refuse a mapping that is incomplete or gives a target a unit that it cannot run.

        Raises:
            InputError: The message names the unit, the target and what is allowed.
        """
        for unit in mapping:
            if unit not in self.choices:
                raise unknown("unit", unit, self.choices, "mapping")
        for unit, allowed in self.choices.items():
            if mapping[unit] not in allowed:
                self.system.target(mapping[unit])
                raise InputError(
                    f"mapping: target {mapping[unit]!r} cannot run unit {unit!r}; "
                    f"allowed: {', '.join(allowed)}"
                )

    def analog_mac_ratio(self, mapping: Mapping) -> float:
        """MACs on analog targets divided by all MACs (LionHeart, section IV-E)."""
        on_tiles = self.system.analog_targets
        analog = sum(macs for name, macs in self._unit_macs.items() if mapping[name] in on_tiles)
        return analog / self.workload.macs if self.workload.macs else 0.0


def matching_units(workload: Workload, patterns: Iterable[str], where: str) -> tuple[str, ...]:
    """Names of the units that the patterns match, each once, in the order of the patterns.

    A pattern is the name of a unit, or has `*`, `?` or `[...]` as file names do (`fnmatch`). Letters
    count as they are written.

    Args:
        workload: Has the units.
        patterns: Names and patterns.
        where: What error messages call the patterns.

    Raises:
        InputError: A pattern matches no unit; all such patterns are named.
    """
    names = [unit.name for unit in workload.units]
    matching: dict[str, None] = {}
    wrong = Collected()
    for pattern in patterns:
        with wrong.collect():
            if not isinstance(pattern, str):
                raise InputError(f"{where}: got {pattern!r}; must be the name of a unit")
            matches = [name for name in names if name == pattern] or [
                name for name in names if fnmatchcase(name, pattern)
            ]
            if not matches:
                raise unknown("unit", pattern, names, where)
            matching |= dict.fromkeys(matches)
    wrong.refuse()
    return tuple(matching)


def by_macs_descending(workload: Workload, units: Sequence[Unit]) -> list[Unit]:
    """Units by MACs, most first; ties keep execution order (LionHeart, section III, step 1)."""
    return sorted(units, key=workload.unit_macs, reverse=True)


def analog_moves(space: Space) -> list[tuple[str, str]]:
    """(unit, target) for every unit and each analog target that can run it, in execution order."""
    analog = space.system.analog_targets
    return [
        (unit.name, target)
        for unit in space.units
        for target in space.choices[unit.name]
        if target in analog
    ]


def analog_units(space: Space) -> tuple[str, ...]:
    """Names of the units that an analog target can run, in execution order."""
    return tuple(dict.fromkeys(unit for unit, _ in analog_moves(space)))


def neighbours(space: Space, units: Collection[str] | None = None) -> list[tuple[str, str]]:
    """(producer, consumer): pairs of units of which the second reads the result of the first.

    A result also counts as read through layers in between: activations, norms, additions, and units
    that are not in `units`. Noise passes through all of them, residual additions included; and a cost
    model may place them with what they read. A pair is listed once, in whichever direction comes first.

    Args:
        space: Gives the workload and the default of `units`.
        units: Names of the units to pair; by default all that have a choice.
    """
    paired = {unit.name for unit in space.units} if units is None else set(units)
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    carried: dict[str, list[str]] = {INPUT: []}  # layer -> units whose results its result carries
    for layer in space.workload.layers:
        read = list(dict.fromkeys(unit for source in layer.inputs for unit in carried[source]))
        unit = space.workload.unit_of.get(layer.name)
        if unit is None or unit not in paired:
            carried[layer.name] = read
            continue
        carried[layer.name] = [unit]
        for producer in read:
            if producer != unit:
                pairs.setdefault(frozenset((producer, unit)), (producer, unit))
    return list(pairs.values())


def size(space: Space) -> int:
    """Number of mappings in the space."""
    return prod(len(space.choices[unit.name]) for unit in space.units)


def every_mapping(space: Space) -> Iterator[Mapping]:
    """Every mapping, all-digital first."""
    names = [unit.name for unit in space.units]
    digital = space.all_digital.to_json()
    for targets in product(*(space.choices[name] for name in names)):
        yield Mapping.of({**digital, **dict(zip(names, targets, strict=True))})


def random_mapping(space: Space, rng: np.random.Generator) -> Mapping:
    """A mapping drawn uniformly."""
    targets = space.all_digital.to_json()
    for unit in space.units:
        allowed = space.choices[unit.name]
        targets[unit.name] = allowed[int(rng.integers(len(allowed)))]
    return Mapping.of(targets)


def random_unseen(space: Space, rng: np.random.Generator, seen: Container[Mapping]) -> Mapping:
    """A mapping drawn uniformly from those that are not in `seen`, of which there must be one."""
    while (mapping := random_mapping(space, rng)) in seen:
        pass
    return mapping

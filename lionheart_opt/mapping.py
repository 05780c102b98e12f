"""Mapping: which target runs each unit. Candidate: a mapping and the weights it starts from."""

from __future__ import annotations

import collections.abc
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from dataclasses import dataclass, replace
from functools import cache, cached_property
from html import escape
from itertools import chain, starmap
from typing import Any, Literal, get_args

from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.text import shown

#: How a candidate's weights are obtained before they are programmed, cheapest first: the starting
#: weights as they are; weights trained once for all mappings; a short and a full hardware-aware
#: training (HAT).
Training = Literal["none", "one_shot", "short", "full"]
TRAININGS: tuple[Training, ...] = get_args(Training)


@dataclass(frozen=True, repr=False)
class Mapping:
    """Unit name -> target name, for every unit of a workload. Immutable; equal by value.

    It reads like a dictionary: `mapping["conv1"]`, `dict(mapping)`, `mapping.items()`. The order of the
    units is the workload's and does not take part in equality. `Mapping.of` makes one of a dictionary.

    Raises:
        InputError: The assignments are not pairs of names, or a unit is assigned twice.
    """

    assignments: tuple[tuple[str, str], ...]

    @staticmethod
    def of(assignments: dict[str, str]) -> Mapping:
        """The mapping of a dictionary."""
        return Mapping(tuple(assignments.items()))

    def __post_init__(self) -> None:
        if isinstance(self.assignments, (dict, Mapping)):
            raise InputError("mapping: got a dictionary; write Mapping.of({unit: target, ...})")
        if not isinstance(self.assignments, tuple) or not _are_pairs(self.assignments):
            for pair in self.assignments if isinstance(self.assignments, tuple) else ():
                if isinstance(pair, tuple) and len(pair) == 2 and not _is_pair(pair):
                    unit, target = map(shown, pair)
                    raise InputError(
                        f"mapping: got unit {unit} on target {target}; both must be names"
                    )
            raise InputError(
                "mapping: must be a tuple of pairs (unit name, target name); "
                "Mapping.of({unit: target, ...}) takes a dictionary"
            )
        if len(dict(self.assignments)) != len(self.assignments):
            raise InputError("mapping: a unit is assigned twice")

    @cached_property
    def _targets(self) -> dict[str, str]:
        return dict(self.assignments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._targets == other._targets

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(frozenset(self.assignments))

    def __getstate__(self) -> dict[str, Any]:
        return {"assignments": self.assignments}  # hashes of strings differ between processes

    def __getitem__(self, unit: str) -> str:
        """Name of the target that runs the unit; InputError if the unit does not exist."""
        try:
            return self._targets[unit]
        except KeyError:
            raise unknown("unit", unit, self._targets, "mapping") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self.assignments)

    def __contains__(self, unit: object) -> bool:
        return unit in self._targets

    def keys(self) -> KeysView[str]:
        """Names of the units."""
        return self._targets.keys()

    def values(self) -> ValuesView[str]:
        """Names of the targets, in the order of the units."""
        return self._targets.values()

    def items(self) -> ItemsView[str, str]:
        """Pairs (unit name, target name)."""
        return self._targets.items()

    def move(self, unit: str, target: str) -> Mapping:
        """The mapping that differs in one unit."""
        self[unit]
        return Mapping(
            tuple((name, target if name == unit else old) for name, old in self.assignments)
        )

    def units_on(self, target: str) -> tuple[str, ...]:
        """Units that the target runs."""
        return tuple(unit for unit, name in self.assignments if name == target)

    def to_json(self) -> dict[str, str]:
        """A plain dictionary; `of` gives an equal mapping back."""
        return dict(self.assignments)

    @cached_property
    def digest(self) -> str:
        """Digest of the assignments, the same on every machine."""
        return digest(self.to_json())

    def __repr__(self) -> str:
        """The units of each target: `Mapping(cpu: fc; tile: conv1, conv2)`."""
        targets = dict.fromkeys(self.values())
        groups = [f"{target}: {', '.join(self.units_on(target))}" for target in targets]
        return f"Mapping({'; '.join(groups)})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(unit)}</td><td>{escape(target)}</td></tr>"
            for unit, target in self.assignments
        )
        return f"<table><thead><tr><th>unit</th><th>target</th></tr></thead>{rows}</table>"


# pandas, rich and others show whatever is registered as a mapping like a dictionary
collections.abc.Mapping.register(Mapping)  # noqa: TID251


def _are_pairs(assignments: tuple[Any, ...]) -> bool:
    """Whether all are pairs of texts; records hold many, and these sets are made quickly."""
    if set(map(type, assignments)) <= {tuple} and set(map(len, assignments)) <= {2}:
        if set(map(type, chain.from_iterable(assignments))) <= {str}:
            return True
    return all(map(_is_pair, assignments))


def _is_pair(assignment: object) -> bool:
    return (
        isinstance(assignment, tuple)
        and len(assignment) == 2
        and isinstance(assignment[0], str)
        and isinstance(assignment[1], str)
    )


@cache
def _pair(unit: str, target: str) -> tuple[str, str]:
    """The same object for the same names: records hold many mappings."""
    return unit, target


@dataclass(frozen=True, repr=False)
class Candidate:
    """A mapping, and the candidate whose trained weights its own training starts from.

    Args:
        mapping: Where each unit runs.
        parent: The candidate whose weights it starts from; None is the floating-point network.
        training: How its weights are obtained; None is what the problem asks for (`Problem.resolved`).
    """

    mapping: Mapping
    parent: Candidate | None = None
    training: Training | None = None

    def __repr__(self) -> str:
        trainings = [candidate.training or "as the problem says" for candidate in self.lineage]
        return f"Candidate({self.mapping!r}, trainings, latest first: {', '.join(trainings)})"

    def move(self, unit: str, target: str) -> Candidate:
        """A child: one unit moved, training started from this candidate's weights."""
        return Candidate(self.mapping.move(unit, target), parent=self, training=self.training)

    def with_training(self, training: Training) -> Candidate:
        """The same mapping and start, trained differently."""
        return replace(self, training=training)

    def resolved(self, training: Training) -> Candidate:
        """The same lineage, with this training wherever a candidate does not say one."""
        parent = self.parent and self.parent.resolved(training)
        return Candidate(self.mapping, parent, self.training or training)

    @property
    def trained_by(self) -> Training:
        """The training of a resolved candidate.

        Raises:
            ValueError: The candidate is not resolved: it, or one that it starts from, does not say its
                training.
        """
        if self.training is None or any(ancestor.training is None for ancestor in self.lineage):
            raise ValueError(
                f"{self!r} is not resolved; ask an oracle about `problem.resolved(candidate)`"
            )
        return self.training

    @property
    def lineage(self) -> Iterator[Candidate]:
        """This candidate, what it starts from, what that starts from, and so on."""
        candidate: Candidate | None = self
        while candidate is not None:
            yield candidate
            candidate = candidate.parent

    @cached_property
    def digest(self) -> str:
        """Digest of the whole lineage: equal digests mean equal weights under one oracle and seed."""
        return digest(
            {
                "mapping": self.mapping.digest,
                "parent": self.parent.digest if self.parent else None,
                "training": self.training,
            }
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data of the whole lineage, oldest first: the first mapping whole, then what moved.

        Grows with the number of moves, not with their product with the number of units.
        """
        moved = dict(self.mapping.assignments)
        older: list[dict[str, Any]] = []
        if self.parent is not None:
            older = self.parent.to_json()
            moved = {u: t for u, t in moved.items() if self.parent.mapping[u] != t}
        return [*older, {"moved": moved, "training": self.training}]

    @staticmethod
    def from_json(data: list[dict[str, Any]]) -> Candidate:
        """The candidate of `to_json`'s data."""
        candidate: Candidate | None = None
        for step in data:
            if step["training"] not in (None, *TRAININGS):
                raise unknown("training", str(step["training"]), TRAININGS)
            before = candidate.mapping.to_json() if candidate else {}
            pairs = tuple(starmap(_pair, {**before, **step["moved"]}.items()))
            candidate = Candidate(Mapping(pairs), candidate, step["training"])
        if candidate is None:
            raise ValueError("a lineage has at least one candidate")
        return candidate

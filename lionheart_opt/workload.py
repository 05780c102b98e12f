"""What must run: every operation of one inference, and the units that a search may move."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from html import escape
from math import isqrt
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.layer import INPUT, Edge, Layer, Mvm, Shape, layer_from_json
from lionheart_opt.text import shown
from lionheart_opt.text_files import parse_json, read_text, write_text

if TYPE_CHECKING:
    import pandas

__all__ = ["INPUT", "Edge", "Layer", "Mvm", "Shape", "Unit", "Workload"]

#: Inferences of a batch at most.
MOST_IN_BATCH = 1_000_000
_SHOWN = 3  # layers of a unit that its `repr` names


@dataclass(frozen=True, kw_only=True, repr=False)
class Unit:
    """What a search moves as a whole: one weight matrix, or a named group of them.

    Args:
        name: Unique name.
        layers: Names of the layers of the workload that use its weights. A matrix that is used twice
            has two.
    """

    name: str
    layers: tuple[str, ...]

    def __repr__(self) -> str:
        layers = ", ".join(self.layers[:_SHOWN])
        rest = f", ... {len(self.layers)} layers" if len(self.layers) > _SHOWN else ""
        return f"Unit({self.name!r}: {layers}{rest})"


def _check_mvm(layer: Layer, mvm: Mvm, where: str) -> None:
    """Refuse a crossbar's view of another layer: it would be priced as another one on each target."""
    if min(mvm.rows, mvm.columns, mvm.count) < 1:
        raise InputError(f"{where}: got {mvm}; rows, columns and count must be 1 or more")
    cells, of_groups = mvm.rows * mvm.columns, f" in {layer.groups} groups" * (layer.groups > 1)
    if cells != layer.weight_count * layer.groups:
        raise InputError(
            f"{where}: mvm: {mvm.rows} rows and {mvm.columns} columns do not hold the layer's "
            f"{layer.weight_count:,} weights{of_groups} (weight_count)"
        )
    if not mvm.count <= layer.macs * layer.groups <= cells * mvm.count:  # fewer: of some rows only
        raise InputError(
            f"{where}: mvm: {mvm.count:,} products of {mvm.rows} rows and {mvm.columns} columns are not "
            f"the layer's {layer.macs:,} MACs{of_groups} (macs)"
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Workload:
    """Every operation of one inference in execution order, and its units.

    Layers that belong to no unit (activations, sums, norms, attention products) run on the host.

    Args:
        name: What messages and reports call it.
        layers: All operations, in execution order.
        units: What a search may move.
        batch: Inferences that run together. Layers, and all counts, are those of one of them.

    Raises:
        InputError: There is no layer, a name is used twice, layers and units do not fit together, a layer
            computes nothing, or the batch is not a whole number from 1 on.
    """

    name: str
    layers: tuple[Layer, ...]
    units: tuple[Unit, ...]
    batch: int = 1

    def __post_init__(self) -> None:
        is_whole = isinstance(self.batch, Integral) and not isinstance(self.batch, bool)
        if not is_whole or not 1 <= self.batch <= MOST_IN_BATCH:
            raise InputError(
                f"batch: got {shown(self.batch)}; must be a whole number from 1 to {MOST_IN_BATCH:,}"
            )
        if not self.layers:
            raise InputError(f"workload {shown(self.name)}: has no layers")
        names = [layer.name for layer in self.layers]
        texts = [t for x in self.layers for t in (x.name, x.kind, x.module, *x.inputs)]
        for text in (self.name, *texts, *(unit.name for unit in self.units)):
            if not isinstance(text, str) or not text.isprintable():
                raise InputError(
                    f"workload: got {shown(text)}; must be a text, without line breaks"
                )
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise InputError(f"workload {self.name!r}: layer names used twice: {', '.join(twice)}")
        sources = {INPUT}  # what has run before the layer
        for layer in self.layers:
            where = f"workload {self.name!r}, {layer.name}"
            if len(layer.inputs) != len(layer.input_shapes):
                n_shapes = len(layer.input_shapes)
                raise InputError(
                    f"{where}: {len(layer.inputs)} inputs, but {n_shapes} input_shapes"
                )
            if not layer.output_count:
                raise InputError(
                    f"{where}: output_shape: got {layer.output_shape}; has no elements, so that the "
                    "layer computes nothing; leave it out"
                )
            if layer.mvm is not None:
                _check_mvm(layer, layer.mvm, where)
            for source in layer.inputs:
                if source not in sources:
                    if source in names:
                        raise InputError(f"{where}: reads {source!r}, which runs later")
                    raise unknown("layer", source, [INPUT, *names], where)
            sources.add(layer.name)
        owner: dict[str, str] = {}
        for unit in self.units:
            for name in unit.layers:
                if name not in sources or name == INPUT:
                    raise unknown(
                        "layer", name, names, f"workload {self.name!r}, unit {unit.name!r}"
                    )
                if name in owner:
                    raise InputError(
                        f"workload {self.name!r}: layer {name!r} is in units {owner[name]!r} "
                        f"and {unit.name!r}"
                    )
                owner[name] = unit.name
        if len({unit.name for unit in self.units}) != len(self.units):
            raise InputError(f"workload {self.name!r}: a unit name is used twice")

    @cached_property
    def _layer_by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def _unit_by_name(self) -> dict[str, Unit]:
        return {unit.name: unit for unit in self.units}

    @cached_property
    def unit_of(self) -> dict[str, str]:
        """Layer name -> name of its unit, for the layers that belong to one."""
        return {name: unit.name for unit in self.units for name in unit.layers}

    def layer(self, name: str) -> Layer:
        """The layer of that name; InputError with the nearest names if there is none."""
        if name not in self._layer_by_name:
            raise unknown("layer", name, self._layer_by_name, f"workload {self.name!r}")
        return self._layer_by_name[name]

    def unit(self, name: str) -> Unit:
        """The unit of that name; InputError with the nearest names if there is none."""
        if name not in self._unit_by_name:
            raise unknown("unit", name, self._unit_by_name, f"workload {self.name!r}")
        return self._unit_by_name[name]

    def layers_of(self, unit: Unit) -> tuple[Layer, ...]:
        """The unit's layers in execution order."""
        return tuple(self._layer_by_name[name] for name in unit.layers)

    def paths_of(self, unit: Unit) -> tuple[str, ...]:
        """Paths of the unit's weight matrices (see `Layer.module`), each once."""
        return tuple(dict.fromkeys(layer.module for layer in self.layers_of(unit)))

    def matrices_of(self, unit: Unit) -> tuple[Layer, ...]:
        """The first layer of each weight matrix of the unit, in execution order.

        A matrix that several layers use, such as that of a module that is called twice, counts once.
        """
        first: dict[tuple[str, int], Layer] = {}
        for layer in self.layers_of(unit):
            first.setdefault((layer.module, layer.weight_count), layer)
        return tuple(first.values())

    def unit_macs(self, unit: Unit) -> int:
        """MACs of all layers of the unit, for one inference."""
        return sum(layer.macs for layer in self.layers_of(unit))

    @property
    def crossbar_units(self) -> tuple[Unit, ...]:
        """Units all of whose layers a crossbar could run (LionHeart's mappable layers)."""
        return tuple(
            unit for unit in self.units if all(layer.mvm for layer in self.layers_of(unit))
        )

    @cached_property
    def macs(self) -> int:
        """MACs of one inference, products of activations included."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_count(self) -> int:
        """Weights of all units (each matrix once), without biases and norms."""
        return sum(layer.weight_count for unit in self.units for layer in self.matrices_of(unit))

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All data flow, in execution order of the readers; the network's input is a source too."""
        return tuple(edge for layer in self.layers for edge in layer.edges)

    def grouped(self, groups: dict[str, Sequence[str]]) -> Workload:
        """The same workload with units merged.

        Args:
            groups: Group name -> names of the units that move together.

        Raises:
            InputError: A unit does not exist or is in two groups, or a group has the name of a unit
                outside it.
        """
        group_of: dict[str, str] = {}
        for group, members in groups.items():
            if group in self._unit_by_name and group not in members:
                raise InputError(f"group {group!r}: that is the name of a unit outside the group")
            for member in members:
                self.unit(member)
                if member in group_of:
                    raise InputError(
                        f"unit {member!r} is in groups {group_of[member]!r} and {group!r}"
                    )
                group_of[member] = group
        merged: dict[str, tuple[str, ...]] = {}
        for unit in self.units:
            name = group_of.get(unit.name, unit.name)
            merged[name] = merged.get(name, ()) + unit.layers
        units = tuple(Unit(name=name, layers=layers) for name, layers in merged.items())
        return replace(self, units=units)

    def with_batch(self, batch: int) -> Workload:
        """The same network for so many inferences together.

        Raises:
            InputError: The batch is not a whole number from 1 on.
        """
        if batch is self.batch:
            return self
        is_number = isinstance(batch, Integral) and not isinstance(batch, bool)
        return replace(self, batch=int(batch) if is_number else batch)

    @cached_property
    def whole_batch(self) -> Workload:
        """The same work as a single inference, whose layers have the whole batch."""
        if self.batch == 1:
            return self
        layers = tuple(layer.repeated(self.batch) for layer in self.layers)
        return replace(self, layers=layers, batch=1)

    @cached_property
    def runs(self) -> dict[int, Workload]:
        """Every way to cut the batch into equal runs, the whole batch first.

        Keys are the inferences of a run, values the work of a run as a single inference.
        """
        sizes = {
            size
            for count in range(1, isqrt(self.batch) + 1)
            if self.batch % count == 0
            for size in (count, self.batch // count)
        }
        return {size: self.with_batch(size).whole_batch for size in sorted(sizes, reverse=True)}

    def to_frame(self) -> pandas.DataFrame:
        """One row a layer, in execution order.

        Columns: `name`, `kind`, `unit` (missing where the layer belongs to none), `macs`, `weights`,
        `inputs`, `input_shapes`, `output_shape`.
        """
        import pandas

        return pandas.DataFrame(
            {
                "name": [layer.name for layer in self.layers],
                "kind": [layer.kind for layer in self.layers],
                "unit": [self.unit_of.get(layer.name) for layer in self.layers],
                "macs": [layer.macs for layer in self.layers],
                "weights": [layer.weight_count for layer in self.layers],
                "inputs": [layer.inputs for layer in self.layers],
                "input_shapes": [layer.input_shapes for layer in self.layers],
                "output_shape": [layer.output_shape for layer in self.layers],
            }
        )

    def __repr__(self) -> str:
        return (
            f"Workload({self.name!r}: {len(self.layers)} layers, {len(self.units)} units, "
            f"{self.macs:,} MACs, {self.weight_count:,} weights"
            + (f", batch of {self.batch})" if self.batch > 1 else ")")
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(index=False)}"

    @cached_property
    def digest(self) -> str:
        """Digest of everything in it."""
        return digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` gives an equal workload back."""
        data = asdict(self)
        if self.batch == 1:  # as in files and records of versions that did not know it
            del data["batch"]
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> Workload:
        """The workload of `to_json`'s data.

        Raises:
            InputError: The data do not describe a workload.
        """
        try:
            layers = tuple(layer_from_json(item) for item in data["layers"])
            units = tuple(Unit(name=u["name"], layers=tuple(u["layers"])) for u in data["units"])
            batch = data.get("batch", 1)
            return Workload(name=data["name"], layers=layers, units=units, batch=batch)
        except (KeyError, TypeError) as error:
            raise InputError(f"not a workload: {shown(error)}") from error

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_text(path, json.dumps(self.to_json(), indent=1) + "\n")

    @staticmethod
    def load(path: Path) -> Workload:
        """Read a workload from JSON.

        Raises:
            InputError: The file cannot be read or does not describe a workload.
        """
        data = parse_json(read_text(path), str(path))
        try:
            return Workload.from_json(data)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

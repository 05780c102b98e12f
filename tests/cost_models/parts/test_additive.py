"""Sums over layers: as a breakdown and as tables."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from small_networks import convolution, network, operator, two_targets

from lionheart_opt.cost_models.parts.additive import (
    additive_tables,
    layer_cost,
    layer_costs,
    target_of,
)
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import Target
from lionheart_opt.workload import Layer, Mvm


class TestTables:
    def test_tables_may_be_infinite_only_where_a_target_cannot_run_a_unit(self) -> None:
        def price(layer: Layer, target: Target) -> dict[str, tuple[float, float]]:
            return {"compute": (1.0, 1.0)}

        workload = network(convolution("a"), operator("relu", "relu", "a"))
        tables = additive_tables(two_targets(), workload, price, lambda *_: 1.0)
        for value in (nan, -inf):
            unit = tables.unit.copy()
            unit[0, 1, 0] = value
            with pytest.raises(InputError, match="cost tables: unit 'a' on 'tile': got"):
                replace(tables, unit=unit)
        replace(tables, unit=np.full_like(tables.unit, inf))
        with pytest.raises(InputError, match="cost tables: fixed"):
            replace(tables, fixed=np.array([inf, 0.0]))
        with pytest.raises(InputError, match="cost tables: tiles"):
            replace(tables, tiles=tables.tiles * nan)
        pairs, pair = np.array([[0, 0]]), np.full((1, 2, 2, 2), nan)
        with pytest.raises(InputError, match="cost tables: units 'a' and 'a'"):
            replace(tables, pairs=pairs, pair=pair)


class TestAdditive:
    """A price of 1 s on the processor, 0.1 s on the tile, for each MAC; 2 J a second."""

    workload = network(
        operator("relu", "relu"), convolution("a", "relu"), convolution("b", "a", channels=2)
    )

    @staticmethod
    def price(layer: Layer, target: Target) -> dict[str, tuple[float, float]]:
        time_s = layer.macs * (0.1 if target.name == "tile" else 1.0) or 5.0
        return {"work": (time_s, 2 * time_s), "more": (0.5, 0.25)}

    def test_a_breakdown_names_where_each_layer_runs(self) -> None:
        mapping = Mapping.of({"a": "tile", "b": "cpu"})
        costs = layer_costs(two_targets(), self.workload, mapping, self.price)
        assert [(cost.name, cost.kind, cost.target, cost.macs) for cost in costs] == [
            ("relu", "relu", "cpu", 0),
            ("a", "conv2d", "tile", 144 * 36),
            ("b", "conv2d", "cpu", 72 * 36),
        ]
        assert [cost.latency_s for cost in costs] == [5.5, 518.4 + 0.5, 2592.5]
        assert [cost.energy_j for cost in costs] == [10.25, 1036.8 + 0.25, 5184.25]

    def test_tables_hold_the_same_sums(self) -> None:
        tables = additive_tables(
            two_targets(), self.workload, self.price, lambda unit, target: len(unit.name) / 2
        )
        assert (tables.units, tables.targets) == (("a", "b"), ("cpu", "tile"))
        np.testing.assert_allclose(tables.fixed, [5.5, 10.25])
        np.testing.assert_allclose(
            tables.unit,
            [[[5184.5, 10368.25], [518.9, 1037.05]], [[2592.5, 5184.25], [259.7, 518.65]]],
        )
        np.testing.assert_allclose(tables.tiles, 0.5)
        assert tables.pairs.shape == (0, 2) and tables.pair.shape == (0, 2, 2, 2)

    def test_what_a_target_cannot_run_costs_infinitely(self) -> None:
        linear = operator(
            "fc", "linear", macs=1, weight_count=1, mvm=Mvm(rows=1, columns=1, count=1)
        )
        tables = additive_tables(two_targets(), network(linear), self.price, lambda *_: 3.0)
        assert np.isfinite(tables.unit[0, 0]).all() and np.isinf(tables.unit[0, 1]).all()
        assert tables.tiles.tolist() == [[3.0, 0.0]]
        with pytest.raises(InputError, match=r"target 'tile' cannot run layer 'fc' \(linear\)"):
            layer_costs(two_targets(), network(linear), Mapping.of({"fc": "tile"}), self.price)

    def test_layers_of_no_unit_run_on_the_host(self) -> None:
        mapping = Mapping.of({"a": "tile", "b": "tile"})
        places = [
            target_of(two_targets(), self.workload, mapping, layer).name
            for layer in self.workload.layers
        ]
        assert places == ["cpu", "tile", "tile"]

    def test_an_entry_keeps_what_its_layer_says(self) -> None:
        entry = layer_cost(convolution("a"), "tile", {"mvm": (1.0, 2.0)})
        assert (entry.name, entry.kind, entry.target, entry.macs) == ("a", "conv2d", "tile", 5184)
        assert (entry.latency_s, entry.energy_j) == (1.0, 2.0)

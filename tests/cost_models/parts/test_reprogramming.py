"""Crossbars that take turns: which plan is chosen, what it costs, and that all who ask agree."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import inf
from pathlib import Path

import numpy as np
import pytest
from small_networks import operator

from lionheart_opt.cost import Cost, cost_tables
from lionheart_opt.cost_models.parts.packing import own_crossbars
from lionheart_opt.cost_models.parts.reprogramming import Layout, plan
from lionheart_opt.hardware.reprogramming import Reprogramming
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.space import Space
from lionheart_opt.system import System
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload

FILE = Path(__file__).parents[2] / "helpers" / "reprogrammed.toml"
RULE = Reprogramming(source="made up", crossbar_s=1e-3, crossbar_j=1e-6, endurance_writes=1e6)


def system_with(name: str, tiles: int, rule: Reprogramming | None = RULE) -> System:
    """A built-in system with that many crossbars, which take turns or do not."""
    system = load_system(name)
    targets = tuple(
        target.model_copy(update={"tiles": tiles, "reprogramming": rule})
        if target.numerics == "analog"
        else target
        for target in system.targets
    )
    return system.model_copy(update={"targets": targets})


def matrix(name: str, rows: int, columns: int) -> Layer:
    """A linear layer with four tokens."""
    return operator(
        name,
        "linear",
        input_shapes=((1, 4, rows),),
        output_shape=(1, 4, columns),
        macs=4 * rows * columns,
        weight_count=rows * columns,
        mvm=Mvm(rows=rows, columns=columns, count=4),
    )


def chain(names: str, sizes: dict[str, int]) -> Workload:
    """Layers in a row; those of the same letter use the same matrix of so many crossbars."""
    layers: list[Layer] = []
    for number, name in enumerate(names):
        layer = matrix(f"{name}{number}", 256, 256 * sizes[name])
        before = layers[-1].name if layers else INPUT
        layers.append(replace(layer, module=name, inputs=(before,)))
    units = tuple(
        Unit(name=name, layers=tuple(each.name for each in layers if each.module == name))
        for name in dict.fromkeys(names)
    )
    return Workload(name="chain", layers=tuple(layers), units=units)


def all_analog(system: System, workload: Workload) -> Cost:
    """The cost of all-analog."""
    mapping = Space(workload=workload, system=system).all_analog
    return cost_model(system).cost(workload, mapping).within(system)


class TestPlan:
    @pytest.mark.parametrize("room", range(1, 8))
    def test_equal_layers_of_one_crossbar(self, room: int) -> None:
        names = [(str(number), 1) for number in range(8)]
        best = plan(Layout(own=dict.fromkeys(names, 1)), dict.fromkeys(names, 1), room)
        assert best is not None
        assert best.rewritten == 8 - room + 1

    def test_no_plan_for_a_matrix_that_is_too_large(self) -> None:
        big, small = ("big", 1), ("small", 1)
        layout = Layout(own={big: 4, small: 1})
        assert plan(layout, {big: 1, small: 1}, 3) is None
        assert plan(layout, {big: 1, small: 1}, 4) is not None

    def test_none_is_better(self) -> None:
        """All ways to let crossbars stay, tried one by one."""
        rng = np.random.default_rng(0)
        for _ in range(300):
            sizes = rng.integers(0, 5, size=int(rng.integers(2, 5))).tolist()
            uses = rng.integers(1, 4, size=len(sizes)).tolist()
            shared = int(rng.integers(0, 3))
            needed = sum(sizes) + shared
            if needed < 2:
                continue
            room = int(rng.integers(1, needed))
            fewest = inf
            for moving in product(*(range(size + 1) for size in sizes)):
                if needed - sum(moving) + max(moving) <= room:
                    written = sum(a * b for a, b in zip(moving, uses, strict=True))
                    fewest = min(fewest, written)
            names = [(str(number), 1) for number in range(len(sizes))]
            layout = Layout(own=dict(zip(names, sizes, strict=True)), shared=shared)
            best = plan(layout, dict(zip(names, uses, strict=True)), room)
            assert (inf if best is None else best.rewritten) == fewest
            if best is not None:
                assert sum(best.moving.values()) == needed - room + best.places
                assert max(best.moving.values()) <= best.places


class TestOwnCrossbars:
    def test_whole_and_shared_arrays(self) -> None:
        matrices = {
            "whole": (256, 512),
            "left": (256, 128),
            "right": (256, 128),
            "rest": (256, 200),
        }
        own, shared = own_crossbars(matrices, (256, 256))
        assert own == {"whole": 2, "left": 0, "right": 0, "rest": 1}
        assert shared == 1


@pytest.mark.parametrize("name", ["imc-cluster", "lionheart"])
class TestCost:
    def test_nothing_changes_where_all_fits(self, name: str) -> None:
        workload = chain("abc", {"a": 1, "b": 2, "c": 1})
        plain, taking_turns = (
            all_analog(system_with(name, 4, rule), workload) for rule in (None, RULE)
        )
        assert taking_turns == plain
        assert not taking_turns.rewriting
        tables = cost_tables(cost_model(system_with(name, 4)), workload)
        assert tables is not None

    @pytest.mark.parametrize(
        ("sizes", "tiles", "places", "rewritten"),
        [((1, 2, 1), 3, 1, 2), ((1, 2, 1), 2, 1, 3), ((2, 2, 2), 2, 2, 6), ((2, 2, 2), 4, 1, 3)],
    )
    def test_what_is_lacking_is_programmed(
        self, name: str, sizes: tuple[int, ...], tiles: int, places: int, rewritten: int
    ) -> None:
        workload = chain("abc", dict(zip("abc", sizes, strict=True)))
        plain = all_analog(system_with(name, 99), workload)
        system = system_with(name, tiles)
        cost = all_analog(system, workload)
        (what,) = cost.rewriting.values()
        assert (what.needed, what.rewritten) == (sum(sizes), rewritten)
        assert cost.fits
        assert cost.latency_s - plain.latency_s == pytest.approx(rewritten * 1e-3)
        assert cost.energy_j - plain.energy_j >= rewritten * 1e-6 * (1 - 1e-9)
        assert what.lifetime_inferences == pytest.approx(1e6 * places / rewritten)
        assert cost_tables(cost_model(system), workload) is None

    def test_a_matrix_that_is_used_again_stays(self, name: str) -> None:
        workload = chain("abaca", {"a": 1, "b": 1, "c": 1})
        (what,) = all_analog(system_with(name, 2), workload).rewriting.values()
        assert (
            what.rewritten == 2
        )  # b and c; a would be programmed twice, as the last run is followed by it
        (what,) = all_analog(system_with(name, 1), workload).rewriting.values()
        assert what.rewritten == 4

    def test_a_matrix_that_is_too_large_does_not_fit(self, name: str) -> None:
        workload = chain("abc", {"a": 1, "b": 4, "c": 1})
        cost = all_analog(system_with(name, 3), workload)
        assert not cost.fits
        assert "4 of 3 crossbars" in cost.misfit
        assert not cost.rewriting

    def test_without_the_table_it_does_not_fit(self, name: str) -> None:
        workload = chain("abc", {"a": 1, "b": 2, "c": 1})
        cost = all_analog(system_with(name, 3, None), workload)
        assert not cost.fits
        assert not cost.rewriting


class TestFamilies:
    def test_cores_wait_while_tiles_are_programmed(self) -> None:
        workload = chain("ab", {"a": 1, "b": 1})
        plain = all_analog(system_with("lionheart", 2), workload)
        system = system_with("lionheart", 1)
        cost = all_analog(system, workload)
        watts = 2.3e9 * 638.99e-12 + 3.49632
        assert cost.energy_j - plain.energy_j == pytest.approx(2e-3 * watts + 2e-6)

    def test_shared_crossbars_stay_or_are_taken_apart(self) -> None:
        """Four matrices of half a crossbar and four whole ones on a packed system."""
        halves = [matrix(f"half{k}", 128, 256) for k in range(4)]
        wholes = [matrix(f"whole{k}", 256, 256) for k in range(4)]
        layers = (*halves, *wholes)
        units = tuple(Unit(name=layer.name, layers=(layer.name,)) for layer in layers)
        workload = Workload(name="halves", layers=layers, units=units)
        counts = {}
        for tiles in (6, 5, 3, 2, 1):
            cost = all_analog(system_with("imc-cluster", tiles), workload)
            counts[tiles] = sum(what.rewritten for what in cost.rewriting.values())
        # the two shared ones stay down to 3; with fewer, each of 8 matrices has a crossbar of its own
        assert counts == {6: 0, 5: 2, 3: 4, 2: 7, 1: 8}

    def test_the_example_prices_mobilenet(self) -> None:
        from lionheart_opt.cost_models.validation.imc_cluster import mobilenet_v2

        workload, system = mobilenet_v2(), System.load(FILE)
        cost = all_analog(system, workload)
        what = cost.rewriting["ima"]
        assert cost.fits
        assert what.needed == 34
        assert 34 - 24 + 1 <= what.rewritten
        assert cost.latency_s > what.rewritten * 55e-3


class TestAgreement:
    def test_problems_accept_what_fits(self) -> None:
        from lionheart_opt.cheapest import cheapest

        workload = chain("abcd", {"a": 1, "b": 2, "c": 1, "d": 5})
        for name in ("imc-cluster", "lionheart"):
            quick = RULE.model_copy(update={"crossbar_s": 0.0, "crossbar_j": 0.0})
            space = Space(workload=workload, system=system_with(name, 3, quick))
            best = cheapest(space)
            assert best is not None
            host = space.system.host
            analog = {unit for unit, target in best.mapping.items() if target != host}
            assert analog == {"a", "b", "c"}  # d alone needs 5
            free = cheapest(Space(workload=workload, system=system_with(name, 3)))
            assert free is not None
            model = cost_model(space.system)
            alone = [
                Mapping.of(
                    {**dict.fromkeys("abcd", host), **dict.fromkeys(units, best.mapping["a"])}
                )
                for units in ("", "a", "b", "c", "ab", "bc", "ac")
            ]
            dear = cost_model(system_with(name, 3))
            least = min(dear.cost(workload, mapping).latency_s for mapping in alone)
            assert dear.cost(workload, free.mapping).latency_s <= least * (1 + 1e-6)
            assert not model.cost(workload, best.mapping).within(space.system).misfit

"""What own cost models may give, in every verb that prices."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import odd_costs
import pytest

import lionheart_opt as lo
from lionheart_opt import InputError
from lionheart_opt.cheapest import cheapest
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.pricing import priced
from lionheart_opt.space import Space
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System

WORKLOAD = convolutional_workload()
ODD = {
    "Free": r"latency_s: got 0 s; must be finite and above 0",
    "Backwards": r"component 'all': got \(-0\.001, 1e-06\)",
    "NotANumber": r"component 'all': got \(0\.001, nan\)",
    "Endless": r"component 'all': got \(inf, 1e-06\)",
    "Huge": r"the sum over the layers is not finite",
    "Text": r"component 'all': got \('1', 1e-06\); must be a time in s and an energy in J",
    "OnlyTime": r"component 'all': got 0\.001",
    "AtOnce": r"time per inference: got 0 s; must be finite and above 0",
    "Often": r"cost: interval_s: got 'often'; must be finite",
    "ManyTiles": r"cost: tiles of 'tile': got 'many'; must be finite",
    "Number": r"cost: got 0\.00\d+; must be a Cost",
    "Nothing": r"cost: got None; must be a Cost",
    "Forgets": r"got \d of \d layers; must have all of them",
    "Swaps": r"got layer 'fc' in place of 'conv1'; must have all layers in order",
    "Empty": r"got 0 of \d layers",
    "Lists": r"must be a tuple of LayerCost",
    "Elsewhere": r"layer 'conv1': got target 'moon'; allowed: core, tile",
    "Divides": r"ZeroDivisionError: division by zero \(.*odd_costs\.py, line \d+\)",
    "Misses": r"KeyError: 'rate' \(.*odd_costs\.py, line \d+\)",
    "Breaks": r"building it: KeyError: 'rate'",
    "NoCosts": r"it has no method `cost`",
    "number": r"got 7; it has no method `cost`",
}

TABLES = {
    "OtherTables": r"tables: got 0\.014 s and .* J for a mapping that costs 0\.007 s and .* J",
    "ShortTables": r"cost tables: fixed: got shape \(1,\); must be \(2,\)",
    "TablesOfOthers": r"cost tables: units: got .*; must be those of the workload",
}


def system_of(folder: Path, name: str) -> System:
    """A system of a family of one's own."""
    path = folder / f"{name}.toml"
    target = 'source = "made up"\nkinds = ["*"]\n'
    path.write_text(
        f'family = "odd_costs:{name}"\ndescription = "odd"\nhost = "core"\n'
        '[machine]\nsource = "made up"\n'
        f'[targets.core]\n{target}numerics = "int8"\n'
        f'[targets.tile]\n{target}numerics = "analog"\nrpu_config = "pcm"\ntiles = 100\n'
    )
    return load_system(str(path))


def test_every_model_is_tried() -> None:
    made = {name for name, each in vars(odd_costs).items() if _is_odd(each)}
    assert made == {*ODD, *TABLES, "Fair"}


def _is_odd(thing: Any) -> bool:
    return callable(thing) and getattr(thing, "__module__", "") == "odd_costs"


@pytest.mark.parametrize(("name", "message"), ODD.items())
def test_what_is_no_cost_is_refused_in_one_line(tmp_path: Path, name: str, message: str) -> None:
    system = system_of(tmp_path, name)
    space = Space(workload=WORKLOAD, system=system)
    verbs = [
        lambda: lo.cost(WORKLOAD, system, "all-digital"),
        lambda: cheapest(space),
        lambda: lo.systems(WORKLOAD, [system]),
    ]
    if name not in ("Breaks", "NoCosts", "number"):  # a design that cannot be built is a result
        vary = {"targets.tile.tiles": [100, 200]}
        verbs.append(lambda: lo.explore(WORKLOAD, vary, system=system, trials=2))
    for price in verbs:
        with pytest.raises(InputError, match=message) as error:
            price()
        assert "\n" not in str(error.value)


def test_a_fair_cost_is_a_cost(tmp_path: Path) -> None:
    system = system_of(tmp_path, "Fair")
    cost = priced(
        cost_model(system), system, WORKLOAD, Space(workload=WORKLOAD, system=system).all_digital
    )
    assert cost.latency_s == pytest.approx(1e-3 * len(WORKLOAD.layers))
    assert cost.capacities == {"tile": 100}


@pytest.mark.parametrize(("name", "message"), TABLES.items())
def test_tables_that_are_not_those_of_the_costs_are_refused(
    tmp_path: Path, name: str, message: str
) -> None:
    """An exact solver would find what is cheapest by other prices."""
    space = Space(workload=WORKLOAD, system=system_of(tmp_path, name))
    with pytest.raises(InputError, match=message):
        cheapest(space)


def test_a_network_without_units_has_a_cheapest_mapping() -> None:
    """All of it is on the host."""
    layers = tuple(replace(each, mvm=None) for each in WORKLOAD.layers)
    workload = replace(WORKLOAD, layers=layers, units=())
    best = cheapest(Space(workload=workload, system=load_system("lionheart")))
    assert best is not None and best.exact and not best.mapping

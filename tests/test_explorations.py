"""Explorations against enumeration, and how they go on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from cli_setup import make_study
from counted_study import COUNTED

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.estimates import ends_of
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.plugins import load_system, system_text
from lionheart_opt.space import Space, every_mapping
from lionheart_opt.synthetic import convolutional_workload

VARY = {"targets.ima.rows": [16, 64], "targets.ima.tiles": [1, 30]}
TWO = ["latency_s", "energy_j"]


def test_the_front_is_that_of_all_systems_and_mappings() -> None:
    workload = convolutional_workload()
    found = lo.explore(workload, VARY, system="imc-cluster", objectives=["latency_s", "area_m2"])
    least: dict[tuple[int, int], float] = {}
    for rows in VARY["targets.ima.rows"]:
        for tiles in VARY["targets.ima.tiles"]:
            changes = {"targets.ima.rows": rows, "targets.ima.tiles": tiles}
            system = redesigned(load_system("imc-cluster"), changes)
            space = Space(workload=workload, system=system)
            costs = [lo.cost(workload, system, mapping) for mapping in every_mapping(space)]
            least[rows, tiles] = min(cost.latency_s for cost in costs if cost.fits)
    assert len(found.designs) == 4
    for design in found.designs:
        rows, tiles = design.numbers.values()
        assert design.results["latency_s"] == pytest.approx(least[rows, tiles], rel=1e-5)  # type: ignore[index]
    assert found.front[0].results["latency_s"] == pytest.approx(min(least.values()), rel=1e-5)


def test_time_and_energy_each_get_their_mapping() -> None:
    found = lo.explore(convolutional_workload(), VARY, system="imc-cluster", objectives=TWO)
    assert len(found.designs) == 8
    for latency, energy in zip(found.designs[::2], found.designs[1::2], strict=True):
        assert latency.numbers == energy.numbers
        assert (latency.cheapest, energy.cheapest) == ("latency_s", "energy_j")
        assert latency.results["latency_s"] <= energy.results["latency_s"]  # type: ignore[operator]
        assert energy.results["energy_j"] <= latency.results["energy_j"] * (1 + 1e-5)  # type: ignore[operator]


def test_every_design_says_how_well_its_costs_are_known() -> None:
    """As the cost of its mapping does."""
    workload = convolutional_workload()
    found = lo.explore(workload, VARY, system="imc-cluster", objectives=TWO)
    frame = found.to_frame()
    for design, (_, row) in zip(found.designs, frame.iterrows(), strict=True):
        assert design.mapping is not None
        cost = lo.cost(
            workload, redesigned(load_system("imc-cluster"), design.numbers), design.mapping
        )
        for name in ("latency_s", "energy_j", "interval_s"):
            ends = ends_of(name)
            assert cost.estimate(name)[1:] == tuple(row[end] for end in ends)  # type: ignore[arg-type]
            assert row[ends[0]] < row[name] < row[ends[1]]
            assert design.to_json()[ends[0]] == row[ends[0]]


def test_an_exploration_goes_on(tmp_path: Path) -> None:
    """In two parts, it tries what it tries at once, whether it enumerates or samples."""
    workload, storage = convolutional_workload(), f"sqlite:///{tmp_path}/e.db"
    vary = {"targets.ima.tiles": "1:30:1"}
    arguments = {"system": "imc-cluster", "objectives": ["latency_s", "area_m2"]}
    lo.explore(workload, vary, trials=4, storage=storage, **arguments)  # type: ignore[arg-type]
    parts = lo.explore(workload, vary, trials=12, storage=storage, **arguments)  # type: ignore[arg-type]
    whole = lo.explore(workload, vary, trials=12, **arguments)  # type: ignore[arg-type]
    assert [each.numbers for each in parts.designs] == [each.numbers for each in whole.designs]
    assert len(parts.designs) == 12
    again = lo.explore(workload, vary, trials=12, storage=storage, **arguments)  # type: ignore[arg-type]
    assert again == parts
    other = lo.explore(
        workload, {"targets.ima.tiles": [2]}, storage=storage, system="imc-cluster", objectives=TWO
    )
    assert len(other.designs) == 2


def test_other_areas_and_changed_plug_ins_are_explored_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They decide no digest of the system; what was found before is of another one."""
    monkeypatch.chdir(tmp_path)
    text = system_text("imc-cluster")
    code = (
        "from lionheart_opt.cost_models.imc_cluster import ImcCluster\n"
        "from dataclasses import dataclass, replace\n"
        "@dataclass(frozen=True)\n"
        "class Mine(ImcCluster):\n"
        "    def cost(self, workload, mapping):\n"
        "        cost = super().cost(workload, mapping)\n"
        "        part = {'wait': (1.0, 0.0)}\n"
        "        first = replace(cost.layers[0], components=part)\n"
        "        return replace(cost, layers=(first, *cost.layers[1:]))\n"
        "    def tables(self, workload):\n"
        "        return None\n"
    )
    cells = {"vary": {"targets.ima.tiles": [30]}, "objectives": ["latency_s", "area_m2"]}
    workload, storage = convolutional_workload(), f"sqlite:///{tmp_path}/e.db"

    def area_and_latency() -> tuple[float, float]:
        arguments = {"system": "mine.toml", "storage": storage, **cells}
        [design] = lo.explore(workload, **arguments).designs  # type: ignore[arg-type]
        return design.results["area_m2"], design.results["latency_s"]  # type: ignore[return-value]

    Path("mine.toml").write_text(text)
    area_m2, latency_s = area_and_latency()
    Path("mine.toml").write_text(text.replace("area_m2 = 1.67e-6", "area_m2 = 11.67e-6"))
    assert area_and_latency() == (pytest.approx(area_m2 + 10e-6), latency_s)
    Path("mine.toml").write_text(
        text.replace('family = "imc_cluster"', 'family = "own_cluster:Mine"')
    )
    Path("own_cluster.py").write_text(code)
    assert 1.0 < area_and_latency()[1] < 2.0
    Path("own_cluster.py").write_text(code.replace("(1.0", "(5.0"))
    del sys.modules["own_cluster"]
    assert 5.0 < area_and_latency()[1] < 6.0


def test_designs_that_cannot_be_together_say_so() -> None:
    vary = {"targets.ima.columns": [4, 256], "targets.ima.columns_per_converter": [1, 8]}
    found = lo.explore(
        convolutional_workload(), vary, system="imc-cluster", objectives=["latency_s"]
    )
    [refused] = [each for each in found.designs if each.problem]
    assert list(refused.numbers.values()) == [4, 8] and "at most the 4 columns" in refused.problem


def test_what_cannot_be_is_refused() -> None:
    workload = convolutional_workload()
    for arguments, said in (
        ({"vary": None}, "vary: names the numbers"),
        ({"vary": VARY, "trials": 0}, "trials: got 0"),
        ({"vary": VARY, "example": (3, 8, 8)}, "was traced with another one"),
        ({"vary": VARY, "batch": 0}, "batch: got 0"),
        ({"vary": VARY, "seed": -1}, "seed: got -1; must be a whole number from 0 on"),
        ({"vary": VARY, "objectives": ["drop"]}, "unknown objective 'drop'"),
    ):
        with pytest.raises(InputError, match=said):
            lo.explore(workload, system="imc-cluster", **arguments)  # type: ignore[arg-type]


def test_batches_are_explored() -> None:
    vary = {"targets.ima.tiles": [30]}
    found = lo.explore(convolutional_workload(), vary, system="imc-cluster", batch=4)
    [design, _] = found.designs
    assert design.mapping is not None
    cost = lo.cost(convolutional_workload(), "imc-cluster", design.mapping, batch=4)
    assert design.results["latency_s"] == pytest.approx(cost.latency_s)


EXPLORED = COUNTED.replace(
    "[budget]",
    '[explore]\nvary = { "software.linear_efficiency" = [1e-5, 0.113] }\n'
    'objectives = ["latency_s"]\n[budget]',
)


def test_with_a_study_mappings_keep_its_limits(tmp_path: Path) -> None:
    study = lo.load(make_study(tmp_path, EXPLORED))
    found = lo.explore(study)
    assert len(found.designs) == 2
    limit = study.problem.accuracy_limit.max_drop
    slow_core, fast_core = found.designs
    assert slow_core.mapping is not None and "tile" in slow_core.mapping.values()
    assert slow_core.results["drop_high"] is not None and slow_core.results["drop_high"] <= limit
    assert fast_core.mapping is not None and "tile" not in fast_core.mapping.values()
    assert not slow_core.budget_spent and not fast_core.budget_spent


def test_a_search_that_spent_its_budget_may_have_missed_better_mappings(tmp_path: Path) -> None:
    study = lo.load(make_study(tmp_path, re.sub(r"trials = \d+", "trials = 1", EXPLORED)))
    found = lo.explore(study)
    assert [design.budget_spent for design in found.designs] == [True, True]
    assert found.to_frame().budget_spent.all() and found.to_json()["designs"][0]["budget_spent"]
    again = lo.explore(lo.load(tmp_path))
    assert again == found
    for given in ({"system": "diana"}, {"example": (1,)}, {"batch": 2}, {"storage": "sqlite://"}):
        with pytest.raises(InputError, match="its own system, storage, example and batch"):
            lo.explore(study, **given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"\[explore\] is missing"):
        lo.explore(lo.load(make_study(tmp_path / "other", COUNTED)))

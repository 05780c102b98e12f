"""Everything public says what it is, in a line or two; notebooks show tables that are safe HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from front_door import data, made_up

import lionheart_opt as lo
from lionheart_opt.accuracy import Fidelity
from lionheart_opt.limits import AccuracyLimit, Bounds
from lionheart_opt.oracle_context import DataTable, ModelTable
from lionheart_opt.plugins import available, cost_model, load_system
from lionheart_opt.prices import Prices
from lionheart_opt.questions import Answer, LearnedShares, Proxies
from lionheart_opt.results.comparison import Comparison, compare
from lionheart_opt.space import Space
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.plan import Budget, SearchPlan
from lionheart_opt.study.record import InMemory, Record, Trial
from lionheart_opt.study.recorded_oracle import RecordedOracle
from lionheart_opt.study.search import Progress, Search
from lionheart_opt.synthetic import synthetic_problem

LONGEST = 300


def result() -> lo.SearchResult:
    return lo.search(synthetic_problem(n_units=30), "random", trials=5)


def keeper() -> OptunaKeeper:
    return OptunaKeeper.open(problem(), "a/seed0", optuna.storages.InMemoryStorage(), {})


def problem() -> lo.Problem:
    return synthetic_problem(n_units=30)


def a_study() -> lo.Study:
    return lo.Study.of(problem(), ["random", "mac_greedy"], seeds=range(20))


#: What it is -> how to make one; its representation must name it.
INSTANCES: dict[str, Callable[[], Any]] = {
    "Accuracy": lambda: result().evaluations[0].accuracy,
    "AccuracyLimit": lambda: AccuracyLimit(max_drop=0.01, time_s=(1.0, 60.0)),
    "Answer": lambda: Answer(values={"x": {f"fc{k}": 1.0 for k in range(100)}}, oracle_s=1.0),
    "Bounds": lambda: Bounds(estimate=0.1, low=0.0, high=0.2),
    "Budget": lambda: Budget(trials=3),
    "Candidate": lambda: lo.Candidate(lo.Mapping.of({"a": "tile"})),
    "Comparison": lambda: compare([result()]),
    "Cost": lambda: lo.cost("resnet8"),
    "CostTables": lambda: cost_model(load_system("lionheart")).tables(lo.trace("resnet8")),
    "DataTable": lambda: DataTable(name="digits"),
    "Dataset": data,
    "Evaluation": lambda: lo.search(made_up(), "random", trials=1).evaluations[0],
    "Fidelity": lambda: Fidelity(draws=(0, 3)),
    "InMemory": InMemory,
    "LayerCost": lambda: lo.cost("resnet8").layers[0],
    "Space": lambda: Space(workload=lo.trace("resnet8"), system=load_system("lionheart")),
    "System": lambda: load_system("lionheart"),
    "Workload": lambda: lo.trace("resnet8"),
    "Layer": lambda: lo.trace("resnet8").layers[0],
    "LearnedShares": lambda: LearnedShares(prices={"a": (1.0, 2.0)}, strength=1.0),
    "Mapping": lambda: lo.Mapping.of({"a": "tile", "b": "core"}),
    "ModelTable": lambda: ModelTable(name="resnet8"),
    "OptunaKeeper": keeper,
    "Origin": lambda: available("strategies")["random"],
    "Prices": Prices,
    "Problem": problem,
    "Progress": lambda: Progress(trials=1, oracle_s=2.0, state="replaying"),
    "Proxies": lambda: Proxies(units=("a", "b")),
    "Record": lambda: Record(problem()),
    "RecordedOracle": lambda: RecordedOracle(object, list, training="full", seed=0),
    "Search": lambda: Search(Record(problem()), strategy()),
    "SearchPlan": lambda: SearchPlan(
        label="a", strategy="random", arguments={}, seed=0, budget=Budget()
    ),
    "SearchResult": result,
    "Study": a_study,
    "StudyFile": lambda: StudyFile.load(Path(__file__).parent / "old_records" / "journal"),
    "StudyScript": lambda: a_study()._source,
    "Target": lambda: problem().system.targets[0],
    "Trial": lambda: Trial(3, lo.search(made_up(), "random", trials=1).evaluations[0]),
}


def strategy() -> Any:
    from lionheart_opt.strategies.knapsack import Knapsack

    return Knapsack()


@pytest.mark.parametrize("name", INSTANCES)
def test_a_repr_says_what_it_is(name):
    text = repr(INSTANCES[name]())
    assert name in text and len(text) <= LONGEST, text
    assert not re.search(r"0x[0-9a-f]{4}", text), "an address tells nobody anything"


def test_a_study_names_its_runs():
    assert repr(a_study()) == "Study('study': random (20 seeds), mac_greedy (20 seeds))"


def test_a_comparison_prints_its_table():
    table = compare([result()])
    assert isinstance(table, Comparison) and "strategy" in str(table) and "random" in str(table)
    assert repr(table).startswith("Comparison(1 strategies, drop at most 0.05; largest median")
    with pytest.raises(lo.InputError, match="no results"):
        compare([])


EVIL = "<b>unit</b>"


@pytest.mark.parametrize("kind", ["mapping", "cost", "result", "comparison", "problem"])
def test_notebooks_show_tables_without_markup_of_others(kind):
    problem = made_up(units={EVIL: ["layer1.0.conv1", "layer1.0.conv2"]})
    result = lo.search(problem, "mac_greedy", label=EVIL)
    shown = {
        "mapping": problem.all_analog,
        "cost": problem.cost(problem.all_analog),
        "result": result,
        "comparison": compare([result]),
        "problem": problem,
    }[kind]
    html = shown._repr_html_()
    assert "<table" in html and EVIL not in html
    if kind != "cost":  # one row a layer
        assert "&lt;b&gt;unit" in html


def test_a_cost_escapes_names_of_layers():
    cost = synthetic_problem(n_units=3).cost(synthetic_problem(n_units=3).all_analog)
    evil = replace(cost, layers=(replace(cost.layers[0], name=EVIL), *cost.layers[1:]))
    html = evil._repr_html_()
    assert "<table" in html and EVIL not in html and "&lt;b&gt;unit" in html

"""From a study's settings to its oracle and its problem."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from front_door import MadeUp

from lionheart_opt.accuracy import Enumerates
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.table_oracle import TableOracle
from lionheart_opt.oracle_context import ModelTable, OracleContext
from lionheart_opt.study.question import (
    build_oracle,
    build_problem,
    is_table,
    oracle_class,
    recorded_settings,
)
from lionheart_opt.synthetic import synthetic_problem


def context() -> OracleContext:
    problem = synthetic_problem(n_units=3)
    return OracleContext(
        workload=problem.workload,
        system=problem.system,
        model=ModelTable(name="resnet8"),
        data=None,
        digital=("fc1",),
        times_s=(86_400.0,),
        folder=Path.cwd(),
        artifacts=None,
        origin="study.toml",
    )


def test_the_kind_names_the_oracle():
    assert oracle_class({}, "x") is HatOracle and oracle_class({"kind": "hat"}, "x") is HatOracle
    assert oracle_class({"kind": "table"}, "x") is TableOracle
    assert oracle_class({"kind": "front_door:MadeUp"}, "x") is MadeUp
    with pytest.raises(InputError, match="x kind: got 3; must be a name"):
        oracle_class({"kind": 3}, "x")
    with pytest.raises(InputError, match="x kind: unknown oracle 'hut'"):
        oracle_class({"kind": "hut"}, "x")


def test_an_oracle_gets_the_settings_without_its_kind():
    settings = {"kind": "front_door:MadeUp", "times_s": (1.0,)}
    assert build_oracle(context(), settings) == MadeUp(times_s=(1.0,))
    assert set(settings) == {"kind", "times_s"}, "left as they were"
    with pytest.raises(InputError, match=r"study.toml: \[oracle\] kind: 'front_door:data' has no"):
        build_oracle(context(), {"kind": "front_door:data"})


def test_tables_can_list_their_mappings():
    def can_list(kind: str) -> bool:
        return is_table({"kind": kind}, "[oracle]")

    assert can_list("table") and not can_list("front_door:MadeUp") and not can_list("builtins:len")
    assert not can_list("hat") and not is_table({}, "[oracle]")  # without loading it, and torch
    assert not issubclass(HatOracle, Enumerates)


def test_the_problem_is_that_of_the_context():
    mine = replace(context(), system=synthetic_problem(n_units=3).system)
    family = replace(mine, system=mine.system.model_copy(update={"family": "nosuch"}))
    arguments = {
        "accuracy_limit": AccuracyLimit(max_drop=0.1, time_s=1.0),
        "objectives": ("drop",),
        "cost_limits": {},
        "training": "none",
        "seed": 4,
    }
    with pytest.raises(InputError, match="unknown cost model 'nosuch'"):
        build_problem(family, MadeUp(), **arguments)
    [family] = ["lionheart_opt.synthetic:SyntheticCosts"]
    mine = replace(mine, system=mine.system.model_copy(update={"family": family}))
    problem = build_problem(mine, MadeUp(), **arguments)
    assert (problem.seed, problem.training, problem.objectives) == (4, "none", ("drop",))
    assert problem.digital == ("fc1",) and [unit.name for unit in problem.units] == ["fc0", "fc2"]


def test_where_the_usual_oracle_computes_is_not_part_of_the_question():
    assert recorded_settings({"device": "cpu", "threads": 2}) == {"threads": 2}
    assert recorded_settings({"kind": "hat", "device": "auto"}) == {"kind": "hat"}
    own = {"kind": "front_door:MadeUp", "device": "pcm"}
    assert recorded_settings(own) == own


class Forgets:
    @classmethod
    def from_study(cls, context, settings):
        return None


def test_an_oracle_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"from_study: got None; it has no method `accuracy`"):
        build_oracle(context(), {"kind": f"{__name__}:Forgets"})

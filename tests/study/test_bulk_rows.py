"""Trials that are written in bulk are those that Optuna writes."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import event

from lionheart_opt.study.bulk_rows import RowsInBulk

TABLES = (
    "trials",
    "trial_params",
    "trial_values",
    "trial_user_attributes",
    "trial_system_attributes",
)
TARGETS = CategoricalDistribution(("cpu", "tile"))


def trial(target: str, width: float = 1.0, **changes: Any) -> FrozenTrial:
    given = {
        "params": {"fc0": target, "fc1": "cpu", "width": width},
        "distributions": {"fc0": TARGETS, "fc1": TARGETS, "width": FloatDistribution(0.0, 2.0)},
        "values": [1.0, float("inf")],
        "user_attrs": {"digest": target, "accuracy": {"samples": [[0.5, width]]}, "none": None},
        "system_attrs": {"shown": [1, 2]},
        "constraints": {"drop": -0.1},
    }
    return create_trial(**{**given, **changes})


def trials() -> list[FrozenTrial]:
    bare = {"params": {}, "distributions": {}, "user_attrs": {}, "system_attrs": {}}
    return [
        trial("cpu"),
        trial("tile", 0.5),
        trial("tile", state=TrialState.FAIL, values=None),
        trial("cpu", **bare),
        trial("cpu", 2.0, values=[2.0, 3.0]),
    ]


def rows(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row; moments differ."""
    with sqlite3.connect(file) as connection:
        found = {
            table: sorted(connection.execute(f"select * from {table}").fetchall(), key=str)
            for table in TABLES
        }
    connection.close()
    found["trials"] = [(*row[:3], row[3]) for row in found["trials"]]
    return found


def written(kind: type[RDBStorage], file: Path) -> tuple[list[FrozenTrial], list[int]]:
    """The trials as they are read back, and the number of statements that each has taken."""
    storage, statements = kind(f"sqlite:///{file}"), list[str]()
    study = optuna.create_study(storage=storage, study_name="x", directions=["minimize"] * 2)
    event.listen(storage.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    counts = []
    for each in trials():
        before = len(statements)
        study.add_trial(each)
        counts.append(len(statements) - before)
    return study.get_trials(), counts


def test_rows_are_those_that_optuna_writes(tmp_path):
    usual, _ = written(RDBStorage, tmp_path / "usual.db")
    bulk, counts = written(RowsInBulk, tmp_path / "bulk.db")
    for a, b in zip(usual, bulk, strict=True):
        for name in ("number", "state", "values", "params", "distributions", "user_attrs"):
            assert getattr(a, name) == getattr(b, name), name
        assert a.system_attrs == b.system_attrs
    assert rows(tmp_path / "usual.db") == rows(tmp_path / "bulk.db")
    assert max(counts[1:]) < 20, "however many parameters and attributes there are"


def test_other_distributions_are_refused_as_optuna_refuses_them(tmp_path):
    study = optuna.create_study(
        storage=RowsInBulk(f"sqlite:///{tmp_path}/k.db"), directions=["minimize"] * 2
    )
    study.add_trial(trial("cpu"))
    other = CategoricalDistribution(("cpu", "dsp"))
    with pytest.raises(ValueError, match="CategoricalDistribution does not support"):
        study.add_trial(trial("cpu", distributions={**trial("cpu").distributions, "fc0": other}))
    assert len(study.get_trials()) == 1
    study.add_trial(trial("tile"))
    assert [each.number for each in study.get_trials()] == [0, 1]

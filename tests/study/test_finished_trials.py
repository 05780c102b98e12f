"""Finished trials are read with few queries, and are what Optuna says that they are."""

from __future__ import annotations

from math import inf
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial
from sqlalchemy import event

from lionheart_opt.study.finished_trials import count_trials, finished_trials
from lionheart_opt.study.reading import storage_to_read
from lionheart_opt.study.storage import open_storage

NAMES = ("lineage", "accuracy")
VALUES = ([1.0, 2.0], [0.1 + 0.2, inf], [-inf, 1e-300])


def fill(storage: optuna.storages.BaseStorage) -> None:
    """Two studies, whose trials come in turns: complete, failed and running ones."""
    studies = [
        optuna.create_study(storage=storage, study_name=name, directions=["minimize"] * 2)
        for name in ("a", "b")
    ]
    unit = {"unit": CategoricalDistribution(["host", "tile"])}
    for number, values in enumerate(VALUES):
        for study in studies:
            attributes = {"lineage": [{"moved": {"ä": "x"}}], "accuracy": number, "digest": "0"}
            study.add_trial(
                create_trial(
                    values=values,
                    params={"unit": "tile"},
                    distributions=unit,
                    user_attrs=attributes | {"of": study.study_name},
                )
            )
    studies[0].ask()
    failed = create_trial(state=TrialState.FAIL, user_attrs={"lineage": None, "failed": "why"})
    studies[0].add_trial(failed)


@pytest.mark.parametrize("scheme", ["sqlite", "journal", "memory"])
@pytest.mark.parametrize("is_read_only", [False, True])
def test_they_are_what_optuna_says(scheme: str, is_read_only: bool, tmp_path: Path) -> None:
    storage: optuna.storages.BaseStorage | None = optuna.storages.InMemoryStorage()
    if scheme != "memory":
        storage = open_storage(f"{scheme}:///{tmp_path}/records")
    assert storage is not None
    fill(storage)
    expected = optuna.load_study(study_name="a", storage=storage).trials
    if scheme != "memory" and is_read_only:
        storage = storage_to_read(f"{scheme}:///{tmp_path}/records")
        assert storage is not None
    study = optuna.load_study(study_name="a", storage=storage)
    trials = list(finished_trials(study, NAMES))
    assert [trial.number for trial in trials] == [0, 1, 2, 4]
    assert count_trials(study) == len(expected) == 5
    for trial in trials:
        optunas = expected[trial.number]
        assert trial.has_failed == (optunas.state == TrialState.FAIL)
        assert trial.values == optunas.values
        for name in NAMES:
            assert trial.attributes.get(name) == optunas.user_attrs.get(name)
            assert (name in trial.attributes) == (name in optunas.user_attrs)


def test_a_database_is_asked_three_times_whatever_it_holds(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/records")
    fill(storage)
    study = optuna.load_study(study_name="a", storage=storage)
    queries: list[str] = []
    engine = storage._backend.engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", lambda *args: queries.append(args[2]))
    assert len(list(finished_trials(study, NAMES))) == 4
    assert len(queries) == 3, queries
    assert not any("trial_params" in query for query in queries)

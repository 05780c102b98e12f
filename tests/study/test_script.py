"""A study made in Python looks like a study file to what uses it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.plan import Budget, SearchPlan
from lionheart_opt.study.script import USUAL_TRIALS, StudyScript, label_of, usual_budget
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import tiny_problem


def plan(label: str = "random", seed: int = 0, trials: int = 3, **changes: Any) -> SearchPlan:
    usual = {"strategy": "random", "arguments": {}, "budget": Budget(trials=trials)}
    return SearchPlan(label=label, seed=seed, **{**usual, **changes})


def script(*plans: SearchPlan, storage: str | None = None, problem: Any = None) -> StudyScript:
    return StudyScript("mine", problem or tiny_problem(), plans or [plan()], storage)


def test_a_search_keeps_its_record_in_memory():
    study = script(plan(), plan(seed=1))
    assert list(study.records()) == []
    [first, second] = study.plans()
    study.search(first).run()
    assert [(each.name, len(record)) for each, record in study.records()] == [("random/seed0", 3)]
    assert len(study.search(first).record) == 3, "asked for again, it is the same"
    study.search(second)
    assert [len(record) for _, record in study.records()] == [3, 0], "an empty record is there, too"
    with pytest.raises(InputError, match="mine: it has no storage"):
        _ = study.storage


def test_records_of_a_storage_are_found_by_another_study(tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    study = script(storage=url)
    assert list(study.records()) == [] and not (tmp_path / "k.db").exists(), (
        "reading creates nothing"
    )
    study.search(study.plans()[0]).run()
    other = script(plan(), plan("other"), storage=url)
    assert [(each.label, len(record)) for each, record in other.records()] == [("random", 3)]
    changed = script(storage=url, problem=replace(tiny_problem(), seed=5))
    with pytest.raises(InputError, match="seed: recorded 0, now 5"):
        list(changed.records())
    with pytest.raises(InputError, match=r"strategy\.seed|strategy\.name"):
        script(plan(strategy="mac_greedy"), storage=url).search(plan(strategy="mac_greedy"))


def test_the_budget_is_not_part_of_the_question(tmp_path):
    url = f"journal:///{tmp_path / 'k.log'}"
    for trials in (2, 4):
        study = script(plan(trials=trials), storage=url)
        search = study.search(study.plans()[0])
        search.run()
        assert len(search.record) == trials
    assert optuna.get_all_study_names(study.storage) == ["random/seed0"]


def test_searches_are_chosen_by_label_or_name():
    study = script(plan("a"), plan("a", 1), plan("b"))
    names = [each.name for each in study.plans(["a"])]
    assert names == ["a/seed0", "a/seed1"]
    assert [each.name for each in study.plans(["b", "a/seed1"])] == ["a/seed1", "b/seed0"]
    with pytest.raises(InputError, match=r"mine: unknown search 'c'; allowed: a, a/seed0"):
        study.plans(["c"])


def test_names_must_differ_and_there_must_be_some():
    with pytest.raises(InputError, match="two searches are called 'a/seed0'"):
        script(plan("a"), plan("a"))
    with pytest.raises(InputError, match="at least one search"):
        StudyScript("mine", tiny_problem(), [], None)


def test_strategies_are_built_before_anything_runs():
    with pytest.raises(InputError, match="mine: 'random': random: unknown argument 'x'"):
        script(plan(arguments={"x": 1})).check_strategies()
    script(plan(strategy=Random())).check_strategies()


@dataclass(frozen=True)
class Stores:
    """An oracle that is told where to keep weights."""

    folder: Path | None = None

    def accuracy(self, candidate, fidelity, seed):
        raise AssertionError

    def storing_in(self, folder: Path) -> Stores:
        return replace(self, folder=folder)


@pytest.mark.parametrize(
    ("storage", "folder"),
    [("sqlite:///{}/k.db", "artifacts"), ("journal:///{}/k.log", "artifacts"), (None, None)],
)
def test_weights_are_kept_beside_the_storage(storage, folder, tmp_path):
    problem = replace(tiny_problem(), oracle=Stores())
    url = storage and storage.format(tmp_path)
    assert script(storage=url, problem=problem).oracle.folder == (folder and tmp_path / folder)


def test_what_it_says_of_itself():
    study = script()
    assert study.folder == Path.cwd() and study.is_on_a_table
    assert not script(problem=synthetic_problem(n_units=3)).is_on_a_table
    with study.beside():
        assert repr(study) == "StudyScript('mine': 1 searches)"


def test_labels_and_budgets_by_default():
    assert label_of("random") == "random" and label_of(Random()) == "Random"
    assert usual_budget(None, None) == Budget(trials=USUAL_TRIALS)
    assert usual_budget(None, 5.0) == Budget(oracle_s=5.0)
    assert usual_budget(3, 5.0) == Budget(trials=3, oracle_s=5.0)

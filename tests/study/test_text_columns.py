"""Databases with short columns of text refuse what does not fit, before it is written."""

from __future__ import annotations

import optuna
import pytest
from recorded_search import SAID, searched
from sqlalchemy.dialects import mysql

from lionheart_opt.errors import InputError
from lionheart_opt.strategies.random import Random
from lionheart_opt.study import text_columns
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Budget, Search
from lionheart_opt.study.storage import open_storage
from lionheart_opt.study.text_columns import MOST_BYTES
from lionheart_opt.testing import tiny_problem

LONG = {**SAID, "text": "x" * 70_000}


@pytest.fixture
def storage(tmp_path):
    return open_storage(f"sqlite:///{tmp_path / 'k.db'}")


@pytest.fixture
def short(monkeypatch):
    """SQLite with the columns of MySQL."""
    monkeypatch.setattr(text_columns, "MOST_BYTES", {"sqlite": MOST_BYTES["mysql"]})


def test_the_dialect_has_the_name_that_sqlalchemy_gives_it():
    assert mysql.dialect().name in MOST_BYTES


@pytest.mark.parametrize("place", ["specification", "contents", "sources"])
def test_a_study_that_does_not_fit_is_refused_before_it_is_created(place, storage, short):
    long = {"oracle": {"mine.py": "x" * 70_000}}
    said = {"specification": SAID, place: LONG if place == "specification" else long}
    with pytest.raises(InputError, match=rf"^study 's': '{place}' takes 70,\d+ bytes; .* 65,535"):
        OptunaKeeper.open(tiny_problem(), "s", storage, **said)
    assert optuna.get_all_study_names(storage) == []
    OptunaKeeper.open(tiny_problem(), "s", storage, SAID)  # nothing is in its way


def test_a_text_of_just_the_length_fits(storage, short):
    rest = MOST_BYTES["mysql"] - len('{"text": ""}')
    for name, length, fits in (("s", rest, True), ("longer", rest + 1, False)):
        said = {"text": "x" * length}
        if fits:
            kept = OptunaKeeper.open(tiny_problem(), name, storage, said).study
            assert kept.user_attrs["specification"] == said
        else:
            with pytest.raises(InputError, match="takes 65,536 bytes"):
                OptunaKeeper.open(tiny_problem(), name, storage, said)


def test_letters_are_counted_as_they_are_written(storage, short):
    with pytest.raises(InputError, match="bytes"):
        OptunaKeeper.open(tiny_problem(), "s", storage, {"text": "é" * 20_000})  # \u00e9 is six


def test_a_trial_that_does_not_fit_is_refused_and_the_record_stays(storage, monkeypatch):
    keeper = searched(storage, trials=2)
    problem = tiny_problem(objectives=("latency_s", "drop"))
    longest = len(str(keeper.study.trials[0].user_attrs["lineage"]))
    monkeypatch.setattr(text_columns, "MOST_BYTES", {"sqlite": longest // 2})
    search = Search(Record(problem, keeper), Random(), seed=1, budget=Budget(trials=4))
    with pytest.raises(InputError, match=r"^study 's': '\w+' takes \d+ bytes"):
        search.run()
    monkeypatch.undo()
    assert len(keeper.study.get_trials()) == 2
    search.run()
    assert len(keeper.study.get_trials()) == 4


@pytest.mark.parametrize("where", ["memory", "journal", "sqlite"])
def test_other_storages_keep_long_texts(where, tmp_path):
    storage = optuna.storages.InMemoryStorage()
    if where != "memory":
        storage = open_storage(f"{where}:///{tmp_path / 'k'}")
    kept = OptunaKeeper.open(tiny_problem(), "s", storage, LONG)
    assert kept.study.user_attrs["specification"] == LONG

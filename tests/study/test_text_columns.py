"""Databases with short columns of text keep long attributes in parts."""

from __future__ import annotations

import json

import mariadb_server as servers
import optuna
import pytest
from recorded_search import SAID, searched
from sqlalchemy.dialects import mysql

from lionheart_opt.errors import InputError
from lionheart_opt.strategies.random import Random
from lionheart_opt.study import text_columns
from lionheart_opt.study.attribute_parts import PART
from lionheart_opt.study.finished_trials import finished_trials
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.reading import storage_to_read
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.study.storage import open_storage
from lionheart_opt.study.text_columns import SHORT
from lionheart_opt.testing import tiny_problem

MOST = 65_535
#: Letters that JSON writes as two, three and six.
TEXTS = ["x" * 70_000, '"' * 70_000, "\\n" * 40_000, "é" * 20_000, "x" * (MOST - 12)]


@pytest.fixture
def short(monkeypatch):
    """SQLite with the columns of MySQL."""
    monkeypatch.setattr(text_columns, "SHORT", {"sqlite"})
    monkeypatch.setattr(text_columns, "most_bytes", lambda engine: MOST)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'k.db'}"


def longest(storage, table):
    from sqlalchemy import text

    with storage._backend.engine.connect() as connection:
        return connection.execute(text(f"select max(length(value_json)) from {table}")).scalar()


def test_the_dialect_has_the_name_that_sqlalchemy_gives_it():
    assert mysql.dialect().name in SHORT


@pytest.mark.parametrize("text", TEXTS)
def test_attributes_of_studies_are_whole_again(text, url, short):
    storage = open_storage(url)
    said = {**SAID, "text": text}
    keeper = OptunaKeeper.open(tiny_problem(), "s", storage, said, {"weights": text})
    number = keeper.study._study_id
    storage.set_study_system_attr(number, "note", text)
    assert longest(storage, "study_user_attributes") <= MOST
    assert longest(storage, "study_system_attributes") <= MOST
    for opened in (storage, open_storage(url), storage_to_read(url)):
        read = OptunaKeeper.open(tiny_problem(), "s", opened, said, {"weights": text}).study
        assert read.user_attrs["specification"] == said
        assert opened.get_study_system_attrs(number)["note"] == text
        assert not any(name.startswith(PART) for name in read.user_attrs)
        [summary] = optuna.get_all_study_summaries(opened)
        assert summary.user_attrs["contents"] == {"weights": text}


def test_a_text_that_is_written_again_is_the_new_one(url, short):
    storage = open_storage(url)
    study = optuna.create_study(storage=storage)
    for text in ("x" * 70_000, "y" * 200_000, "short", "z" * 70_000):
        study.set_user_attr("a", text)
        assert optuna.load_study(study_name=study.study_name, storage=storage).user_attrs == {
            "a": text
        }


def test_a_text_of_just_the_length_stays_in_one_piece(url, short):
    storage = open_storage(url)
    study = optuna.create_study(storage=storage)
    study.set_user_attr("fits", "x" * (MOST - 2))
    attributes = optuna.storages.RDBStorage(url).get_study_user_attrs(study._study_id)
    assert list(attributes) == ["fits"]
    study.set_user_attr("longer", "x" * (MOST - 1))
    attributes = optuna.storages.RDBStorage(url).get_study_user_attrs(study._study_id)
    assert len(attributes) == 5


def test_attributes_of_trials_are_whole_again(url, short):
    storage = open_storage(url)
    study = optuna.create_study(storage=storage)
    long = {"accuracy": {"samples": ["x" * 70_000]}, "lineage": ["x"]}
    study.add_trial(
        optuna.trial.create_trial(value=1.0, user_attrs=long, system_attrs={"s": "y" * 99_000})
    )
    trial = study.ask()
    trial.set_user_attr("accuracy", long["accuracy"])
    trial.storage.set_trial_system_attr(trial._trial_id, "s", "y" * 99_000)
    study.tell(trial, 2.0)
    for opened in (storage, open_storage(url), storage_to_read(url)):
        read = optuna.load_study(study_name=study.study_name, storage=opened)
        for frozen in read.trials:
            assert frozen.user_attrs["accuracy"] == long["accuracy"]
            assert frozen.system_attrs == {"s": "y" * 99_000}
        accuracies = [each.attributes["accuracy"] for each in finished_trials(read, ["accuracy"])]
        assert accuracies == 2 * [long["accuracy"]]
    assert longest(storage, "trial_user_attributes") <= MOST
    assert longest(storage, "trial_system_attributes") <= MOST


def test_a_search_has_the_same_record(url, tmp_path, monkeypatch):
    """Here, little more than numbers fits."""
    whole = searched(open_storage(f"sqlite:///{tmp_path / 'whole.db'}"))
    monkeypatch.setattr(text_columns, "SHORT", {"sqlite"})
    monkeypatch.setattr(text_columns, "most_bytes", lambda engine: 300)
    searched(open_storage(url), trials=2)
    keeper = searched(open_storage(url))
    assert longest(open_storage(url), "trial_user_attributes") <= 300
    parts = optuna.storages.RDBStorage(url).get_all_trials(keeper.study._study_id)[0].user_attrs
    assert any(name.startswith(PART) for name in parts)
    for ours, theirs in zip(keeper.study.trials, whole.study.trials, strict=True):
        assert (ours.values, ours.params) == (theirs.values, theirs.params)
        assert ours.user_attrs == theirs.user_attrs and ours.constraints == theirs.constraints


def test_a_part_that_is_missing_is_one_line(url, short):
    storage = open_storage(url)
    searched(storage)
    study = optuna.load_study(study_name="s", storage=storage)
    study.set_user_attr("final/ab", {"test": "x" * 200_000})
    plain = optuna.storages.RDBStorage(url)
    part = next(
        name for name in plain.get_study_user_attrs(study._study_id) if name.startswith(PART)
    )
    plain.set_study_user_attr(study._study_id, part, "cut")
    with pytest.raises(InputError, match="'s': its record cannot be read: ValueError: final/ab: "):
        OptunaKeeper.existing("s", open_storage(url), SAID)


@pytest.mark.parametrize("where", ["memory", "journal", "sqlite"])
def test_other_storages_keep_long_texts_in_one_piece(where, tmp_path):
    storage = optuna.storages.InMemoryStorage()
    if where != "memory":
        storage = open_storage(f"{where}:///{tmp_path / 'k'}")
    said = {**SAID, "text": TEXTS[0]}
    kept = OptunaKeeper.open(tiny_problem(), "s", storage, said)
    assert kept.study.user_attrs["specification"] == said
    if where == "sqlite":
        assert longest(storage, "study_user_attributes") == len(json.dumps(said))
    search = Search(Record(tiny_problem(), kept), Random(), seed=1, budget=Budget(trials=1))
    search.run()
    assert len(search.record) == 1


# --- a real server ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mariadb():
    """A MariaDB server that runs."""
    if lacks := servers.missing():
        pytest.skip(lacks)
    server = servers.Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.mark.slow
def test_mariadb_keeps_what_does_not_fit_into_its_columns(mariadb):
    url = mariadb.new_database()
    storage = open_storage(url)
    assert text_columns.most_bytes(storage._backend.engine) == MOST
    said = {**SAID, "text": 3 * TEXTS[1]}
    OptunaKeeper.open(tiny_problem(), "long", storage, said)
    study = optuna.create_study(storage=storage, study_name="trials")
    long = {"accuracy": TEXTS[0], "lineage": "x"}
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs=long))
    for opened in (open_storage(url), storage_to_read(url)):
        kept = OptunaKeeper.existing("long", opened, said).study
        assert kept.user_attrs["specification"] == said
        [trial] = finished_trials(
            optuna.load_study(study_name="trials", storage=opened), ["accuracy"]
        )
        assert trial.attributes == {"accuracy": TEXTS[0]}


@pytest.mark.slow
def test_a_mariadb_that_is_restarted_loses_nothing(mariadb):
    whole = searched(optuna.storages.InMemoryStorage(), trials=8)
    url = mariadb.new_database()
    keeper = searched(open_storage(url), trials=3)
    search = Search(
        Record(tiny_problem(objectives=("latency_s", "drop")), keeper),
        Random(),
        seed=1,
        budget=Budget(trials=8),
    )

    def restart(progress) -> None:
        if progress.state == "answered" and len(search.record) % 2:
            mariadb.stop()
            mariadb.start()

    search.run(restart)
    ours, theirs = (
        [(t.number, t.params, t.values, t.user_attrs) for t in study.trials]
        for study in (keeper.study, whole.study)
    )
    assert ours == theirs

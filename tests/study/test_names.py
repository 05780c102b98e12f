"""Names of records: prefixed by the study, so that one database serves a laboratory."""

from __future__ import annotations

import json
import shutil

import optuna
import pytest
from cli_setup import call, make_study, rows
from table_study import table_study

from lionheart_opt.study.names import lies_in, stored_name
from lionheart_opt.study.storage import open_storage


@pytest.fixture
def storage() -> optuna.storages.BaseStorage:
    return optuna.storages.InMemoryStorage()


def record(storage, name: str, said: dict) -> None:
    optuna.create_study(storage=storage, study_name=name).set_user_attr("specification", said)


SAID = {"seed": 0, "limits": {"max_drop": 0.1}}
OTHER = {"seed": 0, "limits": {"max_drop": 0.2}}


@pytest.mark.parametrize("is_own", [True, False])
def test_a_new_record_is_named_after_its_study(storage, is_own):
    name = stored_name(storage, "resnet8", "random/seed0", SAID, is_own=is_own)
    assert name == "resnet8/random/seed0"
    assert optuna.get_all_study_names(storage) == []


@pytest.mark.parametrize("is_own", [True, False])
def test_an_old_name_goes_on_if_it_answers_the_same_question(storage, is_own):
    record(storage, "random/seed0", SAID)
    asked = "resnet8", "random/seed0"
    assert stored_name(storage, *asked, SAID, is_own=is_own) == "random/seed0"
    other = stored_name(storage, *asked, OTHER, is_own=is_own)
    assert other == ("random/seed0" if is_own else "resnet8/random/seed0")
    record(storage, "resnet8/random/seed0", OTHER)
    assert stored_name(storage, *asked, SAID, is_own=is_own) == "resnet8/random/seed0"


def test_a_renamed_folder_finds_its_records_in_its_own_file_only(storage):
    record(storage, "before/random/seed0", SAID)
    record(storage, "before/deep/random/seed0", SAID)
    for said, is_own, name in [
        (SAID, True, "before/random/seed0"),
        (OTHER, True, "after/random/seed0"),
        (SAID, False, "after/random/seed0"),
    ]:
        assert stored_name(storage, "after", "random/seed0", said, is_own=is_own) == name


def test_a_record_without_a_specification_is_nobodys(storage):
    optuna.create_study(storage=storage, study_name="before/random/seed0")
    assert stored_name(storage, "after", "random/seed0", SAID, is_own=True) == "after/random/seed0"


def test_only_files_in_the_folder_are_its_own(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    for url, is_own in {
        "sqlite:///study.db": True,
        "journal:///study.log": True,
        f"sqlite:///{folder}/study.db": True,
        "sqlite:///../lab.db": False,
        f"sqlite:///{tmp_path}/lab.db": False,
        "postgresql://host/db": False,
    }.items():
        assert lies_in(folder, url) is is_own, url


def names(folder, url: str = "sqlite:///study.db") -> list[str]:
    return optuna.get_all_study_names(open_storage(url, folder))


def test_two_studies_with_equal_searches_share_a_database(tmp_path):
    url = "sqlite:///../lab.db"
    first, second = (
        table_study(tmp_path / "first", url, 0.05),
        table_study(tmp_path / "second", url, 0.2),
    )
    for folder in (first, second, first):
        assert call("run", folder)[0] == 0
    assert sorted(names(first, url)) == ["first/random/seed0", "second/random/seed0"]
    [of_first], [of_second] = rows("show", first), rows("show", second)
    assert of_first["trials"] == of_second["trials"] == 3
    assert call("check", first)[0] == 0
    alone = table_study(tmp_path / "alone", "sqlite:///study.db", 0.05)
    assert call("run", alone)[0] == 0
    [of_alone] = rows("show", alone)
    assert {**of_alone, "oracle_seconds": 0} == {**of_first, "oracle_seconds": 0}


@pytest.mark.parametrize("storage", ["sqlite:///study.db", "journal:///study.log"])
def test_a_copied_folder_goes_on_where_the_first_stopped(tmp_path, storage):
    folder = table_study(tmp_path / "before", storage, 0.05)
    assert call("run", folder)[0] == 0
    copy = tmp_path / "elsewhere" / "after"
    shutil.copytree(folder, copy)
    text = (copy / "study.toml").read_text().replace("trials = 3", "trials = 5")
    (copy / "study.toml").write_text(text)
    assert rows("show", copy) == rows("show", folder)
    assert call("check", copy)[0] == 0
    assert call("run", copy)[0] == 0
    assert rows("show", copy)[0]["trials"] == 5
    assert rows("show", folder)[0]["trials"] == 3, "the first is as it was"
    assert names(copy, storage) == ["before/random/seed0"]


def test_a_copy_with_another_question_starts_afresh(tmp_path):
    folder = table_study(tmp_path / "before", "sqlite:///study.db", 0.05)
    assert call("run", folder)[0] == 0
    copy = tmp_path / "after"
    shutil.copytree(folder, copy)
    text = (copy / "study.toml").read_text()
    (copy / "study.toml").write_text(text.replace("max_drop = 0.05", "max_drop = 0.2"))
    assert call("run", copy)[0] == 0
    assert sorted(names(copy)) == ["after/random/seed0", "before/random/seed0"]


def test_profiles_are_prefixed_too(tmp_path):
    folder = make_study(tmp_path / "profiled")
    assert call("profile", folder)[0] == 0
    assert names(folder) == ["profiled/profile/none"]
    assert json.dumps(rows("profile", folder))

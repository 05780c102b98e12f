"""Journals whose last line is torn: mended before anything is appended, and never made worse."""

import optuna
import pytest
from front_door import made_up, outcome
from optuna.distributions import CategoricalDistribution

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.study import journal
from lionheart_opt.study.journal import BEGINNING, ReadJournal, torn_at
from lionheart_opt.study.storage import open_storage


def recorded(path, trials):
    return lo.search(made_up(), "random", trials=trials, storage=f"journal:///{path}")


@pytest.mark.parametrize("cut", [1, 2, 40, 300])
def test_a_torn_last_line_is_removed_before_anything_is_appended(cut, tmp_path):
    path = tmp_path / "k.log"
    recorded(path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    before = optuna.load_study(
        study_name="random/seed0", storage=open_storage(f"journal:///{path}")
    )
    assert path.read_bytes() == whole[:-cut], "reading changes nothing"
    count = len(before.trials)
    assert 1 <= count <= 3
    resumed = recorded(path, 5)
    assert outcome(resumed) == outcome(lo.search(made_up(), "random", trials=5))
    assert torn_at(path) is None
    assert outcome(recorded(path, 5)) == outcome(resumed), "it can be read again"


def test_a_write_that_was_cut_short_in_a_running_process_is_mended(tmp_path):
    path = tmp_path / "k.log"
    study = optuna.create_study(storage=open_storage(f"journal:///{path}"))
    with path.open("ab") as file:
        file.write(BEGINNING + b'5,"worker')  # the disk was full
    study.set_user_attr("a", 1)
    again = optuna.load_study(
        study_name=study.study_name, storage=open_storage(f"journal:///{path}")
    )
    assert again.user_attrs == {"a": 1} and b"worker{" not in path.read_bytes()


def test_zeros_that_a_crash_leaves_are_removed(tmp_path):
    path = tmp_path / "k.log"
    study = optuna.create_study(storage=open_storage(f"journal:///{path}"))
    before = path.read_bytes()
    path.write_bytes(before + b"\0" * 100_000)
    assert torn_at(path) == len(before)
    study.set_user_attr("a", 1)
    assert b"\0" not in path.read_bytes()


def test_a_long_torn_line_is_found(tmp_path):
    path = tmp_path / "k.log"
    path.write_bytes(b"{}\n" + BEGINNING + b"1" * 200_000)
    assert torn_at(path) == 3
    path.write_bytes(BEGINNING[:4])
    assert torn_at(path) == 0
    path.write_bytes(b"")
    assert torn_at(path) is None


def test_a_text_without_a_last_newline_is_refused_unharmed(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes")
    with pytest.raises(InputError, match=r"notes\.txt: its last line is no line of a journal"):
        open_storage(f"journal:///{path}")
    assert path.read_text() == "these are my notes"


def test_a_lock_that_a_killed_process_has_left_is_said_once_and_removed(
    tmp_path, monkeypatch, caplog
):
    """Optuna waits for ever where the path is relative: its link then leads nowhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(journal, "SAID_AFTER_S", 0.1)
    monkeypatch.setattr(journal, "GRACE_S", 0.5)
    (tmp_path / "lab").mkdir()
    study = optuna.create_study(storage=open_storage("journal:///lab/k.log"))
    (tmp_path / "lab/k.log.lock").symlink_to("lab/k.log")
    study.set_user_attr("a", 1)
    assert study.user_attrs == {"a": 1}
    [said] = [each.getMessage() for each in caplog.records if "lock" in each.getMessage()]
    assert said.startswith(f"waiting for the lock {tmp_path}/lab/k.log.lock; if a killed process")
    assert [path.name for path in (tmp_path / "lab").iterdir()] == ["k.log"]


def test_what_is_read_lacks_the_parameters_of_trials_and_nothing_else(tmp_path):
    """Whatever units and attributes are called."""
    path = tmp_path / "k.log"
    study = optuna.create_study(storage=open_storage(f"journal:///{path}"))
    names = ["user_attrs", '"user_attrs":{', ',"distributions":{', "params", "a\\", "ä"]
    attributes = {name: {name: {"user_attrs": {}, "distributions": {}}} for name in names}
    given = {
        "params": dict.fromkeys(names, names[1]),
        "distributions": dict.fromkeys(names, CategoricalDistribution(names)),
    }
    for params in ({}, given):
        trial = optuna.trial.create_trial(value=1.0, user_attrs=attributes, **params)
        study.add_trial(trial)
    logs = list(ReadJournal(path).read_logs(0))
    trials = [log for log in logs if "user_attrs" in log]
    assert [log["user_attrs"] for log in trials] == [attributes] * 2
    assert not any({"params", "distributions", "system_attrs"} & set(log) for log in trials)
    assert len(logs) == len(path.read_bytes().splitlines())


def test_reading_goes_on_where_it_ended(tmp_path):
    path = tmp_path / "k.log"
    study = optuna.create_study(storage=open_storage(f"journal:///{path}"))
    reader = ReadJournal(path)
    count = len(list(reader.read_logs(0)))
    study.set_user_attr("a", 1)
    with path.open("ab") as file:
        file.write(BEGINNING + b'5,"wor')
    [log] = reader.read_logs(count)
    assert log["user_attr"] == {"a": 1} and list(reader.read_logs(count + 1)) == []
    assert len(list(reader.read_logs(0))) == count + 1, "from the beginning again"
    for end in (b"\n", BEGINNING + b"2}\n"):
        with path.open("ab") as file:
            file.write(end)
    with pytest.raises(ValueError, match="control character"):
        list(reader.read_logs(0))

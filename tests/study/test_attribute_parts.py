"""Attributes that are written in parts are read whole."""

import json

import optuna
import pytest

from lionheart_opt.study.attribute_parts import (
    DIGEST,
    PART,
    PARTS,
    in_parts,
    joined,
    reads_parts,
    writes_parts,
)

MOST = 100
VALUES = ["x" * 300, '"' * 90, "é" * 40, {"a": [1.5] * 50}, list(range(90)), "short", None, 7]


@pytest.mark.parametrize("value", VALUES)
def test_parts_fit_and_come_first_and_are_whole_again(value):
    written = in_parts({"before": 1, "long": value}, MOST)
    assert all(len(json.dumps(each)) <= max(MOST, 120) for each in written.values())
    assert next(iter(written)) == "before" and list(written)[-1] == "long"
    assert joined(written) == {"before": 1, "long": value}
    assert (len(written) > 2) is (len(json.dumps(value)) > MOST)


def test_without_a_bound_all_stays_as_it_is():
    said = {"long": "x" * 10**6}
    assert in_parts(said, None) is said


@pytest.mark.parametrize("change", ["lost", "other"])
def test_parts_that_are_lost_or_others_are_refused(change):
    written = in_parts({"long": "x" * 300}, MOST)
    part = next(name for name in written if name.startswith(PART))
    written = {name: value for name, value in written.items() if name != part}
    with pytest.raises(ValueError, match="long: parts of it are missing or damaged"):
        joined(written | ({part: "y"} if change == "other" else {}))


def test_what_only_looks_like_parts_stays():
    looks = {"a": {PARTS: 1, DIGEST: "x"}}
    assert joined(looks) == looks


def test_a_class_of_storages_writes_parts_and_reads_whole_attributes():
    @reads_parts
    @writes_parts
    class Short(optuna.storages.InMemoryStorage):
        most_bytes = MOST

    storage, long = Short(), {"long": "x" * 300}
    study = optuna.create_study(storage=storage, study_name="s")
    study.set_user_attr("long", long["long"])
    storage.set_study_system_attr(study._study_id, "long", long["long"])
    trial = study.ask()
    trial.set_user_attr("long", long["long"])
    storage.set_trial_system_attr(trial._trial_id, "long", long["long"])
    inner = optuna.storages.InMemoryStorage
    behind = inner.get_study_user_attrs(storage, study._study_id)
    assert len(behind) > 2 and all(len(json.dumps(each)) <= 120 for each in behind.values())
    assert len(inner.get_trial(storage, trial._trial_id).user_attrs) > 2
    study = optuna.load_study(study_name="s", storage=storage)
    assert study.user_attrs == storage.get_study_system_attrs(study._study_id) == long
    [summary], [frozen] = optuna.get_all_study_summaries(storage), study.trials
    assert summary.user_attrs == frozen.user_attrs == frozen.system_attrs == long
    assert storage.get_trial_user_attrs(frozen._trial_id) == long

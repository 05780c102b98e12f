"""Screened profiles: a third of the measurements, on the loss, in a record of their own."""

import json

import numpy as np
import optuna
import pytest
from cli_setup import STUDY, call, make_study
from counted_study import searched

import lionheart_opt as lo
from lionheart_opt.results.sensitivity import profile_search, read_profile
from lionheart_opt.study.file import StudyFile

MANY = STUDY.replace("own_plugins:network", "own_plugins:many_layers") + (
    '[[run]]\nstrategy = "one_at_a_time"\nbudget = { trials = 2 }\n'
)
UNITS = 50


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    folder = make_study(tmp_path_factory.mktemp("screened") / "many", MANY)
    code, out, err = call("profile", folder, "--screen", "--json")
    assert code == 0, err
    return folder, json.loads(out)


def test_the_verb_estimates_every_unit_from_a_third_of_the_measurements(screened):
    folder, printed = screened
    assert printed["screened"] and printed["metric"]["name"] == "loss"
    assert len(printed["sensitivities"]) == UNITS
    assert 10 <= printed["n_evaluations"] <= UNITS / 3
    for row in printed["sensitivities"]:
        assert np.isfinite(row["drop"]) and row["standard_error"] >= 0
        assert row["deviation"] == pytest.approx(row["standard_error"] * np.sqrt(3))
    assert any(row["standard_error"] > 0 for row in printed["sensitivities"])
    assert (folder / "figures" / "profile-none-screened.pdf").exists()


def test_the_second_time_costs_nothing_and_the_table_says_what_it_is(screened, tmp_path):
    folder, printed = screened
    code, out, _ = call("profile", folder, "--screen", "--json", "--out", tmp_path)
    assert code == 0 and json.loads(out) == printed
    code, out, _ = call("profile", folder, "--screen", "--out", tmp_path)
    said = " ".join(out.split())
    assert code == 0
    assert (
        f"rise estimated from {printed['n_evaluations']} groups of units (standard error)" in said
    )
    profile = lo.load(folder).profile(screen=True)
    assert repr(profile).startswith(f"Profile({UNITS} of {UNITS} units estimated, ")
    assert profile.to_frame().drop_standard_error.notna().all()


def test_losses_are_never_taken_for_accuracies(screened):
    """The same candidates, in the same storage: a search asks the oracle itself."""
    file = StudyFile.load(screened[0])
    answers = searched(file, "one_at_a_time")
    assert len(answers) == 2
    for answer in answers:
        assert answer.accuracy.metric.name == "accuracy" and answer.accuracy.baseline <= 1
    assert file._studies_of_the_oracle(), "records of searches are found"
    names = {study.study_name for study in file._studies_of_the_oracle()}
    assert not any("screened" in name for name in names)
    assert any("screened" in name for name in optuna.get_all_study_names(file.storage))


def test_interrupted_and_resumed_equals_uninterrupted(screened, tmp_path):
    file = StudyFile.load(make_study(tmp_path / "many", MANY))
    search = profile_search(file, "none", pairs=False, screen=True)
    search.budget = type(search.budget)(trials=5)
    search.run()
    assert len(search.record.evaluations()) == 5
    again = profile_search(StudyFile.load(tmp_path / "many"), "none", pairs=False, screen=True)
    assert again.run() == "finished"
    resumed = json.loads(json.dumps(read_profile(again.record, "none", screen=True).to_json()))
    rows = zip(resumed["sensitivities"], screened[1]["sensitivities"], strict=True)
    assert all(a == b for a, b in rows)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (STUDY, (), "2 units can be analog; at least 36 are needed"),
        (MANY, ("--pairs",), "does not go with pairs"),
        (
            MANY.replace("[oracle]\n", '[oracle]\nkind = "own_plugins:Patient"\n'),
            (),
            "measure the loss",
        ),
    ],
)
def test_what_cannot_be_screened_is_one_clear_line(tmp_path, text, options, message):
    folder = make_study(tmp_path / "s", text)
    code, _, err = call("profile", folder, "--screen", *options)
    assert code == 2 and err.startswith("error: profile: screen: ") and message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(folder.glob("*.log")) and not (folder / "figures").exists()

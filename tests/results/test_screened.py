"""Screened profiles: how far units move the outputs, on few chips, in the record of the profile."""

import json

import numpy as np
import pytest
from cli_setup import STUDY, call, make_study
from counted_study import searched

import lionheart_opt as lo
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


def test_the_verb_measures_every_unit_on_a_third_of_the_chips(screened):
    folder, printed = screened
    assert printed["screened"] and printed["metric"]["name"] == "divergence"
    assert len(printed["sensitivities"]) == printed["n_evaluations"] == UNITS
    assert printed["n_draws"] == max(1, lo.load(folder).problem.accuracy_limit.draws[-1] // 3)
    for row in printed["sensitivities"]:
        assert row["drop"] > 0 and row["standard_error"] > 0 and row["deviation"] is None
    assert (folder / "figures" / "profile-none-screened.pdf").exists()


def test_the_second_time_costs_nothing_and_the_table_says_what_it_is(screened, tmp_path):
    folder, printed = screened
    code, out, _ = call("profile", folder, "--screen", "--json", "--out", tmp_path)
    assert code == 0 and json.loads(out) == printed
    code, out, _ = call("profile", folder, "--screen", "--out", tmp_path)
    said = " ".join(out.split())
    assert code == 0
    assert "Divergence: from the floating-point network's outputs, mean (standard error)" in said
    profile = lo.load(folder).profile(screen=True)
    assert repr(profile).startswith(
        f"Profile({UNITS} of {UNITS} units measured, largest divergence "
    )
    assert profile.to_frame().drop_standard_error.notna().all()


def test_divergences_are_never_taken_for_accuracies(screened):
    """The answers are in the record of the profile; neither it nor a search takes them for drops."""
    folder, printed = screened
    answers = searched(StudyFile.load(folder), "one_at_a_time")
    assert len(answers) == 2
    for answer in answers:
        assert answer.accuracy.metric.name == "accuracy" and answer.accuracy.baseline <= 1
    profile = lo.load(folder).profile()
    assert profile.metric.name == "accuracy" and not profile.screened
    again = lo.load(folder).profile(screen=True)
    assert [row.drop for row in again.sensitivities] == [
        row["drop"] for row in printed["sensitivities"]
    ]
    assert not np.allclose(
        [row.drop for row in profile.sensitivities], [row.drop for row in again.sensitivities]
    )


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (STUDY, ("--pairs",), "does not go with pairs"),
        (
            STUDY,
            ("--training", "short"),
            "weights of the floating-point network; got training 'short'",
        ),
        (
            STUDY.replace("[oracle]\n", '[oracle]\nkind = "own_plugins:Patient"\n'),
            (),
            "cannot compare outputs",
        ),
    ],
)
def test_what_cannot_be_screened_is_one_clear_line(tmp_path, text, options, message):
    folder = make_study(tmp_path / "s", text)
    code, _, err = call("profile", folder, "--screen", *options)
    assert code == 2 and err.startswith("error: profile: screen: ") and message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(folder.glob("*.log")) and not (folder / "figures").exists()

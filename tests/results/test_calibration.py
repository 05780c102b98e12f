"""The price of calibrating what searches have found."""

import json

import pytest
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.aging.calibration_cost import calibration_cost
from lionheart_opt.results.calibration import calibration_costs, calibration_json

SETTINGS = {
    "compensation": "columns",
    "calibration": {"examples": 64, "reads": 2, "fit_to": "tile"},
}


def test_the_settings_of_the_study_are_priced():
    problem = made_up_problem()
    found = search("found", answer(problem, 2, 0.02), problem=problem)
    best = found.best.mapping
    expected = calibration_cost(problem, best, examples=64, reads=2, fit_to="tile")
    assert calibration_costs([found], SETTINGS) == [expected]
    assert calibration_costs([found], {"kind": "hat", **SETTINGS}) == [expected]
    norms = {"compensation": "batch_norm"}
    expected = calibration_cost(problem, best, compensation="batch_norm")
    assert calibration_costs([found], norms) == [expected]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"compensation": "none"},
        {"kind": "table", "file": "table.npz"},
        {"kind": "mine:Oracle", "compensation": "columns"},
        {"compensation": "columns", "engine": "gone"},
    ],
)
def test_studies_that_do_not_calibrate_have_no_price(settings):
    problem = made_up_problem()
    found = search("found", answer(problem, 2, 0.02), problem=problem)
    assert calibration_costs([found], settings) == [None]


def test_digital_results_and_none_have_no_price():
    problem = made_up_problem()
    digital = search("digital", answer(problem, 0, 0.0), problem=problem)
    hopeless = search("hopeless", answer(problem, 5, 0.5), problem=problem)
    assert calibration_costs([digital, hopeless], SETTINGS) == [None, None]


def test_json_is_plain_and_says_how_often_it_pays():
    problem = made_up_problem()
    found = search("found", answer(problem, 2, 0.02), problem=problem)
    [cost] = calibration_costs([found], SETTINGS)
    row = json.loads(json.dumps(calibration_json(cost)))
    assert row["passes"] == 64 and row["inferences_at_1_percent"] == cost.inferences(0.01)

"""Exports of single trials: which files are written, what they say, what is refused."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.results.best import best_search
from lionheart_opt.results.export import ExportWarning, export_trial
from lionheart_opt.results.result import SearchResult
from lionheart_opt.study.file import StudyFile

OLD = Path(__file__).parents[1] / "old_records" / "journal"


@pytest.fixture
def file(tmp_path: Path) -> StudyFile:
    return StudyFile.load(shutil.copytree(OLD, tmp_path / "journal"))


@pytest.fixture
def results(file: StudyFile) -> list[SearchResult]:
    return lo.load(file.folder).results()


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_the_report_says_what_the_record_holds(file, results, tmp_path):
    result = next(result for result in results if result.name == "random/seed0")
    mapping, report = export_trial(file, results, "random/seed0", 3, tmp_path / "out")
    evaluation = result.evaluation(3)
    assert read(mapping) == evaluation.mapping.to_json()
    data = read(report)
    assert (data["study"], data["search"], data["trial"]) == ("journal", "random/seed0", 3)
    assert data["question"] == file.table.question
    assert data["latency_s"] == evaluation.cost.latency_s
    digital = file.problem.digital_cost
    assert data["speedup"] == pytest.approx(digital.latency_s / evaluation.cost.latency_s)
    assert data["energy_gain"] == pytest.approx(digital.energy_j / evaluation.cost.energy_j)
    assert data["feasible"] == evaluation.feasible
    assert data["specification"]["limits"]["max_drop"] == 0.05
    accuracy, bounds = data["accuracy"], file.problem.accuracy_limit.bounds(evaluation.accuracy)
    assert accuracy["samples"] == evaluation.accuracy.samples.tolist()
    assert accuracy["drop"] == bounds.estimate
    assert accuracy["drop_interval"] == [bounds.low, bounds.high]


def test_a_trial_that_broke_a_cost_limit_has_no_accuracy(file, results, tmp_path):
    result = results[0]
    silent = replace(result.evaluations[0], accuracy=None)
    cut = replace(result, evaluations=[silent, *result.evaluations[1:]])
    _, report = export_trial(file, [cut], None, cut.numbers[0], tmp_path)
    assert "accuracy" not in read(report)


def test_the_only_search_need_not_be_named(file, results):
    mapping, _ = export_trial(file, results[:1], None, 0, None)
    assert mapping.parent == file.folder / "export" / "mac_greedy-seed0-trial0"


@pytest.mark.parametrize(
    ("search", "trial", "message"),
    [
        (None, 0, "--only is missing; one of: mac_greedy/seed0, knapsack/seed0"),
        ("random/seed9", 0, r"--only: unknown search 'random/seed9' \(did you mean 'random/seed"),
        ("random/seed0", 99, "trial: got 99"),
    ],
)
def test_what_does_not_exist_is_refused_and_nothing_is_written(
    file, results, tmp_path, search, trial, message
):
    with pytest.raises(InputError, match=message):
        export_trial(file, results, search, trial, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@dataclass(frozen=True)
class HoldsWeights:
    """An oracle that writes down what it was asked to export."""

    def export_weights(self, candidate: lo.Candidate, seed: int, path: Path) -> None:
        path.write_text(json.dumps([candidate.trained_by, seed]))


def test_weights_are_those_of_the_resolved_candidate(file, results, tmp_path):
    _ = file.problem
    file.__dict__["oracle"] = HoldsWeights()
    *_, weights = export_trial(file, results, "knapsack/seed0", 0, tmp_path)
    assert weights == tmp_path / "weights.pt"
    trained_by = file.problem.resolved(results[1].evaluation(0).candidate).trained_by
    assert read(weights) == [trained_by, file.table.seed]


def test_the_best_of_all_searches_is_exported_and_named(file, results, tmp_path):
    best = best_search(results)
    _, report = export_trial(file, results, None, None, tmp_path / "out")
    assert best.best_trial is not None
    assert (read(report)["search"], read(report)["trial"]) == (best.name, best.best_trial)
    assert read(report)["warning"] == "" and read(report)["feasible"]
    assert read(tmp_path / "out" / "mapping.json") == best.best.mapping.to_json()
    other = next(result for result in results if result is not best)
    _, report = export_trial(file, results, other.name, None, tmp_path / "other")
    assert (read(report)["search"], read(report)["trial"]) == (other.name, other.best_trial)


def test_what_is_not_feasible_never_goes_without_saying_so(file, results, tmp_path):
    result = results[0]
    good, bad = result.evaluations[0], replace(result.evaluations[1], violations={"drop": 0.1})
    cut = replace(result, evaluations=[good, bad], trials=[4, 7])
    message = f"{cut.name}: trial 7 is not feasible: it breaks drop"
    with pytest.warns(ExportWarning, match=message):
        _, report = export_trial(file, [cut], None, 7, tmp_path / "bad")
    data = read(report)
    assert data["warning"].startswith(message) and data["feasible"] is False


def test_the_best_is_all_digital_where_nothing_beats_it(file, results, tmp_path):
    problem = results[0].problem
    bad = replace(results[0].evaluations[0], violations={"drop": 0.1})
    digital = problem.evaluate(problem.pretrained(problem.all_digital))
    nothing = replace(results[0], evaluations=[bad], trials=[0], digital=digital)
    with pytest.warns(ExportWarning, match="all-digital: nothing beats it"):
        mapping, report = export_trial(file, [nothing], None, None, None)
    assert mapping.parent.name == f"{nothing.name.replace('/', '-')}-all-digital"
    assert read(mapping) == problem.all_digital.to_json()
    assert read(report)["trial"] is None and read(report)["speedup"] == 1.0
    broken = replace(digital, violations={"drop": 0.1})
    with pytest.raises(InputError, match="nothing feasible; all-digital breaks drop; give --trial"):
        export_trial(file, [replace(nothing, digital=broken)], None, None, tmp_path)


def test_the_report_has_the_intervals_of_costs_and_gains(file, results, tmp_path):
    """Records of version 0.1.0 have them, too: they follow from the system and the mapping."""
    _, report = export_trial(file, results, "random/seed0", 3, tmp_path)
    data = read(report)
    problem = file.problem
    cost = problem.cost(results[0].problem.mapping(read(tmp_path / "mapping.json")))
    ends = data["energy_gain_low"], data["energy_gain_high"]
    assert ends == cost.gain_over(problem.digital_cost, "energy_j")[1:]
    assert data["latency_low_s"] < data["latency_s"] < data["latency_high_s"]

"""Closer looks at one mapping, of studies, results and problems; what cannot be looked at is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from front_door import data, made_up, small
from own_plugins import Attends
from torch import nn

import lionheart_opt as lo
from lionheart_opt.strategies.fixed import Fixed
from lionheart_opt.synthetic import synthetic_problem


@pytest.fixture(scope="module")
def problem() -> Any:
    """Three linear layers, taken as they are."""
    return lo.problem(
        small(), data(), max_drop=0.9, time=["1 s", "1 day"], draws=[3], training="none"
    )


@pytest.fixture(scope="module")
def result(problem: lo.Problem) -> lo.SearchResult:
    with pytest.warns(UserWarning, match="untrained"):
        return lo.search(problem, Fixed("all-analog"))


def test_a_problem_and_the_result_of_its_search_are_diagnosed_alike(
    problem: lo.Problem, result: lo.SearchResult
) -> None:
    of_problem = lo.diagnose(problem, "all-analog", draws=2, examples=20)
    of_result = lo.diagnose(result, trial=0, draws=2, examples=20)
    assert of_problem.subject == "all-analog"
    assert of_result.subject == f"{result.name}: trial 0"
    assert of_problem.to_json() == {**of_result.to_json(), "subject": "all-analog"}
    assert [matrix.unit for matrix in of_result.matrices] == ["first", "second", "last"]
    assert (of_result.time_s, of_result.n_draws, of_result.n_examples) == (86_400.0, 2, 15)


def test_the_time_decides(problem: lo.Problem) -> None:
    early, late = (
        lo.diagnose(problem, {"first": "tile"}, time=time, draws=2, examples=20).matrices[0]
        for time in ("1 s", "1 year")
    )
    assert early.snr_db("drift") > late.snr_db("drift") + 3
    assert early.snr_db("programming") == pytest.approx(late.snr_db("programming"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trial": 7}, "trial: got 7; finished trials: 0"),
        ({"trial": True}, "trial: got True; must be a whole number"),
        ({"only": "other/seed0"}, "--only: unknown search 'other/seed0'"),
        ({"draws": 0}, "draws: got 0; must be a whole number from 1 on"),
        ({"examples": 1}, "examples: got 1; must be a whole number from 2 on"),
        ({"time": "soon"}, "time: got 'soon'"),
        ({"mapping": "all-analog"}, "mapping: only for a problem"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(
    result: lo.SearchResult, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(lo.InputError, match=message):
        lo.diagnose(result, **{"trial": 0, **arguments})


def test_what_has_no_analog_unit_is_refused(problem: lo.Problem) -> None:
    with pytest.raises(lo.InputError, match="all-digital has no analog unit"):
        lo.diagnose(problem, "all-digital")
    with pytest.raises(lo.InputError, match="a problem needs a mapping"):
        lo.diagnose(problem)
    with pytest.raises(lo.InputError, match="must be a study, a SearchResult or a problem"):
        lo.diagnose("quickstart")  # type: ignore[arg-type]


class Twice(nn.Module):
    """Attention with bare parameters, and one matrix that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.attends = Attends()
        self.shared = nn.Linear(16, 16)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            images = torch.relu(self.shared(images.flatten(1))).view(-1, 1, 4, 4)
        return self.attends(images)


def test_parts_of_parameters_and_shared_matrices_are_diagnosed() -> None:
    problem = lo.problem(Twice(), data(), max_drop=0.9, draws=[3], training="none")
    diagnosis = lo.diagnose(problem, "all-analog", draws=2, examples=10)
    assert len(diagnosis.matrices) == len(problem.workload.crossbar_units) >= 4
    for matrix in diagnosis.matrices:
        assert 0 < matrix.snr_db("all") < matrix.snr_db("converters") < 60


def test_oracles_that_cannot_say_it_are_named() -> None:
    with pytest.raises(lo.InputError, match=r'MadeUp cannot say .* kind = "hat"'):
        lo.diagnose(made_up(), "all-analog")
    study = lo.Study.of(synthetic_problem(n_units=5), ["random"], trials=2)
    with pytest.raises(lo.InputError, match="nothing recorded yet"):
        lo.diagnose(study)


def test_a_lifetime_of_a_trial_rests_on_what_is_recorded(result: lo.SearchResult) -> None:
    found = lo.lifetime(result, trial=0)
    accuracy = result.evaluations[0].accuracy
    assert (found.times_s, found.n_draws) == (accuracy.times_s, len(accuracy.samples))
    assert found.data == "validation"
    bounds = result.problem.accuracy_limit.bounds(accuracy)
    assert max(drop.estimate for drop in found.drops) == bounds.estimate


def test_other_times_are_measured_on_test_data_and_fresh_chips(
    problem: lo.Problem, result: lo.SearchResult
) -> None:
    before = [each.accuracy.samples.tolist() for each in result.evaluations]
    found = lo.lifetime(result, trial=0, times=["1 month", "1 s"], draws=4)
    assert found.times_s == (1.0, 2_592_000.0)
    assert (found.n_draws, found.data, found.n_examples) == (4, "test", 80)
    of_problem = lo.lifetime(problem, "all-analog", times=[1.0, 2_592_000.0], draws=4)
    assert of_problem.drops == found.drops
    assert [each.accuracy.samples.tolist() for each in result.evaluations] == before
    assert problem.oracle.settings.times_s == result.evaluations[0].accuracy.times_s
    # without times, those of the oracle
    assert lo.lifetime(result, trial=0, draws=2).times_s == lo.lifetime(result, trial=0).times_s


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": "1 day"}, r"times: got '1 day'; must be a list"),
        ({"times": []}, r"times: got \[\]; at least one"),
        ({"times": ["1 moon"]}, "time: got '1 moon'"),
        ({"draws": 1}, "draws: got 1; must be a whole number from 2 on"),
        ({"share": 2}, "share: got 2"),
    ],
)
def test_lifetimes_that_cannot_be_are_refused(
    result: lo.SearchResult, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(lo.InputError, match=message):
        lo.lifetime(result, **{"trial": 0, **arguments})


def test_oracles_with_times_of_their_own_say_so() -> None:
    result = lo.search(made_up(training="none"), Fixed("all-analog"))
    assert lo.lifetime(result, trial=0).data == "validation"
    assert lo.lifetime(result, trial=0, draws=7).n_draws == 7
    with pytest.raises(lo.InputError, match="MadeUp measures at its own times only"):
        lo.lifetime(result, trial=0, times=[1.0])


def test_too_few_draws_for_a_quantile_are_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = made_up(quantile=0.9, draws=[40], training="none")
    monkeypatch.setattr(type(problem.oracle), "accuracy", None)
    with pytest.raises(lo.InputError, match=r"can never be decided with 2: .* at least"):
        lo.lifetime(problem, "all-analog", draws=2)


@pytest.fixture(scope="module")
def calibrated() -> lo.Problem:
    """As `problem`, on chips that are calibrated."""
    return lo.problem(
        small(),
        data(),
        max_drop=0.9,
        time=["1 s", "1 day"],
        draws=[3],
        training="none",
        oracle={"compensation": "columns", "calibration": {"examples": 16}},
    )


def test_the_longest_interval_between_calibrations_is_found(calibrated: lo.Problem) -> None:
    """With a limit that everything keeps, it is the last one."""
    found = lo.lifetime(calibrated, "all-analog", draws=2, intervals=["12 h", "1 h", "1 month"])
    assert found.recalibration is not None
    tried = found.recalibration.intervals
    assert [each.interval_s for each in tried] == [3600.0, 43_200.0]
    assert found.recalibration.until_s == 86_400.0
    assert found.recalibration.kept_s == 43_200.0 and all(each.holds for each in tried)
    assert found.times_s == (1.0, 3600.0, 43_200.0, 86_400.0)  # for reprogramming
    assert found.refresh_s == 86_400.0 and found.to_json()["recalibration"]["kept_s"] == 43_200.0
    # the drop of an interval is that of a study with this schedule
    schedule = {"examples": 16, "recalibrate_every_s": 43_200.0}
    changed = {"compensation": "columns", "calibration": schedule}
    own = lo.problem(
        small(), data(), max_drop=0.9, time="1 day", draws=[3], training="none", oracle=changed
    )
    expected = lo.lifetime(own, "all-analog", times=list(tried[1].times_s), draws=2)
    assert tried[1].drop.estimate == max(drop.estimate for drop in expected.drops)


def test_intervals_end_where_the_limit_is_not_shown_to_hold(calibrated: lo.Problem) -> None:
    strict = replace(
        calibrated, accuracy_limit=replace(calibrated.accuracy_limit, max_drop=0.0, draws=(3,))
    )
    found = lo.lifetime(strict, "all-analog", draws=2, intervals="auto")
    assert found.recalibration is not None
    assert len(found.recalibration.intervals) == 1 and len(found.recalibration.asked_s) == 3
    assert found.recalibration.kept_s is None


def test_without_calibration_only_reprogramming_is_tried(problem: lo.Problem) -> None:
    found = lo.lifetime(problem, "all-analog", draws=2, intervals="auto")
    assert found.recalibration is not None and found.recalibration.intervals == ()
    assert found.times_s == (1.0, 3600.0, 21_600.0, 86_400.0)


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ("1 day", "intervals: got '1 day'; must be a list"),
        ([], r"intervals: got \[\]; at least one"),
        (["1 week"], "intervals: none is at most 86400 s"),
        ([0.0], "intervals: got 0 s; must be above 0"),
        (["soon"], "got 'soon'"),
    ],
)
def test_intervals_that_cannot_be_are_refused(
    problem: lo.Problem, intervals: Any, message: str
) -> None:
    with pytest.raises(lo.InputError, match=message):
        lo.lifetime(problem, "all-analog", intervals=intervals)

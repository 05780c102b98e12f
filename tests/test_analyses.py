"""Closer looks at one mapping, of studies, results and problems; what cannot be looked at is refused."""

from __future__ import annotations

from typing import Any

import pytest
from front_door import data, made_up, small

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


def test_oracles_that_cannot_say_it_are_named() -> None:
    with pytest.raises(lo.InputError, match=r'MadeUp cannot say .* kind = "hat"'):
        lo.diagnose(made_up(), "all-analog")
    study = lo.Study.of(synthetic_problem(n_units=5), ["random"], trials=2)
    with pytest.raises(lo.InputError, match="nothing recorded yet"):
        lo.diagnose(study)

"""A verdict tests mappings in a fixed order, and ends at the first one that is not verified."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cli.show_tables import print_show
from lionheart_opt.results.best import best_of
from lionheart_opt.results.report import show_row
from lionheart_opt.results.verdict import final_bounds, verdict_of
from lionheart_opt.statistics.outcomes import Spread

PROBLEM = made_up_problem(objectives=("latency_s",))
#: One to four of five units analog.
ANSWERS = [answer(PROBLEM, k, 0.01 * k) for k in range(1, 5)]
DIGESTS = [each.candidate.digest for each in ANSWERS]


def on_test_data(drop: float) -> dict[str, Accuracy]:
    accuracy = ANSWERS[0].accuracy
    assert accuracy is not None
    return {"test": replace(accuracy, samples=np.full((8, 1), 0.9 - drop))}


def judged(*drops: float, order: tuple[int, ...] = (0, 1, 2, 3)):
    checks = {DIGESTS[k]: on_test_data(drop) for k, drop in zip(order, drops, strict=False)}
    digests = tuple(DIGESTS[k] for k in order)
    return search("x", *ANSWERS, problem=PROBLEM, checks=checks, order=digests)


@pytest.mark.parametrize(
    ("drops", "verified", "tested"),
    [
        ((0.01, 0.02, 0.03, 0.04), 3, 4),
        ((0.01, 0.02, 0.2, 0.04), 1, 3),  # what comes after a failure is not even looked at
        ((0.2, 0.01, 0.01, 0.01), None, 1),
        ((0.01, 0.02), 1, 2),  # interrupted: the others are not measured yet
    ],
)
def test_the_last_verified_one_is_the_result(drops, verified, tested):
    verdict = judged(*drops).verdict
    assert len(verdict.tested) == tested
    assert verdict.verified is (None if verified is None else ANSWERS[verified])
    expected = drops[0] if verified is None else drops[verified]
    assert verdict.bounds.estimate == pytest.approx(expected)


@pytest.mark.parametrize(
    ("drops", "untested"),
    [((0.01, 0.02), 2), ((0.01, 0.02, 0.03, 0.04), 0), ((0.2,), 0), ((0.01, 0.2), 0)],
)
def test_what_is_still_to_be_tested_is_said(drops, untested, capsys):
    result = judged(*drops)
    assert result.verdict.untested == show_row(result)["untested"] == untested
    print_show([result])
    assert (f"{untested} not tested yet" in capsys.readouterr().out) == bool(untested)


def test_without_test_data_there_is_no_verdict():
    assert judged().verdict is None
    fresh = {DIGESTS[3]: {"fresh draws": on_test_data(0.01)["test"]}}
    result = search("x", *ANSWERS, problem=PROBLEM, checks=fresh, order=tuple(DIGESTS))
    assert result.verdict is None and show_row(result)["verdict"] is None
    assert verdict_of(ANSWERS, ["of another record"], {}, PROBLEM.accuracy_limit) is None


def test_a_final_bound_looks_once_with_all_of_the_error():
    accuracy = on_test_data(0.05)["test"]
    rough = replace(accuracy, samples=accuracy.samples + 0.01 * np.arange(8)[:, None] / 8)
    limit = PROBLEM.accuracy_limit
    assert final_bounds(limit, [rough]).high < limit.bounds(rough).high
    assert final_bounds(limit, [rough]) == replace(limit, draws=(8,)).bounds(rough)


def test_rows_and_frames_say_it():
    best = show_row(judged(0.01, 0.02, 0.03, 0.04))
    assert (best["verdict"], best["trial"], best["candidate_trial"]) == ("verified", 3, 3)
    assert best["verified_high"] == pytest.approx(0.04)
    safer = show_row(judged(0.01, 0.02, 0.2))
    assert (safer["verdict"], safer["trial"], safer["candidate_trial"]) == ("verified", 1, 3)
    assert safer["speedup"] < best["speedup"] and safer["drop"] == pytest.approx(0.02)
    nothing = show_row(judged(0.2))
    assert (nothing["verdict"], nothing["trial"], nothing["candidate_trial"]) == (
        "not verified",
        3,
        3,
    )
    frame = judged(0.01, 0.02, 0.2).to_frame()
    assert frame["verdict"].tolist() == ["verified", "verified", "not verified", ""]
    assert frame["best"].tolist() == [False, True, False, False]


def test_the_verified_mapping_is_the_result_and_others_are_candidates():
    safer, nothing, untested = judged(0.01, 0.02, 0.2), judged(0.2), judged()
    assert (safer.best, safer.candidate) == (ANSWERS[1], ANSWERS[3])
    assert nothing.best is nothing.candidate is untested.best is ANSWERS[3]
    assert "verified: trial 1" in repr(safer) and "not verified" not in repr(safer)
    assert "candidate: trial 3" in repr(nothing) and "candidate: trial 3" in repr(untested)
    assert best_of([nothing, safer]) is ANSWERS[1], "verified comes before a better candidate"
    assert best_of([untested, nothing]) is ANSWERS[3]


def test_a_verdict_that_refuses_the_candidate_itself_says_so():
    refused = judged(0.2, order=(3,))
    assert "not verified: trial 3" in repr(refused) and refused.best is ANSWERS[3]


def test_several_trainings_are_bounded_over_trainings():
    """Chips of one training say nothing about another: the spread of the trainings counts."""
    limit = replace(PROBLEM.accuracy_limit, over="examples")
    trainings = [on_test_data(drop)["test"] for drop in (0.01, 0.03, 0.05)]
    bounds = final_bounds(limit, trainings)
    student = 2.919986  # 2 degrees of freedom
    width = student + (2 * student**2 + 1) / (6 * np.sqrt(3))
    assert bounds.estimate == pytest.approx(0.03)
    assert bounds.high - 0.03 == pytest.approx(width * 0.02 / np.sqrt(3), rel=1e-5)
    assert 0.03 - bounds.low == pytest.approx(width * 0.02 / np.sqrt(3), rel=1e-5)
    known = [
        replace(
            each, spread=Spread(**dict(zip(("deviation", "third", "each"), moments, strict=True)))
        )
        for each in (replace(each, n_examples=1000) for each in trainings)
        for moments in [(np.array([0.2]), np.zeros(1), np.full((8, 1), 0.3))]
    ]
    wider = final_bounds(replace(limit, over="population"), known)
    examples = np.hypot(0.2, np.sqrt(2 / 1002)) * 1.6463795 / np.sqrt(1000)
    assert wider.high - 0.03 == pytest.approx(np.hypot(bounds.high - 0.03, examples), rel=1e-3)
    quantile = replace(limit, quantile=0.5, draws=(8,))
    assert final_bounds(quantile, trainings).estimate == pytest.approx(0.05), "the worst of them"


@pytest.mark.parametrize("others", [0, 2])
def test_a_training_that_diverged_verifies_nothing(others):
    """Its samples are those of the weights before."""
    good = on_test_data(0.01)["test"]
    diverged = replace(good, note="training diverged in epoch 1")
    for trainings in ([diverged, *[good] * others], [*[good] * others, diverged]):
        assert final_bounds(PROBLEM.accuracy_limit, trainings).high == good.baseline

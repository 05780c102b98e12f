"""Trials whose training diverged: never feasible, in no front, and told everywhere."""

from dataclasses import replace

import numpy as np
import pytest
from cli_setup import STUDY, call, make_study, rows
from made_up_runs import answer, made_up_problem, search

import lionheart_opt as lo
from lionheart_opt.accuracy import DIVERGED
from lionheart_opt.cli import comparison_tables, show_tables
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.problem import Problem
from lionheart_opt.results.comparison import compare
from lionheart_opt.results.history import final_hypervolume, history
from lionheart_opt.results.metrics import drop_of
from lionheart_opt.results.report import show_row
from lionheart_opt.results.result import SearchResult


def diverged(problem: Problem, k: int, drop: float) -> Evaluation:
    """As `answer`, but the training diverged: the samples are those of the weights before."""
    accuracy = answer(problem, k, drop).accuracy
    noted = replace(accuracy, note=f"{DIVERGED} in epoch 1; weights of the start are used")
    return problem.evaluation(answer(problem, k, drop).candidate, noted)


@pytest.fixture
def result() -> SearchResult:
    """2 of five units analog; 4 analog are faster and lose nothing, but their training diverged."""
    problem = made_up_problem()
    answers = answer(problem, 2, 0.02), diverged(problem, 4, 0.0), diverged(problem, 5, 0.0)
    return search("x", *answers, problem=problem, trials=(0, 3, 4))


def test_it_is_never_feasible(result):
    for evaluation in result.evaluations[1:]:
        assert not evaluation.feasible and evaluation.violations["diverged"] == 1.0
        assert not evaluation.measured
    problem = made_up_problem(accuracy_limit=replace(result.problem.accuracy_limit, max_drop=1.0))
    assert not diverged(problem, 1, 0.0).feasible
    assert "diverged" not in answer(problem, 1, 0.0).violations
    assert result.best is result.evaluations[0] and result.front() == [result.evaluations[0]]


def test_it_counts_nowhere(result):
    alone = search("x", result.evaluations[0], problem=result.problem)
    assert final_hypervolume(result) == final_hypervolume(alone) > 0
    none, volume = history(alone)[1]
    assert history(result)[1].tolist() == [none, volume, volume, volume]
    assert len(result.points) == 1 and result.feasible_at(0.1) == [result.evaluations[0]]
    assert drop_of(result.problem, result.evaluations[1]) is None


def test_it_is_told(result, capsys):
    assert result.diverged == [3, 4] == show_row(result)["diverged"]
    frame = result.to_frame()
    assert list(frame["diverged"]) == [False, True, True]
    assert frame["diverged"].dtype == bool
    assert np.isnan(frame["drop"][1:]).all() and frame["drop"][0] == pytest.approx(0.02)
    show_tables.print_show([result])
    out = " ".join(capsys.readouterr().out.split())
    assert "x/seed0: training diverged in 2 trials, which are never feasible" in out
    assert "(trial 3-4)" in out and "learning_rate" in out
    comparison = compare([result, replace(result, seed=1)]).to_json()
    assert comparison["strategies"][0]["diverged"] == 4
    comparison_tables.print_comparison(comparison)
    assert "training diverged in 4 trials" in " ".join(capsys.readouterr().out.split())


def test_nothing_is_said_where_nothing_diverged(result, capsys):
    alone = search("x", result.evaluations[0], problem=result.problem)
    show_tables.print_show([alone])
    comparison_tables.print_comparison(compare([alone]).to_json())
    assert "diverged" not in capsys.readouterr().out
    assert show_row(alone)["diverged"] == []


def test_a_failed_evaluation_is_told(result):
    problem = result.problem
    failed = problem.evaluation(answer(problem, 3, 0.0).candidate, None, "its worker has died")
    some = search("x", result.evaluations[0], failed, problem=problem, trials=(0, 7))
    assert some.failed == [7] == show_row(some)["failed"] and show_row(some)["diverged"] == []
    assert list(some.to_frame()["failed"]) == [False, True]
    assert show_row(result)["failed"] == [] and not result.to_frame()["failed"].any()


def test_no_more_draws_are_taken_of_it():
    """They would be those of other weights."""
    asked = []

    class Diverges:
        def accuracy(self, candidate, fidelity, seed):
            asked.append(fidelity.draws)
            accuracy = answer(problem, 1, 0.09).accuracy
            return replace(accuracy, note=f"{DIVERGED} in epoch 2")

    problem = made_up_problem(oracle=Diverges())
    assert not problem.evaluate(problem.pretrained(problem.all_analog)).feasible
    assert asked == [(0, problem.accuracy_limit.draws[0])]


def test_a_real_one_is_recorded_and_shown_by_every_verb(tmp_path):
    text = STUDY.replace("[oracle.hat]", "[oracle.hat]\nlearning_rate = 1e30")
    text = text.replace(
        "[[run]]", '[[run]]\nstrategy = "fixed"\narguments = { mapping = "all-analog" }\n[[run]]', 1
    )
    folder = make_study(tmp_path / "study", text)
    code, _, err = call("run", folder, "--only", "fixed")
    assert code == 0 and "trial 0: training diverged in epoch 1" in err
    [row] = rows("show", folder)
    assert row["diverged"] == [0] and row["outcome"] == "nothing beats all-digital"
    assert row["trial"] is None and row["mapping"] == dict.fromkeys(row["mapping"], "core")
    code, out, _ = call("show", folder)
    assert code == 0 and "training diverged in 1 trial" in " ".join(out.split())
    assert rows("compare", folder)["strategies"][0]["diverged"] == 1
    [trial] = lo.load(folder).to_frame().itertuples()
    assert trial.diverged and not trial.feasible and np.isnan(trial.drop)

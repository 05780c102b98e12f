"""Rows of `show`, from records of the tiny problem."""

import json
from dataclasses import replace

import numpy as np
import optuna
import pytest
from made_up_runs import answer, priced_problem, search

from lionheart_opt.results import report
from lionheart_opt.results.result import SearchResult
from lionheart_opt.strategies.fixed import Fixed
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import brute_force, tiny_problem


def run(label, strategy, seed=0, trials=None, problem=None) -> SearchResult:
    problem = problem or tiny_problem()
    record = Record(problem)
    Search(record, strategy, seed, Budget(trials=trials)).run()
    return SearchResult(label=label, seed=seed, problem=problem, evaluations=record.evaluations())


def test_show_has_exactly_the_promised_keys():
    promised = (
        "strategy seed trial trials ended oracle_seconds feasible beats_all_digital outcome mapping "
        "baseline drop drop_high test_drop verdict untested candidate_trial verified_high latency_s "
        "interval_s energy_j speedup energy_gain latency_low_s latency_high_s interval_low_s "
        "interval_high_s energy_low_j energy_high_j speedup_low speedup_high energy_gain_low "
        "energy_gain_high analog_mac_ratio diverged failed"
    ).split()
    for result in (run("greedy", MacGreedy()), run("all-analog", Fixed("all-analog"))):
        row = report.show_row(result)
        assert list(row) == promised
        json.dumps(row)


def test_show_has_the_intervals_of_the_best_mapping():
    problem = priced_problem()
    row = report.show_row(search("x", answer(problem, 2, 0.02), problem=problem))
    for name in ("latency", "interval", "energy"):
        unit = "j" if name == "energy" else "s"
        assert row[f"{name}_low_{unit}"] < row[f"{name}_{unit}"] < row[f"{name}_high_{unit}"]
    for name in ("speedup", "energy_gain"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
        cost = "interval_{}_s" if name == "speedup" else "energy_{}_j"
        factor = row[cost.format("high")] / row[cost.format("low")]
        assert row[f"{name}_high"] / row[f"{name}_low"] < factor, "gains are known better"
    json.dumps(row)


def test_the_incumbent_is_the_best_feasible_mapping():
    problem = tiny_problem()
    everything = run("all", Random(), problem=problem)
    best = min(
        evaluation.cost.latency_s for evaluation in brute_force(problem) if evaluation.feasible
    )
    assert report.show_row(everything)["latency_s"] == pytest.approx(best)


def test_nothing_feasible_is_said_not_hidden():
    hopeless = run("x", Fixed("all-analog"), problem=tiny_problem(max_drop=0.0))
    row = report.show_row(hopeless)
    assert row["feasible"] is False and row["mapping"] is None and row["drop"] is None
    assert row["trial"] is None and row["baseline"] == hopeless.evaluations[0].accuracy.baseline
    assert report.binding(hopeless) == "drop in 1 of 1"


def test_the_draws_that_decisions_took_are_counted():
    problem = tiny_problem()
    storage = optuna.storages.InMemoryStorage()
    record = Record(problem, OptunaKeeper.open(problem, "s", storage, {}))
    Search(record, Random(), 0, Budget(trials=8)).run()
    taken = [trial.user_attrs["draws"] for trial in record.keeper.study.trials]
    assert taken == [len(evaluation.accuracy.samples) for evaluation in record.evaluations()]
    assert set(taken) <= set(problem.accuracy_limit.draws)
    result = SearchResult(label="x", seed=0, problem=problem, evaluations=record.evaluations())
    assert report.median_draws([result]) == np.median(taken)
    assert report.median_draws([replace(result, evaluations=[])]) is None

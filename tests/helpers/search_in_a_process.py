"""Runs searches of the tiny problem on a storage: what tests of faults start, stop and kill."""

import os
import sys
import time
from dataclasses import dataclass, replace

import optuna

from lionheart_opt.accuracy import AccuracyOracle
from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.optuna import Optuna
from lionheart_opt.strategies.random import Random
from lionheart_opt.study import claim
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.study.storage import open_storage
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import tiny_problem

STRATEGIES = {
    "mac_greedy": MacGreedy(),
    "random": Random(),
    "trained": Random(),
    "tpe": Optuna(sampler="TPESampler", arguments={"n_startup_trials": 4}),
    "nsga2": Optuna(sampler="NSGAIISampler", arguments={"population_size": 4}, batch=3),
}
#: Environment variable: where `trained` keeps its weights; without it, until the process ends.
WEIGHTS = "WEIGHTS"
#: Budgets above this one ask for a problem with more mappings.
MOST_TINY = 30


@dataclass(frozen=True)
class Slow:
    """An oracle that takes its time, so that a kill hits it."""

    oracle: AccuracyOracle
    pause_s: float

    def accuracy(self, candidate, fidelity, seed):
        time.sleep(self.pause_s)
        return self.oracle.accuracy(candidate, fidelity, seed)


def named(strategy: str, number: int) -> str:
    """Name of the record of a round."""
    return f"{strategy}-{number}" if number else strategy


def trained_problem() -> Problem:
    """Eight mappings of three small layers, each trained and measured on analog tiles."""
    from front_door import data, small  # they load torch

    import lionheart_opt as lo

    oracle = {"hat": {"epochs": 6, "batch_size": 32}}
    limits = {"max_drop": 0.2, "draws": [2, 4], "objectives": ["latency_s", "drop"]}
    return lo.problem(small(), data(), oracle=oracle, artifacts=os.environ.get(WEIGHTS), **limits)


def study(
    url: str | optuna.storages.BaseStorage,
    strategy: str,
    trials: int,
    pause_s: float = 0.0,
    name: str = "",
) -> Search:
    if strategy == "trained":
        problem = trained_problem()
    else:
        problem = tiny_problem() if trials <= MOST_TINY else synthetic_problem(n_units=12)
    problem = replace(problem, oracle=Slow(problem.oracle, pause_s))
    storage = open_storage(url) if isinstance(url, str) else url
    keeper = OptunaKeeper.open(problem, name or strategy, storage, {"strategy": strategy})
    return Search(
        Record(problem, keeper), STRATEGIES[strategy], seed=7, budget=Budget(trials=trials)
    )


def rounds(
    url: str, strategy: str, trials: str, pause_s: str, count: str = "1", wait: str = ""
) -> None:
    """Say `ready`; then, for each line that is read, run a search and say how that went."""
    if not count.isdigit():
        count, wait = "1", count
    claim.HEARTBEAT_S, claim.LOOK_S, claim.DEAD_AFTER_S = 0.2, 0.1, 1.0
    print("ready", flush=True)
    for number in range(int(count)):
        sys.stdin.readline()
        try:
            search = study(url, strategy, int(trials), float(pause_s), named(strategy, number))
            with search.record.claimed(wait=bool(wait)):
                search.run()
            print("done", flush=True)
        except InputError as error:
            print(error, flush=True)


if __name__ == "__main__":
    rounds(*sys.argv[1:])

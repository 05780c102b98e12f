"""Runs one search of the tiny problem on a storage: what the kill test starts and kills."""

import sys
import time
from dataclasses import dataclass, replace

from lionheart_opt.accuracy import AccuracyOracle
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.optuna import Optuna
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Budget, Search
from lionheart_opt.study.storage import open_storage
from lionheart_opt.testing import tiny_problem

STRATEGIES = {
    "mac_greedy": MacGreedy(),
    "random": Random(),
    "tpe": Optuna(sampler="TPESampler", arguments={"n_startup_trials": 4}),
    "nsga2": Optuna(sampler="NSGAIISampler", arguments={"population_size": 4}, batch=3),
}


@dataclass(frozen=True)
class Slow:
    """An oracle that takes its time, so that a kill hits it."""

    oracle: AccuracyOracle
    pause_s: float

    def accuracy(self, candidate, fidelity, seed):
        time.sleep(self.pause_s)
        return self.oracle.accuracy(candidate, fidelity, seed)


def study(url: str, strategy: str, trials: int, pause_s: float = 0.0) -> Search:
    problem = tiny_problem()
    problem = replace(problem, oracle=Slow(problem.oracle, pause_s))
    keeper = OptunaKeeper.open(problem, strategy, open_storage(url), {"strategy": strategy})
    return Search(
        Record(problem, keeper), STRATEGIES[strategy], seed=7, budget=Budget(trials=trials)
    )


if __name__ == "__main__":
    url, strategy, trials, pause_s = sys.argv[1:]
    study(url, strategy, int(trials), float(pause_s)).run()

"""Record and study: nothing lost, nothing paid twice, and a resumed run equals an uninterrupted one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
import pytest
import search_in_a_process
from search_in_a_process import Slow, study

from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import incumbent
from lionheart_opt.mapping import Candidate
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.processes import this_process
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import ReplayDiverged, Search
from lionheart_opt.study.storage import open_storage
from lionheart_opt.testing import tiny_problem

SCRIPT = Path(search_in_a_process.__file__)


def outcome(study: Search) -> list[tuple[dict, list[float], list]]:
    """What must be equal: mappings, objectives and samples in the order of proposal."""
    return [
        (
            evaluation.mapping.to_json(),
            list(evaluation.objectives.values()),
            evaluation.accuracy.samples.tolist(),
        )
        for evaluation in study.record.evaluations()
        if evaluation.accuracy is not None
    ]


def memory_study(strategy, trials=None, oracle_s=None, problem=None) -> Search:
    problem = problem or tiny_problem()
    keeper = OptunaKeeper.open(
        problem, "s", optuna.storages.InMemoryStorage(), {"strategy": repr(strategy)}
    )
    return Search(
        Record(problem, keeper), strategy, seed=7, budget=Budget(trials=trials, oracle_s=oracle_s)
    )


@pytest.fixture
def sqlite(tmp_path):
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.mark.parametrize("name", ["mac_greedy", "tpe", "nsga2"])
def test_killed_at_random_points_and_resumed_equals_uninterrupted(name, tmp_path):
    trials = 12
    whole = study(f"journal:///{tmp_path / 'whole.log'}", name, trials)
    whole.run()
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    study(url, name, trials)  # the database is made before the first kill
    dice = random.Random(name)
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, SCRIPT, url, name, str(trials), "0.05"], stdin=subprocess.DEVNULL
        )
        _wait_for_new_trials(url, process, dice.randrange(1, 4))
        time.sleep(dice.uniform(0, 0.08))
        process.send_signal(signal.SIGKILL)
        process.wait()
    resumed = study(url, name, trials)
    before = len(resumed.record.trials())
    resumed.run()
    assert outcome(resumed) == outcome(whole)
    assert before >= 1, "the test is about resuming: something must have been recorded"
    states = {trial.state for trial in resumed.record.keeper.study.get_trials()}
    assert optuna.trial.TrialState.RUNNING not in states


def _wait_for_new_trials(url: str, process: subprocess.Popen, count: int) -> None:
    """Until so many more trials are there, or the process has ended."""
    storage = open_storage(url)
    (name_in_storage,) = optuna.get_all_study_names(storage)
    watched = optuna.load_study(study_name=name_in_storage, storage=storage)
    start = len(watched.get_trials(deepcopy=False))
    deadline = time.monotonic() + 120
    while len(watched.get_trials(deepcopy=False)) < start + count and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_interrupted_trial_is_evaluated_again():
    interrupted = memory_study(Random(), trials=4)
    seen: list[str] = []

    def interrupt(progress):
        if progress.state == "evaluating":
            seen.append(progress.candidate.digest)
            if len(seen) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted.run(interrupt)
    assert len(interrupted.record) == 1
    assert interrupted.run() == "budget"
    whole = memory_study(Random(), trials=4)
    whole.run()
    assert outcome(interrupted) == outcome(whole)


def test_running_again_adds_nothing():
    done = memory_study(Random(), trials=5)
    done.run()
    n_trials = len(done.record.keeper.study.trials)
    assert done.run() == "budget"
    assert len(done.record.keeper.study.trials) == n_trials


def test_a_larger_budget_continues():
    few = memory_study(Random(), trials=3)
    few.run()
    continued = Search(few.record, Random(), seed=7, budget=Budget(trials=6))
    continued.run()
    whole = memory_study(Random(), trials=6)
    whole.run()
    assert outcome(continued) == outcome(whole)


def test_the_budget_counts_oracle_seconds():
    limited = memory_study(Random(), oracle_s=2000.0)
    assert limited.run() == "budget"
    spent = [evaluation.oracle_s for evaluation in limited.record.evaluations()]
    assert sum(spent) >= 2000.0 > sum(spent[:-1])


def test_repeated_candidates_are_answered_from_the_record():
    @dataclass(frozen=True)
    class Repeats:
        def search(self, problem, rng):
            candidate = problem.pretrained(problem.all_analog)
            [first] = yield [candidate]
            [second] = yield [candidate]
            assert first is second
            yield [problem.pretrained(problem.all_digital), candidate]

    repeating = memory_study(Repeats())
    assert repeating.run() == "finished"
    assert len(repeating.record.keeper.study.trials) == 2


def test_a_strategy_that_only_repeats_itself_ends():
    @dataclass(frozen=True)
    class Stuck:
        def search(self, problem, rng):
            while True:
                yield [problem.pretrained(problem.all_digital)]

    assert memory_study(Stuck()).run() == "repeats"


def test_other_randomness_than_its_generator_is_noticed_on_resume():
    @dataclass(frozen=True)
    class Sneaky:
        def search(self, problem, rng):
            while True:
                drawn = np.random.default_rng().integers(2, size=len(problem.units))
                targets = {
                    unit.name: problem.choices[unit.name][k]
                    for unit, k in zip(problem.units, drawn, strict=True)
                }
                yield [problem.pretrained(problem.mapping(targets))]

    sneaky = memory_study(Sneaky(), trials=6)
    sneaky.run()
    with pytest.raises(ReplayDiverged, match="did not propose again"):
        Search(sneaky.record, Sneaky(), seed=7, budget=Budget(trials=9)).run()


def test_a_record_of_another_question_is_refused_and_left_alone(sqlite):
    storage = open_storage(sqlite)
    problem = tiny_problem()
    OptunaKeeper.open(problem, "s", storage, {"oracle": {"times_s": [1.0]}, "seed": 0})
    with pytest.raises(InputError, match=r"oracle\.times_s: recorded \[1\.0\], now \[60\.0\]"):
        OptunaKeeper.open(problem, "s", storage, {"oracle": {"times_s": [60.0]}, "seed": 0})
    kept = optuna.load_study(study_name="s", storage=storage).user_attrs["specification"]
    assert kept == {"oracle": {"times_s": [1.0]}, "seed": 0}


def test_a_setting_that_came_later_and_is_not_used_is_no_other_question(sqlite):
    storage = open_storage(sqlite)
    problem = tiny_problem()
    OptunaKeeper.open(problem, "s", storage, {"limits": {"max_drop": 0.1}})
    OptunaKeeper.open(problem, "s", storage, {"limits": {"max_drop": 0.1, "quantile": None}})
    with pytest.raises(InputError, match=r"limits\.quantile: recorded None, now 0\.9"):
        OptunaKeeper.open(problem, "s", storage, {"limits": {"max_drop": 0.1, "quantile": 0.9}})


def test_two_drivers_of_one_search_are_refused(sqlite):
    first = study(sqlite, "random", 3)
    second = study(sqlite, "random", 3)
    with first.record.claimed():
        with pytest.raises(InputError, match=f"is being run by process {os.getpid()}"):
            second.run()
        assert first.run() == "budget"
    assert second.run() == "budget"


def test_the_claim_of_a_dead_process_is_taken_over(sqlite):
    search = study(sqlite, "random", 3)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    search.record.keeper.study.set_user_attr(
        "driver", {**this_process(), "pid": dead.pid, "token": "theirs"}
    )
    assert search.run() == "budget"


def test_a_broken_oracle_raises_and_leaves_no_trial():
    @dataclass(frozen=True)
    class Broken:
        def accuracy(self, candidate, fidelity, seed):
            raise ZeroDivisionError("broken oracle")

    broken = memory_study(Random(), trials=2, problem=replace(tiny_problem(), oracle=Broken()))
    with pytest.raises(ZeroDivisionError):
        broken.run()
    assert broken.record.keeper.study.trials == []


def test_a_mapping_that_breaks_a_cost_limit_spends_no_oracle_time():
    problem = tiny_problem(latency_limit_s=1e-12)

    @dataclass(frozen=True)
    class Never:
        def accuracy(self, candidate, fidelity, seed):
            raise AssertionError("the oracle was asked")

    limited = memory_study(Random(), trials=3, problem=replace(problem, oracle=Never()))
    limited.run()
    for evaluation in limited.record.evaluations():
        assert (
            not evaluation.feasible
            and evaluation.violations["latency_s"] > 0
            and evaluation.oracle_s == 0
        )


def test_what_a_trial_holds():
    search = memory_study(Random(), trials=3)
    search.run()
    for trial, evaluation in zip(
        search.record.keeper.study.trials, search.record.evaluations(), strict=True
    ):
        assert trial.params == {u: evaluation.mapping[u] for u in trial.params}
        assert trial.values == list(evaluation.objectives.values())
        limits = {name: limit for name, limit in trial.constraints.items() if name != "0"}
        assert limits == pytest.approx(evaluation.violations)
        assert trial.constraints["0"] == max(limits.values()), "what optuna-dashboard reads"
        latency_s = search.problem.cost(evaluation.mapping).latency_s
        assert trial.user_attrs["latency_s"] == latency_s
        assert trial.user_attrs["oracle_s"] > 0
        assert np.array(trial.user_attrs["accuracy"]["samples"]).ndim == 2
        json.dumps(trial.user_attrs)


def test_optunas_own_plots_and_importances_open_the_study_unchanged():
    search = memory_study(Random(), trials=20)
    search.run()
    study = search.record.keeper.study
    from optuna.visualization import matplotlib as figures

    assert figures.plot_optimization_history(study) is not None
    assert figures.plot_parallel_coordinate(study) is not None
    importances = optuna.importance.get_param_importances(study)
    assert set(importances) == {unit.name for unit in search.problem.units}
    assert study.metric_names == ["latency_s"]
    with_drops = memory_study(
        Random(), trials=20, problem=tiny_problem(objectives=("latency_s", "drop"), max_drop=0.3)
    )
    with_drops.run()
    assert figures.plot_pareto_front(with_drops.record.keeper.study) is not None
    best = incumbent(search.record.evaluations())
    assert best is not None and study.best_trial.value == best.objectives["latency_s"]


def test_the_lineage_survives_the_record(sqlite):
    problem = tiny_problem()
    units = [unit.name for unit in problem.units]
    start = problem.pretrained(problem.all_digital)
    child = start.move(units[0], "tile").move(units[2], "tile")

    @dataclass(frozen=True)
    class One:
        def search(self, problem, rng):
            yield [child]

    keeper = OptunaKeeper.open(problem, "s", open_storage(sqlite), {})
    Search(Record(problem, keeper), One(), 0, Budget()).run()
    again = Record(problem, OptunaKeeper.open(problem, "s", open_storage(sqlite), {}))
    [read] = again.evaluations()
    assert read.candidate == child and read.candidate.digest == child.digest
    assert isinstance(read.candidate.parent, Candidate)


def test_a_changed_cost_model_is_noticed():
    done = memory_study(Random(), trials=2)
    done.run()

    @dataclass(frozen=True)
    class Dearer:
        inner: object

        def cost(self, workload, mapping):
            cost = self.inner.cost(workload, mapping)
            return replace(
                cost,
                layers=tuple(
                    replace(
                        layer, components={k: (2 * t, e) for k, (t, e) in layer.components.items()}
                    )
                    for layer in cost.layers
                ),
            )

    changed = replace(done.problem, cost_model=Dearer(done.problem.cost_model))
    with pytest.raises(InputError, match="cost model has changed"):
        Record(changed, done.record.keeper)


def test_slow_is_transparent():
    problem = tiny_problem()
    candidate = problem.pretrained(problem.all_analog)
    slow = replace(problem, oracle=Slow(problem.oracle, 0.0))
    assert np.array_equal(
        problem.evaluate(candidate).accuracy.samples, slow.evaluate(candidate).accuracy.samples
    )


def test_a_candidate_that_is_recorded_twice_counts_once():
    """Where a storage cannot check who writes, a driver that was stopped may have been too late."""
    search = memory_study(Random(), trials=4)
    search.run()
    whole, recorded = outcome(search), search.record.keeper.study
    for trial in recorded.get_trials()[1:3]:
        recorded.add_trial(trial)
    continued = Search(
        Record(search.problem, OptunaKeeper(recorded)), Random(), seed=7, budget=Budget(trials=5)
    )
    assert len(continued.record) == 4
    continued.run()
    assert outcome(continued)[:4] == whole and len(continued.record) == 5
    assert [trial.number for trial in continued.record.trials()] == [0, 1, 2, 3, 6]

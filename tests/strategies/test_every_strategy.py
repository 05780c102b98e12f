"""Every registered strategy keeps the contract; the plainest ones do what they say."""

import os
import subprocess
import sys

import numpy as np
import pytest

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.space import by_macs_descending, every_mapping
from lionheart_opt.strategies.exhaustive import Exhaustive
from lionheart_opt.strategies.fixed import Fixed
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.random import Random
from lionheart_opt.strategy import Strategy
from lionheart_opt.testing import StrategyContract, digests, drive, tiny_problem

REGISTERED = {
    name: plugins.build("strategies", name, {}) for name in plugins.available("strategies")
}


class TestRegistered(StrategyContract):
    @pytest.fixture(params=REGISTERED)
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return REGISTERED[request.param]


class TestUnlimitedRandomSearch(StrategyContract):
    """Draws without repetition until it has seen everything."""

    exact = True

    @pytest.fixture
    def strategy(self) -> Strategy:
        return Random()


PROPOSALS = """
from lionheart_opt import plugins
from lionheart_opt.testing import digests, drive, tiny_problem
problem = tiny_problem(targets=("cpu", "tile", "npu"), objectives=("latency_s", "drop"), max_drop=0.3)
for name in plugins.available("strategies"):
    print(name, *digests(drive(plugins.build("strategies", name, {}), problem, trials=15)))
"""


def test_proposals_do_not_depend_on_the_hash_seed() -> None:
    """Sets of strings iterate in another order in another process; a resumed run must not notice."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PROPOSALS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate()[0] for run in runs)
    assert len(first.splitlines()) == len(REGISTERED)
    assert first == second


def test_mac_greedy_visits_each_unit_once_and_trains_from_the_last_accepted() -> None:
    problem = tiny_problem()
    evaluations = drive(MacGreedy(), problem)
    assert {evaluation.feasible for evaluation in evaluations} == {True, False}, (
        "the problem has no decision"
    )

    kept = problem.pretrained(problem.all_digital)
    order = by_macs_descending(problem.workload, problem.units)
    for unit, evaluation in zip(order, evaluations, strict=True):
        assert evaluation.candidate == kept.move(unit.name, "tile")
        if evaluation.feasible:
            kept = evaluation.candidate


def test_mac_greedy_tries_the_cheaper_target_first() -> None:
    """With an accelerator too: what is refused on the tile is offered to the accelerator."""
    problem = tiny_problem(targets=("cpu", "npu", "tile"))
    evaluations = drive(MacGreedy(), problem)
    largest = by_macs_descending(problem.workload, problem.units)[0].name
    assert evaluations[0].mapping == problem.mapping({largest: "tile"})
    refused = [evaluation for evaluation in evaluations if not evaluation.feasible]
    assert refused
    for evaluation in refused:
        after = evaluations[evaluations.index(evaluation) + 1].mapping
        moved = [unit for unit in after if after[unit] != evaluation.mapping[unit]]
        assert len(moved) == 1 and after[moved[0]] == "npu"
    assert "npu" not in problem.system.analog_targets


def test_fixed_mappings() -> None:
    problem = tiny_problem()

    def mapping(given: str | dict[str, str]) -> dict[str, str]:
        [evaluation] = drive(Fixed(given), problem)
        return evaluation.mapping.to_json()

    units = [unit.name for unit in problem.units]
    assert mapping("all-digital") == dict.fromkeys(units, "cpu")
    assert mapping("all-analog") == dict.fromkeys(units, "tile")
    ends = {units[0]: "cpu", units[-1]: "cpu"}
    assert mapping("first-last-digital") == {**dict.fromkeys(units, "tile"), **ends}
    assert mapping({units[2]: "tile"}) == {**dict.fromkeys(units, "cpu"), units[2]: "tile"}


def test_fixed_refuses_what_does_not_exist() -> None:
    with pytest.raises(
        InputError, match=r"unknown mapping 'all-analogue' \(did you mean 'all-analog'"
    ):
        Fixed("all-analogue")
    with pytest.raises(InputError, match="unknown unit 'fc9'"):
        drive(Fixed({"fc9": "tile"}), tiny_problem())
    with pytest.raises(InputError, match="unknown target 'tiles'"):
        drive(Fixed({"fc0": "tiles"}), tiny_problem())


def test_exhaustive_search_evaluates_every_mapping_in_one_batch() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "npu"))
    batch = next(Exhaustive().search(problem, np.random.default_rng(0)))
    assert [candidate.mapping for candidate in batch] == list(every_mapping(problem))
    assert {candidate.training for candidate in batch} == {None}
    probes = next(Exhaustive(training="none").search(problem, np.random.default_rng(0)))
    assert {candidate.training for candidate in probes} == {"none"}


def test_exhaustive_search_allows_exactly_its_most() -> None:
    problem = tiny_problem()
    assert len(drive(Exhaustive(most=32), problem)) == 32
    with pytest.raises(InputError, match="the space has 32 mappings; most = 31 allows no more"):
        drive(Exhaustive(most=31), problem)


def test_random_search_covers_the_space_without_repetition() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "npu"))
    mappings = [evaluation.mapping for evaluation in drive(Random(), problem)]
    assert len(mappings) == len(set(mappings)) == 3**5
    assert set(mappings) == set(every_mapping(problem))


def test_random_search_may_say_how_to_train() -> None:
    problem = tiny_problem()
    asked = {
        training: drive(Random(training), problem, trials=3)
        for training in (None, problem.training, "one_shot")
    }
    said = {
        training: {evaluation.candidate.training for evaluation in evaluations}
        for training, evaluations in asked.items()
    }
    assert said == {None: {None}, problem.training: {None}, "one_shot": {"one_shot"}}


def test_random_search_is_uniform() -> None:
    """First draws of many seeds: each of the 32 mappings about equally often (chi-squared, p = 1e-4)."""
    problem = tiny_problem()
    counts = dict.fromkeys(every_mapping(problem), 0)
    for seed in range(960):
        [candidate] = next(Random().search(problem, np.random.default_rng(seed)))
        counts[candidate.mapping] += 1
    expected = 960 / 32
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 69.1


def test_the_driver_pays_for_a_candidate_once() -> None:
    problem = tiny_problem()
    record = drive(Random(), problem)
    assert len(record) == 32
    assert drive(Random(), problem, record=record) == []
    assert len(digests(drive(Random(), problem, record=record[:30]))) == 2

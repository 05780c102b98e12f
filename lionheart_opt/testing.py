"""Contract tests for plug-ins: subclass one, give its fixtures, and pytest runs what we promise.

    from lionheart_opt.testing import StrategyContract

    class TestMine(StrategyContract):
        @pytest.fixture
        def strategy(self):
            return Mine()

Put `pytest.register_assert_rewrite("lionheart_opt.testing")` into your `conftest.py` for readable
failures.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from functools import cache
from math import fsum
from typing import Any, ClassVar

import numpy as np
import pytest

from lionheart_opt import plugins
from lionheart_opt.accuracy import Accuracy, Fidelity, consult
from lionheart_opt.cost import CostModel, cost_tables
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation, oracle_seconds
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.space import Space, every_mapping, random_mapping
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Budget, Search
from lionheart_opt.synthetic import convolutional_workload, synthetic_problem, tabulated
from lionheart_opt.system import System


@cache
def tiny_problem(
    *,
    targets: tuple[str, ...] = ("cpu", "tile"),
    objectives: tuple[Objective, ...] = ("latency_s",),
    max_drop: float = 0.05,
    latency_limit_s: float | None = None,
    seed: int = 3,
) -> Problem:
    """Five units and a table oracle with interaction and noise: small enough for brute force.

    What the table does not know the made-up oracle answers, from which it was recorded.
    """
    problem = synthetic_problem(
        n_units=5,
        seed=seed,
        targets=targets,
        objectives=objectives,
        max_drop=max_drop,
        cost_limits={} if latency_limit_s is None else {"latency_s": latency_limit_s},
    )
    return replace(
        problem,
        oracle=tabulated(problem),
        answers=lambda question: consult(problem.oracle, question, problem.seed),
    )


def brute_force(problem: Problem) -> list[Evaluation]:
    """Every mapping evaluated, trained from the floating-point network."""
    return [problem.evaluate(problem.pretrained(mapping)) for mapping in every_mapping(problem)]


def drive(
    strategy: Strategy,
    problem: Problem,
    *,
    seed: int = 0,
    trials: int | None = None,
    oracle_s: float | None = None,
    record: Iterable[Evaluation] = (),
) -> list[Evaluation]:
    """Run a strategy as a search does, in memory.

    Args:
        strategy: What to run.
        problem: What it is asked.
        seed: Seed of its random generator.
        trials: Evaluations paid for; None is no limit.
        oracle_s: Seconds of oracle time paid for; None is no limit.
        record: Evaluations of an earlier run, which answer for free.

    Returns:
        Every new evaluation, in order (those of `record` are not in it).

    Raises:
        AssertionError: The strategy goes on without proposing anything new.
    """
    earlier = list(record)
    paid_s = oracle_seconds(earlier)
    budget = Budget(
        trials=None if trials is None else max(trials, 0) + len(earlier),
        oracle_s=None if oracle_s is None else oracle_s + paid_s,
    )
    kept = Record(problem, InMemory(evaluations=earlier))
    ending = Search(kept, strategy, seed, budget).run()
    assert ending != "repeats", f"{strategy} proposes only what is known"
    return kept.evaluations()[len(earlier) :]


#: Problems that every strategy must cope with.
PROBLEMS: dict[str, dict[str, Any]] = {
    "one objective": {},
    "two objectives": {"objectives": ("latency_s", "drop"), "max_drop": 0.3},
    "three objectives": {"objectives": ("drop", "energy_j", "latency_s"), "max_drop": 0.3},
    "four targets": {"targets": ("cpu", "tile", "sram", "npu")},
    "nothing analog": {"targets": ("cpu", "npu")},
    "only all-digital holds": {"max_drop": 0.0},
    "nothing holds": {"latency_limit_s": 1e-12},
}


class StrategyContract:
    """What every strategy promises. Fixture to give: `strategy`.

    Attributes:
        exact: whether it claims to find the best feasible mapping of a problem with one objective when
            its budget is not limited.
        trials: evaluations in each test that limits them.
    """

    exact: ClassVar[bool] = False
    trials: ClassVar[int] = 12

    @pytest.fixture
    def strategy(self) -> Strategy:
        """The strategy under test."""
        raise NotImplementedError("give a fixture `strategy`")

    @pytest.fixture(params=PROBLEMS)
    def problem(self, request: pytest.FixtureRequest) -> Problem:
        """Each of `PROBLEMS`."""
        return tiny_problem(**PROBLEMS[request.param])

    def test_is_a_frozen_dataclass(self, strategy: Strategy) -> None:
        """Its fields are its settings, so it can be compared, copied and written down."""
        assert is_dataclass(strategy)
        assert replace(strategy) == strategy
        for field in fields(strategy):
            with pytest.raises(FrozenInstanceError):
                setattr(strategy, field.name, None)

    def test_proposes_complete_mappings(self, strategy: Strategy, problem: Problem) -> None:
        """Every unit is on a target that can run it, in the mapping and in all of its lineage."""
        for evaluation in drive(strategy, problem, trials=self.trials):
            candidate: Candidate | None = evaluation.candidate
            while candidate is not None:
                problem.check(candidate.mapping)
                candidate = candidate.parent

    def test_depends_on_its_generator_only(self, strategy: Strategy, problem: Problem) -> None:
        """The same seed proposes the same, whatever the global generators do."""
        runs = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            runs.append(digests(drive(strategy, problem, trials=self.trials)))
        assert runs[0] == runs[1]

    def test_replay_goes_on_where_it_stopped(self, strategy: Strategy, problem: Problem) -> None:
        """An interrupted run that is replayed from its record equals an uninterrupted one."""
        whole = drive(strategy, problem, trials=self.trials)
        for paid in (1, len(whole) // 2):
            first = drive(strategy, problem, trials=paid)
            record = [_reread(problem, evaluation) for evaluation in first]
            rest = drive(strategy, problem, trials=len(whole) - paid, record=record)
            assert digests([*first, *rest]) == digests(whole)

    def test_can_be_stopped(self, strategy: Strategy, problem: Problem) -> None:
        """Closing its generator at any batch raises nothing."""
        for stop in (1, 2, 3):
            search = strategy.search(problem, np.random.default_rng(0))
            try:
                batch = next(search)
                for _ in range(stop - 1):
                    batch = search.send([problem.evaluate(candidate) for candidate in batch])
            except StopIteration:
                continue
            search.close()

    def test_never_beats_brute_force(self, strategy: Strategy) -> None:
        """Without a limit it ends, no better than the best there is; an exact one finds that."""
        problem = tiny_problem()
        optimum = _best(brute_force(problem))
        evaluations = drive(strategy, problem)
        assert evaluations
        found = _best(evaluations)
        assert found >= optimum
        if self.exact:
            assert found == optimum


class CostModelContract:
    """What every cost model promises. Fixtures to give: `system`, and `cost_model` if not registered."""

    @pytest.fixture
    def system(self) -> System:
        """The system that the model prices."""
        raise NotImplementedError("give a fixture `system`")

    @pytest.fixture
    def cost_model(self, system: System) -> CostModel:
        """The cost model under test."""
        return plugins.cost_model(system)

    def test_layers_are_complete_and_not_negative(
        self, system: System, cost_model: CostModel
    ) -> None:
        """Every layer once, in order, each component finite and at least zero; sums are exact."""
        workload = convolutional_workload()
        for mapping in _sample(Space(workload=workload, system=system)):
            cost = cost_model.cost(workload, mapping)
            assert [one.name for one in cost.layers] == [one.name for one in workload.layers]
            for layer in cost.layers:
                parts = np.array(list(layer.components.values()))
                assert np.all(np.isfinite(parts)) and np.all(parts >= 0)
            assert cost.latency_s == fsum(one.latency_s for one in cost.layers) > 0
            assert cost.energy_j == fsum(one.energy_j for one in cost.layers) > 0
            assert cost.time_per_inference_s > 0

    def test_layers_are_priced_where_they_run(self, system: System, cost_model: CostModel) -> None:
        """A unit's layers on its target, all others on the host; crossbars only where used."""
        workload = convolutional_workload()
        for mapping in _sample(Space(workload=workload, system=system)):
            cost = cost_model.cost(workload, mapping)
            for layer in cost.layers:
                unit = workload.unit_of.get(layer.name)
                assert layer.target == (mapping[unit] if unit else system.host)
            for target, count in cost.tiles.items():
                assert (count > 0) == bool(mapping.units_on(target))

    def test_is_pure(self, system: System, cost_model: CostModel) -> None:
        """The same question has the same answer, whatever was asked in between."""
        workload = convolutional_workload()
        mappings = _sample(Space(workload=workload, system=system))
        first = [cost_model.cost(workload, mapping) for mapping in mappings]
        again = [cost_model.cost(workload, mapping) for mapping in reversed(mappings)]
        assert first == again[::-1]
        assert workload == convolutional_workload()

    @pytest.mark.parametrize("wider", [0, 1, 2])
    def test_more_work_never_costs_less(
        self, system: System, cost_model: CostModel, wider: int
    ) -> None:
        """Doubling the width of a layer makes no mapping cheaper."""
        channels = [16, 24, 40]
        small = convolutional_workload(channels)
        channels[wider] *= 2
        large = convolutional_workload(channels)
        for mapping in _sample(Space(workload=small, system=system)):
            before, after = cost_model.cost(small, mapping), cost_model.cost(large, mapping)
            assert after.latency_s >= before.latency_s
            assert after.energy_j >= before.energy_j

    def test_unknown_kinds_are_refused(self, system: System, cost_model: CostModel) -> None:
        """An operation that the model does not know is an error that names it, never free."""
        workload = convolutional_workload()
        odd = replace(workload.layer("add"), kind="no_such_kind")
        layers = tuple(odd if one.name == "add" else one for one in workload.layers)
        workload = replace(workload, layers=layers)
        with pytest.raises(InputError, match="no_such_kind"):
            cost_model.cost(workload, Space(workload=workload, system=system).all_digital)

    def test_tables_agree_with_the_cost(self, system: System, cost_model: CostModel) -> None:
        """Where coefficient tables are offered, they price every mapping alike."""
        workload = convolutional_workload()
        tables = cost_tables(cost_model, workload)
        if tables is None:
            pytest.skip("the cost on this system is not a sum over units")
        mappings = _sample(Space(workload=workload, system=system))
        costs = [cost_model.cost(workload, mapping) for mapping in mappings]
        latency_s, energy_j = tables.cost_batch(tables.encode(mappings))
        np.testing.assert_allclose(latency_s, [cost.latency_s for cost in costs], rtol=1e-9)
        np.testing.assert_allclose(energy_j, [cost.energy_j for cost in costs], rtol=1e-9)


class OracleContract:
    """What every accuracy oracle promises. Fixture to give: `problem`, with the oracle in it.

    Attributes:
        training: how the weights of the tests are obtained; the cheapest that the oracle offers.
        seed: of the oracle.
    """

    training: ClassVar[Training] = "none"
    seed: ClassVar[int] = 0

    @pytest.fixture
    def problem(self) -> Problem:
        """A small problem with the oracle under test."""
        raise NotImplementedError("give a fixture `problem`")

    def ask(self, problem: Problem, mapping: Mapping, first: int, last: int) -> Accuracy:
        """Draws `first` to `last` of a mapping that starts from the floating-point network."""
        fidelity = Fidelity(training=self.training, draws=(first, last))
        return problem.oracle.accuracy(Candidate(mapping), fidelity, self.seed)

    def test_samples_are_accuracies(self, problem: Problem) -> None:
        """One row a draw, one column a time, in [0, 1]; the limit's times are among them."""
        answer = self.ask(problem, problem.all_analog, 0, 2)
        assert answer.samples.shape == (2, len(answer.times_s))
        assert np.all((answer.samples >= 0) & (answer.samples <= 1))
        assert set(problem.accuracy_limit.times_s) <= set(answer.times_s)
        assert answer.training_s >= 0 and answer.evaluation_s >= 0

    def test_all_digital_is_the_baseline(self, problem: Problem) -> None:
        """Without analog layers nothing is lost, exactly."""
        answer = self.ask(problem, problem.all_digital, 0, 2)
        assert np.all(answer.samples == answer.baseline)

    def test_is_reproducible(self, problem: Problem) -> None:
        """A pure function: other questions in between and the way draws are asked for do not matter."""
        together = self.ask(problem, problem.all_analog, 0, 3)
        self.ask(problem, problem.all_digital, 0, 1)
        apart = [self.ask(problem, problem.all_analog, draw, draw + 1) for draw in (2, 0, 1)]
        samples = np.concatenate([apart[1].samples, apart[2].samples, apart[0].samples])
        np.testing.assert_array_equal(together.samples, samples)
        assert {one.baseline for one in [together, *apart]} == {together.baseline}

    def test_draws_differ(self, problem: Problem) -> None:
        """Every draw programs the hardware afresh."""
        answer = self.ask(problem, problem.all_analog, 0, 4)
        assert len(np.unique(answer.samples, axis=0)) > 1

    def test_every_analog_unit_counts(self, problem: Problem) -> None:
        """Each unit is programmed and drifts, the first and the last too."""
        whole = self.ask(problem, problem.all_analog, 0, 4)
        for unit in problem.units:
            mapping = problem.all_analog.move(unit.name, problem.system.host)
            if mapping != problem.all_analog:
                part = self.ask(problem, mapping, 0, 4)
                assert np.any(part.samples != whole.samples), f"{unit.name} makes no difference"


def digests(evaluations: Sequence[Evaluation]) -> list[str]:
    """Digests of the candidates, in order."""
    return [evaluation.candidate.digest for evaluation in evaluations]


def _best(evaluations: Sequence[Evaluation]) -> tuple[float, ...]:
    """Objectives of the best feasible evaluation; infinite where there is none."""
    feasible = [tuple(one.objectives.values()) for one in evaluations if one.feasible]
    return min(feasible, default=(float("inf"),))


def _reread(problem: Problem, evaluation: Evaluation) -> Evaluation:
    """The evaluation as a record gives it back."""
    candidate = Candidate.from_json(json.loads(json.dumps(evaluation.candidate.to_json())))
    accuracy = evaluation.accuracy
    if accuracy is not None:
        samples = np.array(json.loads(json.dumps(accuracy.samples.tolist())))
        accuracy = replace(accuracy, samples=samples)
    return problem.evaluation(candidate, accuracy)


def _sample(space: Space) -> list[Mapping]:
    """The ends of the scale and a few mappings between them."""
    rng = np.random.default_rng(0)
    between = [random_mapping(space, rng) for _ in range(10)]
    return [space.all_digital, space.all_analog, *between]

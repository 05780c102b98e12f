"""The contract tests fail on plug-ins that break the contract."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.cost import Cost, LayerCost
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping
from lionheart_opt.strategy import Proposals
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System, Target
from lionheart_opt.testing import CostModelContract, OracleContract, StrategyContract, tiny_problem
from lionheart_opt.workload import Workload


@dataclass(frozen=True)
class GlobalGenerator:
    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        for _ in range(10):
            own = np.random.default_rng(np.random.randint(2**31))  # noqa: NPY002
            yield [problem.pretrained(random_mapping(problem, own))]


@dataclass(frozen=True)
class Incomplete:
    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        yield [Candidate(Mapping.of({"fc0": "tile"}))]


@dataclass(frozen=True)
class OddParent:
    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        parent = Candidate(Mapping.of({"fc0": "nowhere"}))
        yield [Candidate(problem.all_digital, parent=parent)]


@dataclass(frozen=True)
class Endless:
    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        while True:
            yield [problem.pretrained(problem.all_digital)]


@dataclass(frozen=True)
class Deaf:
    """Cannot be stopped."""

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        for mapping in (problem.all_digital, problem.all_analog):
            try:
                yield [problem.pretrained(mapping)]
            except GeneratorExit:
                continue


@dataclass(frozen=True)
class Identity:
    """Goes by which object it gets, which a record does not give back."""

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        asked = problem.pretrained(problem.all_digital)
        [result] = yield [asked]
        yield [problem.pretrained(problem.all_analog)]
        if result.candidate is not asked:
            yield [problem.pretrained(problem.mapping({"fc0": "tile"}))]
        else:
            yield [problem.pretrained(problem.mapping({"fc1": "tile"}))]


@dataclass
class Changeable:
    size: int = 1


contract = StrategyContract()
Check = Callable[..., None]


@pytest.mark.parametrize(
    ("strategy", "check"),
    [
        (GlobalGenerator(), contract.test_depends_on_its_generator_only),
        (Incomplete(), contract.test_proposes_complete_mappings),
        (OddParent(), contract.test_proposes_complete_mappings),
        (Deaf(), contract.test_can_be_stopped),
        (Identity(), contract.test_replay_goes_on_where_it_stopped),
    ],
    ids=lambda one: type(one).__name__ if not callable(one) else "",
)
def test_bad_strategies_are_caught(strategy: object, check: Check) -> None:
    with pytest.raises((AssertionError, InputError, RuntimeError)):
        check(strategy, tiny_problem())


def test_endless_and_inexact_and_changeable_strategies_are_caught() -> None:
    with pytest.raises(AssertionError, match="proposes only what is known"):
        contract.test_never_beats_brute_force(Endless())
    exact = StrategyContract()
    exact.exact = True  # type: ignore[misc]
    with pytest.raises(AssertionError):
        exact.test_never_beats_brute_force(Identity())
    with pytest.raises(pytest.fail.Exception):
        contract.test_is_a_frozen_dataclass(Changeable())


@dataclass(frozen=True)
class Costs:
    """A cost model with one flaw."""

    system: System
    flaw: str

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        layers = []
        for layer in workload.layers:
            unit = workload.unit_of.get(layer.name)
            target = mapping[unit] if unit else self.system.host
            if layer.kind not in ("conv2d", "linear", "relu", "add", "avg_pool2d"):
                if self.flaw != "forgives":
                    raise InputError(f"no cost of {layer.kind}")
                continue
            latency_s = 1e-9 * (layer.macs + layer.output_count)
            if self.flaw == "shrinks" and layer.macs > 300_000:
                latency_s = 1e-9
            if self.flaw == "negative" and target == "tile":
                latency_s = -1e-9
            if self.flaw == "misplaces":
                target = self.system.host
            if self.flaw == "drifts":
                latency_s *= 1.0 + 1e-6 * np.random.default_rng().random()
            components = {"compute": (latency_s, 1e-3 * abs(latency_s))}
            if self.flaw == "skips" and layer.kind == "relu":
                continue
            layers.append(
                LayerCost(
                    name=layer.name,
                    kind=layer.kind,
                    target=target,
                    macs=layer.macs,
                    components=components,
                )
            )
        return Cost(layers=tuple(layers))


costs = CostModelContract()


@pytest.mark.parametrize(
    ("flaw", "check"),
    [
        ("negative", costs.test_layers_are_complete_and_not_negative),
        ("skips", costs.test_layers_are_complete_and_not_negative),
        ("misplaces", costs.test_layers_are_priced_where_they_run),
        ("drifts", costs.test_is_pure),
        ("shrinks", lambda system, model: costs.test_more_work_never_costs_less(system, model, 1)),
        ("forgives", costs.test_unknown_kinds_are_refused),
    ],
)
def test_bad_cost_models_are_caught(flaw: str, check: Check) -> None:
    targets = tiny_problem().system.targets
    tile = Target(name="tile", numerics="analog", kinds=("*",), source="made up")
    system = tiny_problem().system.model_copy(update={"targets": (targets[0], tile)})
    check(system, Costs(system, "none"))
    with pytest.raises((AssertionError, pytest.fail.Exception, InputError)):
        check(system, Costs(system, flaw))


def test_the_network_of_the_cost_contract_is_sound() -> None:
    """Every unit can run on a crossbar, and shapes follow the data flow."""
    workload = convolutional_workload((5, 6, 7))
    assert [unit.name for unit in workload.crossbar_units] == ["conv1", "conv2", "shortcut", "fc"]
    shape = {layer.name: layer.output_shape for layer in workload.layers}
    for layer in workload.layers:
        for source, read in zip(layer.inputs, layer.input_shapes, strict=True):
            assert shape.get(source, (1, 3, 8, 8)) == read
        if layer.mvm:
            assert layer.mvm.rows * layer.mvm.columns == layer.weight_count
            assert layer.mvm.rows * layer.mvm.columns * layer.mvm.count == layer.macs


@dataclass(frozen=True)
class Oracle:
    """An oracle with one flaw."""

    table: AccuracyTable
    flaw: str

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        mapping = candidate.mapping
        if self.flaw == "forgets the first unit":
            mapping = mapping.move("fc0", "cpu")
        if self.flaw == "counts draws from 0":
            fidelity = replace(fidelity, draws=(0, fidelity.draws[1] - fidelity.draws[0]))
        answer = self.table.accuracy(replace(candidate, mapping=mapping), fidelity, seed)
        if self.flaw == "programs once":
            return replace(
                answer, samples=np.repeat(answer.samples[:1], len(answer.samples), axis=0)
            )
        if self.flaw == "per cent":
            return replace(answer, samples=100 * answer.samples, baseline=100 * answer.baseline)
        if self.flaw == "noisy digital":
            noise = np.random.default_rng(seed).normal(scale=1e-3, size=answer.samples.shape)
            return replace(answer, samples=np.clip(answer.samples + noise, 0.0, 1.0))
        return answer


oracles = OracleContract()


@pytest.mark.parametrize(
    ("flaw", "check"),
    [
        ("forgets the first unit", oracles.test_every_analog_unit_counts),
        ("counts draws from 0", oracles.test_is_reproducible),
        ("programs once", oracles.test_draws_differ),
        ("per cent", oracles.test_samples_are_accuracies),
        ("noisy digital", oracles.test_all_digital_is_the_baseline),
    ],
)
def test_bad_oracles_are_caught(flaw: str, check: Check) -> None:
    problem = tiny_problem()
    assert isinstance(problem.oracle, AccuracyTable)
    check(replace(problem, oracle=Oracle(problem.oracle, "none")))
    with pytest.raises((AssertionError, InputError)):
        check(replace(problem, oracle=Oracle(problem.oracle, flaw)))

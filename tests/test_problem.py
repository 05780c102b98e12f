"""The problem prices first, asks the oracle only when that can still matter, and names what is broken."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from made_up_runs import first_analog, priced_problem

import lionheart_opt as lo
from lionheart_opt.accuracy import Accuracy, AccuracyOracle, Fidelity
from lionheart_opt.cost import Cost
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.problem import Problem
from lionheart_opt.space import every_mapping, size
from lionheart_opt.synthetic import SyntheticCosts
from lionheart_opt.system import System
from lionheart_opt.testing import tiny_problem
from lionheart_opt.uncertainty import ESTIMATED, estimates_of
from lionheart_opt.workload import Workload


class Spy:
    """An oracle that notes what it was asked."""

    def __init__(self, oracle: AccuracyOracle) -> None:
        self.oracle = oracle
        self.asked: list[tuple[Candidate, Fidelity]] = []

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        self.asked.append((candidate, fidelity))
        return self.oracle.accuracy(candidate, fidelity, seed)


def spied(problem: Problem, **changes: object) -> tuple[Problem, Spy]:
    spy = Spy(problem.oracle)
    return replace(problem, oracle=spy, **changes), spy


def test_choices_start_with_the_host_and_leave_out_what_cannot_run() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "npu"))
    assert problem.choices["fc0"] == ("cpu", "tile", "npu")
    depthwise = replace(problem.workload.layers[0], kind="depthwise_conv2d", mvm=None)
    workload = replace(problem.workload, layers=(depthwise, *problem.workload.layers[1:]))
    other = replace(problem, workload=workload)
    assert other.choices["fc0"] == ("cpu",)
    assert "fc0" not in [unit.name for unit in other.units]
    assert other.all_analog["fc0"] == "cpu"
    assert size(other) == 3**4


def test_every_mapping_is_there_once_and_passes_the_check() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "npu"))
    mappings = list(every_mapping(problem))
    assert len(mappings) == len(set(mappings)) == size(problem) == 3**5
    assert mappings[0] == problem.all_digital
    for mapping in mappings:
        problem.check(mapping)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ({"fc9": "tile"}, "unknown unit 'fc9'"),
        ({"fc0": "tyle"}, r"unknown target 'tyle' \(did you mean 'tile'\?\)"),
    ],
)
def test_mappings_that_do_not_fit_are_refused(assignments: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny_problem().mapping(assignments)


def test_a_target_that_cannot_run_a_unit_is_refused_with_what_can() -> None:
    problem = tiny_problem()
    first = replace(problem.workload.layers[0], mvm=None)
    workload = replace(problem.workload, layers=(first, *problem.workload.layers[1:]))
    other = replace(problem, workload=workload)
    with pytest.raises(InputError, match=r"'tile' cannot run unit 'fc0'; allowed: cpu"):
        other.mapping({"fc0": "tile"})


def test_incomplete_mappings_are_refused() -> None:
    with pytest.raises(InputError, match="unknown unit 'fc1'"):
        tiny_problem().check(Mapping.of({"fc0": "cpu"}))


def test_a_broken_cost_limit_spares_the_oracle() -> None:
    problem, spy = spied(tiny_problem(), cost_limits={"latency_s": 1e-12})
    evaluation = problem.evaluate(problem.pretrained(problem.all_digital))
    assert spy.asked == []
    assert evaluation.accuracy is None
    assert evaluation.oracle_s == 0.0
    assert not evaluation.feasible
    latency_s = problem.digital_cost.latency_s
    assert evaluation.violations == {"latency_s": pytest.approx(latency_s / 1e-12 - 1)}


def test_draws_are_added_until_the_limit_is_decided() -> None:
    clear, spy = spied(tiny_problem(max_drop=0.9))
    clear.evaluate(clear.pretrained(clear.all_analog))
    assert [fidelity.draws for _, fidelity in spy.asked] == [(0, 4)]

    estimate = tiny_problem(objectives=("drop",), max_drop=0.9)
    drop = estimate.evaluate(estimate.pretrained(estimate.all_analog)).objectives["drop"]
    limit = AccuracyLimit(max_drop=drop, time_s=86_400.0, draws=(2, 4, 8))
    close, spy = spied(tiny_problem(), accuracy_limit=limit)
    evaluation = close.evaluate(close.pretrained(close.all_analog))
    assert [fidelity.draws for _, fidelity in spy.asked] == [(0, 2), (2, 4), (4, 8)]
    assert evaluation.accuracy is not None
    assert len(evaluation.accuracy.samples) == 8
    assert evaluation.oracle_s == pytest.approx(600.0 + 8 * 2.0)  # trained once


def test_training_is_the_candidates_own_or_the_problems() -> None:
    problem, spy = spied(tiny_problem(), training="short")
    candidate = problem.pretrained(problem.all_digital)
    problem.evaluate(candidate)
    problem.evaluate(candidate.with_training("one_shot"))
    assert [asked.trained_by for asked, _ in spy.asked] == ["short", "one_shot"]


def test_oracles_are_asked_about_resolved_candidates() -> None:
    problem, spy = spied(tiny_problem(), training="short")
    parent = problem.pretrained(problem.all_digital)
    child = Candidate(problem.all_analog, parent=parent, training="none")
    evaluation = problem.evaluate(child)
    [(asked, _)] = spy.asked
    assert asked == problem.resolved(child) == problem.resolved(asked)
    assert [ancestor.training for ancestor in asked.lineage] == ["none", "short"]
    assert evaluation.candidate is child, "the record keeps what was proposed"


def test_objectives_come_in_the_order_asked_for() -> None:
    problem = tiny_problem(objectives=("drop", "energy_j", "latency_s", "interval_s"))
    evaluation = problem.evaluate(problem.pretrained(problem.all_analog))
    assert list(evaluation.objectives) == ["drop", "energy_j", "latency_s", "interval_s"]
    cost = problem.cost(problem.all_analog)
    assert evaluation.accuracy is not None
    drops = evaluation.accuracy.drops_at(86_400.0)
    values = [np.mean(drops), cost.energy_j, cost.latency_s, cost.latency_s]
    assert list(evaluation.objectives.values()) == pytest.approx(values)


def test_an_evaluation_is_read_back_from_its_accuracy() -> None:
    problem = tiny_problem(objectives=("latency_s", "drop"))
    for mapping in every_mapping(problem):
        evaluation = problem.evaluate(problem.pretrained(mapping))
        again = problem.evaluation(evaluation.candidate, evaluation.accuracy)
        assert again.objectives == evaluation.objectives
        assert again.violations == evaluation.violations
        assert again.oracle_s == evaluation.oracle_s


def test_tile_capacity_is_a_named_limit() -> None:
    problem = tiny_problem()
    tile = problem.system.target("tile").model_copy(update={"tiles": 3})
    system = problem.system.model_copy(update={"targets": (problem.system.target("cpu"), tile)})
    small = replace(problem, system=system, cost_model=SyntheticCosts(system))
    assert small.evaluate(small.pretrained(small.all_analog)).violations["tiles_tile"] == 2
    assert small.evaluate(small.pretrained(small.all_digital)).violations["tiles_tile"] == -3


def test_analog_mac_ratio() -> None:
    problem = tiny_problem()
    assert problem.analog_mac_ratio(problem.all_digital) == 0
    assert problem.analog_mac_ratio(problem.all_analog) == 1
    unit = problem.units[0]
    share = problem.workload.unit_macs(unit) / problem.workload.macs
    assert problem.analog_mac_ratio(problem.mapping({unit.name: "tile"})) == pytest.approx(share)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": ()}, "at least one of latency_s"),
        (
            {"objectives": ("latency",)},
            r"unknown objective 'latency' \(did you mean 'latency_s'\?\)",
        ),
        ({"cost_limits": {"drop": 0.1}}, "unknown cost limit 'drop'"),
    ],
)
def test_bad_questions_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(tiny_problem(), **changes)


def test_systems_are_read_once() -> None:
    """`System` is a value: equal systems, equal digests."""
    system = tiny_problem().system
    again = System.model_validate(system.model_dump())
    assert again == system and again.digest == system.digest


def test_units_can_be_kept_on_the_host() -> None:
    problem = tiny_problem()
    first = problem.units[0].name
    pinned = replace(problem, digital=(first,))
    assert first not in {unit.name for unit in pinned.units}
    assert pinned.all_analog[first] == pinned.system.host
    with pytest.raises(InputError, match="cannot run unit"):
        pinned.check(problem.all_analog)
    with pytest.raises(InputError, match="fc99"):
        replace(problem, digital=("fc99",))


# --- prices -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    """A cost model that counts its calls; times are `factor` of the usual ones."""

    system: System
    calls: list[Mapping]
    factor: float = 1.0

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        self.calls.append(mapping)
        cost = SyntheticCosts(self.system).cost(workload, mapping)
        layers = [
            replace(
                layer,
                components={k: (self.factor * t, e) for k, (t, e) in layer.components.items()},
            )
            for layer in cost.layers
        ]
        return replace(cost, layers=tuple(layers))


def test_problems_made_from_one_another_share_their_prices() -> None:
    calls: list[Mapping] = []
    first = tiny_problem()
    first = replace(first, cost_model=Counted(first.system, calls))
    second = replace(first, seed=5, objectives=("drop",), cost_limits={"latency_s": 1.0})
    mappings = list(every_mapping(first))[:6]
    for problem in (first, second, replace(second, answers=None)):
        for mapping in mappings:
            assert problem.cost(mapping) is first.cost(mapping)
        _ = problem.digital_cost
    assert len(calls) == len(mappings)


def test_another_cost_model_or_workload_has_prices_of_its_own() -> None:
    first = tiny_problem()
    mapping = first.all_analog
    before = first.cost(mapping)
    slower = replace(first, cost_model=Counted(first.system, [], factor=3.0))
    assert slower.cost(mapping).latency_s == pytest.approx(3.0 * before.latency_s)
    equal = replace(first, cost_model=Counted(first.system, [], factor=3.0))
    equal.cost(mapping)
    assert len(equal.cost_model.calls) == 1, "equal models are not the same one"
    layer, *rest = first.workload.layers
    larger = replace(first.workload, layers=(layer.repeated(10), *rest))
    assert replace(first, workload=larger).cost(mapping).latency_s > before.latency_s
    assert first.cost(mapping) is before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": "hard"}, "unknown training 'hard'"),
        ({"training": None}, "unknown training 'None'"),
        ({"objectives": (3,)}, "unknown objective '3'"),
        ({"cost_limits": {"latency_s": 0.0}}, "latency_s: got 0.0; must be a positive number"),
        ({"cost_limits": {"latency_s": float("nan")}}, "latency_s: got nan"),
        ({"cost_limits": {"latency_s": "1"}}, "latency_s: got '1'"),
        ({"seed": 1.5}, "seed: got 1.5; must be a whole number"),
        ({"seed": None}, "seed: got None"),
    ],
)
def test_values_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(tiny_problem(), **changes)


def test_costs_of_a_problem_say_how_well_they_are_known() -> None:
    """As those of the front door, and in another process, too."""
    problem = priced_problem()
    cost, outside = problem.cost(problem.all_analog), lo.cost(problem.workload, problem.system)
    assert cost.estimate("latency_s") == outside.estimate("latency_s")
    digital = problem.digital_cost
    assert cost.gain_over(digital, "energy_j").low is not None
    again = pickle.loads(pickle.dumps(replace(problem, answers=None)))
    assert again.cost(again.all_analog).estimate("energy_j") == cost.estimate("energy_j")


def test_a_cost_model_of_another_system_says_nothing() -> None:
    """Its prices do not follow from the constants of the problem's system."""
    problem = priced_problem()
    other = replace(problem, cost_model=cost_model(load_system("alpine-high-power")))
    assert other.cost(other.all_analog).spread is None
    assert other.cost(other.all_analog).estimate("latency_s").high is None


def test_estimates_are_those_of_the_costs_and_over_what_is_asked_for() -> None:
    problem = priced_problem()
    first, second = problem.all_analog, first_analog(problem, 1)
    for row, mapping in zip(problem.estimates([first, second]), (first, second), strict=True):
        expected = estimates_of(problem.cost(mapping), problem.digital_cost)
        assert set(row) == set(ESTIMATED) == set(expected)
        for name, estimate in expected.items():
            np.testing.assert_allclose(row[name], estimate)
    [over] = problem.estimates([first], over=second)
    expected_gain = problem.cost(first).gain_over(problem.cost(second), "energy_j")
    np.testing.assert_allclose(over["energy_gain"], expected_gain)
    [itself] = problem.estimates([first], over=first)
    np.testing.assert_allclose(itself["speedup"], (1.0, 1.0, 1.0), rtol=1e-12)


def test_nothing_is_said_where_nothing_is_known() -> None:
    problem = tiny_problem()
    for over in (None, problem.all_analog):
        [row] = problem.estimates([problem.all_analog], over=over)
        assert row["latency_s"] == (problem.cost(problem.all_analog).latency_s, None, None)
        assert row["speedup"].low is None

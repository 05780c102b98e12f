"""LionHeart's greedy by MACs, as in its paper."""

from by_hand import path, problem_of

from lionheart_opt.space import by_macs_descending
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.testing import drive, tiny_problem


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


def test_mac_greedy_by_hand() -> None:
    """A unit stays on the first target that holds; analog targets are tried even if they save nothing."""
    prices = {
        "fc0": {"cpu": 10.0, "tile": 4.0, "npu": 6.0},
        "fc1": {"cpu": 10.0, "tile": 10.0, "npu": 12.0},
        "fc2": {"cpu": 10.0, "tile": 5.0, "npu": 3.0},
        "fc3": {"cpu": 9.0, "npu": 8.0},
    }
    drops = {"fc0": {"tile": 0.2}, "fc1": {"tile": 0.01}, "fc2": {"tile": 0.05}}
    problem = problem_of(prices, drops)
    steps: list[dict[str, str]] = [{"fc0": "tile"}, {"fc0": "npu"}]
    for unit, target in (("fc1", "tile"), ("fc2", "npu"), ("fc3", "npu")):
        steps.append({**steps[-1], unit: target})
    evaluations = drive(MacGreedy(), problem)
    assert [evaluation.mapping for evaluation in evaluations] == path(problem, steps)

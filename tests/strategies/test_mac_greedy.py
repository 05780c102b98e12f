"""LionHeart's greedy by MACs, as in its paper."""

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

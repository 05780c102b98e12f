"""Profiles: one unit at a time, and pairs of neighbours."""

import pytest

from lionheart_opt.space import neighbours
from lionheart_opt.strategies.one_at_a_time import OneAtATime
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import drive, tiny_problem


def test_a_profile_moves_one_unit_at_a_time_to_each_analog_target() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "npu"))
    evaluations = drive(OneAtATime(), problem)
    moved = [
        {unit: evaluation.mapping[unit] for unit in evaluation.mapping}
        for evaluation in evaluations
    ]
    expected = [{**problem.all_digital.to_json(), unit.name: "tile"} for unit in problem.units]
    assert moved == expected
    assert {evaluation.candidate.training for evaluation in evaluations} == {"none"}
    # With the problem's own training it asks for what other strategies ask for.
    same = drive(OneAtATime(problem.training), problem)
    assert [evaluation.candidate for evaluation in same] == [
        problem.pretrained(evaluation.mapping) for evaluation in evaluations
    ]


def test_a_profile_may_go_on_with_pairs_of_neighbours() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "sram"))
    alone = drive(OneAtATime(), problem)
    evaluations = drive(OneAtATime(pairs=True), problem)
    assert [evaluation.candidate for evaluation in evaluations[: len(alone)]] == [
        evaluation.candidate for evaluation in alone
    ]
    pairs = neighbours(problem)
    assert pairs
    assert [evaluation.mapping for evaluation in evaluations[len(alone) :]] == [
        problem.mapping(dict.fromkeys(pair, "tile")) for pair in pairs
    ]
    assert {evaluation.candidate.training for evaluation in evaluations} == {"none"}


@pytest.mark.parametrize("pairs", [False, True])
def test_there_is_nothing_to_profile_without_analog_targets(pairs: bool) -> None:
    assert drive(OneAtATime(pairs=pairs), tiny_problem(targets=("cpu", "npu"))) == []


def test_a_single_unit_has_no_pair() -> None:
    problem = synthetic_problem(n_units=1)
    [evaluation] = drive(OneAtATime(pairs=True), problem)
    assert evaluation.mapping == problem.all_analog

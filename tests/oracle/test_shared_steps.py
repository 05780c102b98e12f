"""Mappings of the steps of one-shot training."""

from __future__ import annotations

import torch
from oracle_setup import NAMES

from lionheart_opt.oracle.shared_steps import (
    SANDWICHED,
    Teacher,
    digital_at_random,
    drawn_passes,
)


def test_one_shot_mappings_reach_from_all_analog_to_all_digital() -> None:
    """The share of digital groups is drawn first; a twelfth of the shares is 0, and a twelfth is 1."""
    groups = tuple((f"{number}a", f"{number}b") for number in range(30))
    generator = torch.Generator().manual_seed(0)
    sizes = []
    for _ in range(1200):
        digital = digital_at_random(groups, generator)
        assert all((f"{n}a" in digital) == (f"{n}b" in digital) for n in range(30))
        sizes.append(len(digital) // 2)
    assert 100 < sizes.count(0) < 170 and 100 < sizes.count(30) < 170
    assert abs(sum(sizes) / len(sizes) - 15) < 1.5


def test_sandwich_steps_have_both_extremes_and_random_mappings() -> None:
    groups, generator = tuple((name,) for name in NAMES), torch.Generator().manual_seed(0)
    steps = [drawn_passes(groups, generator, is_sandwich=True) for _ in range(80)]
    assert {len(passes) for passes in steps} == {2 + SANDWICHED}
    assert all(passes[0] == set(NAMES) and passes[1] == set() for passes in steps)
    drawn = {frozenset(each) for passes in steps for each in passes[2:]}
    assert len(drawn) == 8, "every mapping of three layers"
    assert any(passes[2] != passes[3] for passes in steps)


def test_without_groups_everything_is_analog() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    for is_sandwich in (False, True):
        assert drawn_passes((), generator, is_sandwich=is_sandwich) == (set(),)
    assert torch.equal(generator.get_state(), before), "nothing is drawn"


def test_a_teacher_answers_as_the_network_in_evaluation_mode() -> None:
    network = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(4, 3))
    images = torch.randn(5, 4)
    wanted = Teacher(network)(images)
    torch.testing.assert_close(wanted, network[1](images).detach())
    assert not wanted.requires_grad

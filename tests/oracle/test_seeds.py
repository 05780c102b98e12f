"""Seeds: what is drawn inside is decided, what is drawn outside is untouched."""

import torch

from lionheart_opt.oracle.seeds import derive, seeded

CPU = torch.device("cpu")


def test_seeded_numbers_are_torchs_and_those_outside_go_on():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(9)
    first = torch.rand(2)
    rest = torch.rand(2)
    torch.manual_seed(9)
    assert torch.equal(torch.rand(2), first)
    with seeded(3, CPU):
        assert torch.equal(torch.rand(4), expected)
    assert torch.equal(torch.rand(2), rest)


def test_derived_seeds_depend_on_every_name():
    seeds = {derive(0), derive(1), derive(0, "a"), derive(0, "b"), derive(0, "a", 1)}
    assert len(seeds) == 5
    assert derive(0, "a", 1) == derive(0, "a", 1)

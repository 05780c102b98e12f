"""Seeds: what is drawn inside is decided, what is drawn outside is untouched."""

from contextlib import suppress

import pytest
import torch

from lionheart_opt.oracle.seeds import derive, seeded

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    ],
)


@pytest.mark.parametrize("on", ["cpu", CUDA])
def test_seeded_numbers_are_torchs_and_those_outside_go_on(on: str) -> None:
    device = torch.device(on)

    def draw(count: int) -> list[float]:
        return [*torch.rand(count).tolist(), *torch.rand(count, device=device).tolist()]

    torch.manual_seed(3)
    expected = draw(4)
    torch.manual_seed(9)
    first, rest = draw(2), draw(2)
    torch.manual_seed(9)
    assert draw(2) == first
    with suppress(ZeroDivisionError), seeded(3, device):
        assert draw(4) == expected
        _ = 1 / 0
    assert draw(2) == rest


def test_derived_seeds_depend_on_every_name() -> None:
    names = [(), ("a",), ("b",), ("a", 1), (1, "a"), ("a1",), ("a", "1"), ("a", 1.5)]
    seeds = {derive(seed, *each) for seed in (0, 1, -1, 2**40) for each in names}
    assert len(seeds) == 4 * len(names)
    assert derive(0, "a", 1) == derive(0, "a", 1)


def test_derived_seeds_are_accepted_as_signed_and_as_unsigned_words() -> None:
    """torch takes 64 bits, a tensor of int64 only 63 of them."""
    seeds = [derive(seed) for seed in range(200)]
    assert torch.tensor(seeds).tolist() == seeds
    assert max(seeds) > 2**62 and min(seeds) >= 0
    assert {seed % 2 for seed in seeds} == {0, 1}


def test_a_name_gives_the_same_seed_for_ever() -> None:
    """Else a study that an older version began would go on with other chips."""
    assert derive(0, "program", "conv1", 2) == 6400856406949409473

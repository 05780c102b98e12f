"""Training images are shifted and mirrored as the recipe says."""

import torch
from oracle_setup import made_up_examples
from torch import nn

from lionheart_opt.oracle.augmentation import augmented, crop_flip
from lionheart_opt.oracle.settings import HatRecipe


def test_the_recipe_decides() -> None:
    examples, numbers = made_up_examples(20, 1), torch.tensor([3, 7, 11])
    made = {
        kind: augmented(
            examples,
            numbers,
            HatRecipe(augmentation=kind),
            torch.device("cpu"),
            torch.Generator().manual_seed(0),
        )
        for kind in ("none", "crop_flip")
    }
    plain = examples[numbers]
    assert made["none"].digest == plain.digest != made["crop_flip"].digest
    assert torch.equal(made["crop_flip"].targets, plain.targets)


def test_crop_flip_shifts_and_mirrors() -> None:
    image = torch.arange(1.0, 65.0).reshape(1, 1, 8, 8)
    generator = torch.Generator().manual_seed(0)
    made = crop_flip(image.expand(200, 2, 8, 8), generator)
    padded = nn.functional.pad(image, [1] * 4)[0, 0]
    shifted = [padded[y : y + 8, x : x + 8] for y in range(3) for x in range(3)]
    possible = [*shifted, *(image.flip(1) for image in shifted)]
    seen = set()
    for channels in made:
        assert torch.equal(channels[0], channels[1])  # channels move together
        [which] = [k for k, image in enumerate(possible) if torch.equal(channels[0], image)]
        seen.add(which)
    assert seen == set(range(18))


def test_wide_images_are_shifted_by_an_eighth_of_their_width() -> None:
    image = torch.arange(1.0, 16 * 6 + 1).reshape(1, 1, 6, 16)
    made = crop_flip(image.expand(900, 1, 6, 16), torch.Generator().manual_seed(0))
    assert made.shape == (900, 1, 6, 16)
    padded = torch.nn.functional.pad(image, [2] * 4)[0, 0]
    shifted = [padded[y : y + 6, x : x + 16] for y in range(5) for x in range(5)]
    possible = [*shifted, *(each.flip(1) for each in shifted)]
    counts = [sum(torch.equal(each, other) for each in made[:, 0]) for other in possible]
    assert sum(counts) == 900 and min(counts) > 0
    assert abs(sum(counts[:25]) - 450) < 60, "half of them are mirrored"

"""NaN, infinite and impossible numbers are refused where they enter, and the message says where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle_setup import (
    NAMES,
    SETTINGS,
    SmallNetwork,
    candidate,
    made_up_examples,
    small_network,
    small_oracle,
    small_splits,
)
from torch import nn

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.engine import EngineName, engine
from lionheart_opt.oracle.finite import check_weights
from lionheart_opt.oracle.measurement import Conditions, exact_statistics, measure
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.settings import HatRecipe, PretrainRecipe

NOT_FINITE = [float("nan"), float("inf"), float("-inf")]
NO_TRAINING = candidate(*NAMES).with_training("none")


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("name", ["conv2.weight", "linear.bias", "norm.running_var", "norm.weight"])
def test_weights_are_named(tmp_path: Path, name: str, value: float) -> None:
    network = small_network()
    with torch.no_grad():
        network.state_dict()[name].view(-1)[1] = value
    with pytest.raises(InputError, match=f"'{name}' has 1 NaN or infinite values of"):
        replace(small_oracle(tmp_path), model=network)


def test_masks_may_be_infinite() -> None:
    network = nn.Linear(2, 2)
    network.register_buffer("mask", torch.full((2, 2), float("-inf")).triu(1))
    check_weights(network)
    network.register_buffer("mask", torch.full((2, 2), float("nan")))
    with pytest.raises(InputError, match="'mask' has 4 NaN"):
        check_weights(network)


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_inputs_are_counted_and_their_part_is_named(
    tmp_path: Path, part: str, value: float
) -> None:
    splits = small_splits()
    examples = getattr(splits, part)
    images = examples.inputs.clone()
    images[3, 0, 2, 2] = images[5, 0, 0, 0] = images[5, 0, 1, 0] = value
    bad = replace(splits, **{part: Examples(inputs=images, targets=examples.targets)})
    with pytest.raises(InputError, match=f"2 of {len(images)} {part} inputs have NaN or infinite"):
        replace(small_oracle(tmp_path), splits=bad)


def test_large_inputs_are_numbers(tmp_path: Path) -> None:
    splits = small_splits()
    images = splits.test.inputs.clone()
    images[:, 0, 0, 0] = 3e38  # their sum is infinite
    large = replace(splits, test=Examples(inputs=images, targets=splits.test.targets))
    replace(small_oracle(tmp_path), splits=large)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_labels_must_be_classes(tmp_path: Path, part: str) -> None:
    splits = small_splits()
    for label, message in ((-100, "labels from -100"), (4, "one score for each of 5 classes")):
        examples = getattr(splits, part)
        labels = examples.targets.clone()
        labels[2] = label
        with pytest.raises(InputError, match=message):
            bad = replace(splits, **{part: Examples(inputs=examples.inputs, targets=labels)})
            replace(small_oracle(tmp_path), splits=bad)


class Overflows(SmallNetwork):
    """Finite for finite weights and small images; not for large ones."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).exp()


def test_scores_are_checked_and_named(tmp_path: Path) -> None:
    network = Overflows().eval()
    examples = made_up_examples(20, 1)
    images = examples.inputs.clone()
    images[10:13] = 1e6
    with torch.no_grad():
        network.linear.weight.fill_(1.0)
    bad = Examples(inputs=images, targets=examples.targets)
    with pytest.raises(InputError, match=r"floating-point network, from example 8 on: .* 3 of 8"):
        exact_statistics(network, bad, 8)
    conditions = Conditions(times_s=(1.0, 60.0), draws=range(2), seed=0, batch_size=8)
    message = r"draw 0, 1 s after programming, analog conv1, linear: scores of \d of 8 examples"
    for name in ("fast", "aihwkit"):
        with pytest.raises(InputError, match=message):
            measure(engine(name), network, [("conv1", "linear")], lionheart(), bad, conditions)
    oracle = small_oracle(tmp_path, SETTINGS.model_copy(update={"pretrain": None}))
    splits = replace(oracle.splits, validation=bad)
    with pytest.raises(InputError, match="scores of 3 of 20"):
        replace(oracle, model=network, splits=splits).accuracy(
            NO_TRAINING, Fidelity(draws=(0, 1)), 0
        )


@pytest.mark.parametrize("rate", [1e30, 1e10])
def test_a_diverged_pretraining_is_an_error(tmp_path: Path, rate: float) -> None:
    recipe = PretrainRecipe(epochs=2, batch_size=32, learning_rate=rate)
    oracle = small_oracle(tmp_path, SETTINGS.model_copy(update={"pretrain": recipe}))
    for _ in range(2):  # from the store, too
        with pytest.raises(InputError, match=r"pretraining: training diverged .*learning_rate"):
            oracle.accuracy(candidate().with_training("none"), Fidelity(draws=(0, 1)), 0)


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
def test_a_diverged_hardware_aware_training_keeps_its_note(
    tmp_path: Path, name: EngineName
) -> None:
    hat = HatRecipe(learning_rate=1e30, short_epochs=1)
    oracle = small_oracle(tmp_path, SETTINGS.model_copy(update={"hat": hat, "engine": name}))
    asked = candidate(*NAMES).with_training("short")
    accuracy = oracle.accuracy(asked, Fidelity(draws=(0, 1)), 0)
    assert "diverged" in accuracy.note


def test_a_channel_of_tiny_weights_trains(tmp_path: Path) -> None:
    """Weight decay leaves such channels."""
    network = small_network()
    with torch.no_grad():
        network.conv1.weight[2] *= 1e-24
        network.conv2.weight[1] *= 1e-30
    settings = SETTINGS.model_copy(update={"pretrain": None})
    for name in ("fast", "aihwkit"):
        oracle = replace(
            small_oracle(tmp_path, settings.model_copy(update={"engine": name})), model=network
        )
        trained = oracle.trained(candidate(*NAMES).with_training("short"), 0)
        assert trained.note == "" and len(trained.losses) == 1


@pytest.mark.parametrize("value", [*NOT_FINITE, -124.87, -1e-9, 1.0 + 1e-9, 93.0])
def test_samples_outside_of_the_range_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        Accuracy(samples=np.array([[0.5, value]]), times_s=(1.0, 2.0), baseline=0.5)
    with pytest.raises(InputError, match="from 0 to 1"):
        Accuracy(samples=np.array([[0.5]]), times_s=(1.0,), baseline=value)
    Accuracy(samples=np.array([[0.0, 1.0]]), times_s=(1.0, 2.0), baseline=1.0)

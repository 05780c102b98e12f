"""What a training does after every step, and the seconds that it is charged for."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from aihwkit.simulator.parameters.enums import WeightModifierType, WeightRemapType
from oracle_setup import NAMES, ideal, made_up_examples, small_network

from lionheart_opt.oracle import training
from lionheart_opt.oracle.engine import AnalogNetwork, engine
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.settings import EngineName, HatRecipe
from lionheart_opt.oracle.store import WeightStore
from lionheart_opt.oracle.training import EpochDone, Job, train, with_weights

ENGINES: tuple[EngineName, ...] = ("fast", "aihwkit")


def job(**changes: object) -> Job:
    """Three steps an epoch: the last example is alone and left out."""
    default = Job(
        model=small_network(),
        start=small_network().state_dict(),
        matrices=NAMES,
        rpu_config=lionheart(),
        recipe=HatRecipe(learning_rate=0.05, momentum=0.8, batch_size=33),
        epochs=2,
        examples=made_up_examples(100, 1),
        seed=3,
        device=torch.device("cpu"),
        what="test",
    )
    return replace(default, **changes)  # type: ignore[arg-type]


def test_every_step_is_followed_by_clipping_and_mapping_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    biases: list[torch.Tensor] = []
    real = AnalogNetwork.after_step

    def spy(analog: AnalogNetwork) -> None:
        biases.append(analog.weights()["linear.bias"])
        real(analog)

    monkeypatch.setattr(AnalogNetwork, "after_step", spy)
    train(job(), engine("fast"), WeightStore.folder(tmp_path), "key")
    assert len(biases) == 2 * 3
    steps = [small_network().linear.bias.detach(), *biases]
    for before, after in pairwise(steps):
        assert not torch.equal(before, after), "called once after each step, not twice or before it"


@pytest.mark.parametrize("name", ENGINES)
def test_trained_weights_are_those_that_tiles_can_hold(tmp_path: Path, name: EngineName) -> None:
    """Clipped at 0.3 of what a column's largest weight was at the start, in every layer."""
    config = lionheart()
    config.clip.fixed_value = 0.3
    config.remap.type = WeightRemapType.NONE
    config.mapping.learn_out_scaling = False
    asked = job(rpu_config=config, epochs=1)
    trained = train(asked, engine(name), WeightStore.folder(tmp_path), "key")
    for module in NAMES:
        start = asked.start[f"{module}.weight"].flatten(1).abs().amax(1)
        largest = trained.weights[f"{module}.weight"].flatten(1).abs().amax(1)
        assert (largest <= 0.3 * start + 1e-6).all() and (largest > 0.29 * start).any()


@pytest.mark.parametrize("name", ENGINES)
def test_a_step_maps_the_weights_again(name: EngineName) -> None:
    """Halved weights fill the tile again, so that three times as large ones clip at the half."""
    config = lionheart()
    config.mapping.learn_out_scaling = False
    network = small_network()
    analog = engine(name).analog(network, NAMES, config).train()
    for factor in (0.5, 3.0):
        with torch.no_grad():
            for parameter in analog.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(factor)
        analog.after_step()
    for module in NAMES:
        start = network.get_submodule(module).weight.detach().flatten(1).abs().amax(1)
        largest = analog.weights()[f"{module}.weight"].flatten(1).abs().amax(1)
        torch.testing.assert_close(largest, 0.5 * start)


class Clock:
    """Every look at it takes two seconds."""

    def __init__(self) -> None:
        self.ticks = count(step=2)

    def __call__(self) -> float:
        return float(next(self.ticks))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "perf_counter", Clock())


@pytest.mark.usefixtures("clock")
def test_the_seconds_of_all_epochs_count(tmp_path: Path) -> None:
    reports: list[EpochDone] = []
    asked = job(epochs=4, matrices=())
    trained = train(asked, engine("fast"), WeightStore.folder(tmp_path), "key", reports.append)
    assert trained.training_s == 8.0
    assert [(now.epoch, now.epochs, now.left_s) for now in reports] == [
        (1, 4, 6.0),
        (2, 4, 4.0),
        (3, 4, 2.0),
        (4, 4, 0.0),
    ]
    assert [now.loss for now in reports] == list(trained.losses)


@pytest.mark.usefixtures("clock")
def test_the_seconds_before_an_interruption_count(tmp_path: Path) -> None:
    def interrupt(now: EpochDone) -> None:
        if now.epoch == 3:
            raise KeyboardInterrupt

    asked, store = job(epochs=4, matrices=()), WeightStore.folder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(asked, engine("fast"), store, "key", interrupt)
    assert train(asked, engine("fast"), store, "key").training_s == 8.0


@pytest.mark.usefixtures("clock")
def test_the_seconds_of_an_epoch_that_diverges_count(tmp_path: Path) -> None:
    wild = job(recipe=HatRecipe(learning_rate=1e30), matrices=(), epochs=4)
    trained = train(wild, engine("fast"), WeightStore.folder(tmp_path), "key")
    assert "diverged" in trained.note and trained.training_s == 2.0 + 2.0 * len(trained.losses)


def test_every_step_has_its_own_learning_rate_and_examples() -> None:
    asked = job(groups=(("conv1",), ("conv2",)), recipe=HatRecipe(learning_rate=0.2, batch_size=25))
    steps = [batch for epoch in range(2) for batch in training.batches(asked, epoch)]
    half_cosine = [0.1 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert [batch.learning_rate for batch in steps] == pytest.approx(half_cosine)
    for first in (0, 4):
        images = torch.cat([batch.examples.inputs for batch in steps[first : first + 4]])
        assert len(images.flatten(1).unique(dim=0)) == 100, "each example once an epoch"
    assert all(digital <= {"conv1", "conv2"} for batch in steps for digital in batch.digital)
    assert all(batch.digital == (set(),) for batch in training.batches(job(), 0))


def test_statistics_are_estimated_from_as_many_batches_as_asked() -> None:
    """Without dropout: a digital mapping has the same statistics whatever is drawn."""
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(64), torch.nn.Linear(64, 4)
    )
    asked = job(model=network, start=network.state_dict(), matrices=())
    for batches, expected in ((1, 1), (3, 3), (9, 3)):  # the last example is alone and left out
        made = training.reestimate_batch_norm(asked, engine("fast"), batches)
        assert made["2.num_batches_tracked"] == expected
        if batches == 1:
            data = torch.Generator().manual_seed(derive(3, "batch norm data"))
            images = asked.examples.inputs[torch.randperm(100, generator=data)[:33]]
            torch.testing.assert_close(made["2.running_mean"], images.flatten(1).mean(0))
    assert network[2].momentum == 0.1 and network[1].training


def test_the_loss_of_an_epoch_is_a_mean_over_examples(tmp_path: Path) -> None:
    """Not over batches, of which the last one is smaller."""
    recipe = HatRecipe(learning_rate=1e-12, momentum=0.0, batch_size=33)
    examples = made_up_examples(40, 1)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(4))
    model(examples.inputs)
    asked = job(
        model=model,
        start=model.state_dict(),
        recipe=recipe,
        epochs=1,
        examples=examples,
        matrices=(),
    )
    trained = train(asked, engine("fast"), WeightStore.folder(tmp_path), "key")
    network = with_weights(asked.model, asked.start).train()
    with torch.no_grad():
        losses = [
            float(
                torch.nn.functional.cross_entropy(
                    network(each.examples.inputs), each.examples.targets
                )
            )
            for each in training.batches(asked, 0)
        ]
    assert trained.losses[0] == pytest.approx((33 * losses[0] + 7 * losses[1]) / 40, rel=1e-5)


def test_mappings_of_one_shot_steps_do_not_depend_on_other_noise() -> None:
    asked = job(groups=tuple((name,) for name in NAMES), epochs=2)

    def drawn(seed: int) -> list[tuple[set[str], ...]]:
        torch.manual_seed(seed)
        return [batch.digital for batch in training.batches(asked, 1)]

    assert drawn(0) == drawn(1)


@pytest.mark.parametrize("name", ["aihwkit", "fast"])
def test_gradients_of_sandwich_passes_are_averaged(name: EngineName, tmp_path: Path) -> None:
    """Where every pass computes the same, it is a step of plain training."""
    config = ideal()
    config.modifier.type = WeightModifierType.NONE
    recipe = HatRecipe(learning_rate=0.1, momentum=0.0, batch_size=33)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4))
    change: dict[str, Any] = {
        "model": network,
        "start": network.state_dict(),
        "matrices": ("1",),
        "rpu_config": config,
        "recipe": recipe,
        "epochs": 1,
    }
    store = WeightStore.folder(tmp_path)
    plain = train(job(**change), engine(name), store, "plain")
    sandwich = job(**change, groups=(("1",),), is_sandwich=True)
    # the same examples in the same order; what is drawn for mappings comes in between
    with pytest.MonkeyPatch.context() as patched:
        passes: tuple[set[str], ...] = ({"1"}, set(), set(), {"1"})
        patched.setattr(training, "drawn_passes", lambda *_, **__: passes)
        averaged = train(sandwich, engine(name), store, "averaged")
    torch.testing.assert_close(averaged.weights["1.weight"], plain.weights["1.weight"])
    assert averaged.losses == pytest.approx(plain.losses, rel=1e-5)
    assert not torch.equal(plain.weights["1.weight"], network[1].weight)


def test_distillation_follows_the_network_that_training_starts_from(tmp_path: Path) -> None:
    """Labels do not matter to a loss that is all imitation, and imitating oneself changes nothing."""
    recipe = HatRecipe(learning_rate=0.1, momentum=0.0, batch_size=33)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4))
    change: dict[str, Any] = {
        "model": network,
        "start": network.state_dict(),
        "matrices": (),
        "recipe": recipe,
        "epochs": 1,
    }
    store = WeightStore.folder(tmp_path)
    same = train(job(**change, distillation=1.0), engine("fast"), store, "all")
    torch.testing.assert_close(same.weights["1.weight"], network[1].weight.detach())
    with torch.no_grad():
        [first, *_] = training.batches(job(**change, distillation=1.0), 0)
        wanted = network(first.examples.inputs).softmax(1)
        entropy = float(-(wanted * wanted.log()).sum(1).mean())
    assert same.losses[0] == pytest.approx(entropy, rel=0.2)
    half = train(job(**change, distillation=0.5), engine("fast"), store, "half")
    none = train(job(**change), engine("fast"), store, "none")
    steps = [
        (each.weights["1.weight"] - network[1].weight.detach()).norm() for each in (half, none)
    ]
    assert 0.3 < float(steps[0] / steps[1]) < 0.7

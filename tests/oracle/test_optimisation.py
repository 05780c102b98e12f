"""Optimisers by name, schedules, separate settings of digital parameters, and an annealed ending."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle_setup import NAMES, small_network
from training_jobs import ENGINE, job, prescribe

from lionheart_opt.errors import InputError
from lionheart_opt.oracle import training
from lionheart_opt.oracle.optimisation import check_optimizer, make_optimizer, rate_at, set_rate
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.settings import HatRecipe, ParameterRecipe
from lionheart_opt.oracle.store import WeightStore
from lionheart_opt.oracle.training import batches, train


@pytest.mark.parametrize(
    ("schedule", "warm_up", "rates"),
    [
        ("cosine", 0.0, [1.0, 0.853553, 0.5, 0.146447, 0.0]),
        ("linear", 0.0, [1.0, 0.75, 0.5, 0.25, 0.0]),
        ("constant", 0.0, [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", 0.5, [0.0, 0.5, 1.0, 0.5, 0.0]),
        ("cosine", 0.25, [0.0, 1.0, 0.75, 0.25, 0.0]),
    ],
)
def test_the_learning_rate_follows_its_schedule(
    schedule: Any, warm_up: float, rates: list[float]
) -> None:
    recipe = HatRecipe(learning_rate=2.0, schedule=schedule, warm_up=warm_up)
    done = np.linspace(0.0, 1.0, 5)
    assert [rate_at(recipe, share) / 2.0 for share in done] == pytest.approx(rates, abs=1e-6)


def test_digital_parameters_may_have_settings_of_their_own() -> None:
    network = ENGINE.analog(small_network(), NAMES[:1], lionheart()).train()
    digital = ParameterRecipe(learning_rate=0.001, weight_decay=0.1)
    optimizer = make_optimizer(
        HatRecipe(learning_rate=0.02, momentum=0.5, digital=digital), network
    )
    set_rate(optimizer, 0.01)
    host, tiles = optimizer.param_groups
    assert (host["lr"], host["weight_decay"], host["momentum"]) == (pytest.approx(0.0005), 0.1, 0.5)
    assert (tiles["lr"], tiles["weight_decay"], tiles["momentum"]) == (0.01, 0.0, 0.5)
    on_tiles = {id(each) for each in network.analog[NAMES[0]].parameters()}
    assert {id(each) for each in tiles["params"]} == on_tiles
    assert len(host["params"]) + len(tiles["params"]) == len(list(network.parameters()))
    [everything] = make_optimizer(HatRecipe(), network).param_groups
    assert len(everything["params"]) == len(list(network.parameters()))


def test_digital_parameters_without_a_rate_of_their_own_stay(tmp_path: Path) -> None:
    """A tiny learning rate leaves them where they are, and the matrices on tiles move."""
    recipe = job().recipe.model_copy(update={"digital": ParameterRecipe(learning_rate=1e-12)})
    asked = job(recipe=recipe, epochs=1, matrices=NAMES[:1])
    trained = train(asked, ENGINE, WeightStore.folder(tmp_path), "key").weights
    moved = {
        name: float((trained[name] - start).abs().max())
        for name, start in asked.start.items()
        if start.is_floating_point() and "running" not in name
    }
    assert moved.pop(f"{NAMES[0]}.weight") > 1e-4
    assert max(moved.values()) < 1e-6


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"])
def test_any_optimiser_of_torch_trains(tmp_path: Path, name: str) -> None:
    recipe = job().recipe.model_copy(update={"optimizer": name, "learning_rate": 0.003})
    trained = train(job(recipe=recipe, epochs=2), ENGINE, WeightStore.folder(tmp_path), "key")
    assert trained.losses[1] < trained.losses[0] and not trained.note


def test_an_optimiser_continues_after_an_interruption(tmp_path: Path) -> None:
    recipe = job().recipe.model_copy(update={"optimizer": "Adam", "learning_rate": 0.003})
    whole = train(job(recipe=recipe, epochs=3), ENGINE, WeightStore.folder(tmp_path / "a"), "key")

    class Stop(Exception):
        pass

    def stop(done: Any) -> None:
        if done.epoch == 2:
            raise Stop

    store = WeightStore.folder(tmp_path / "b")
    with pytest.raises(Stop):
        train(job(recipe=recipe, epochs=3), ENGINE, store, "key", stop)
    resumed = train(job(recipe=recipe, epochs=3), ENGINE, store, "key")
    assert resumed.losses == whole.losses
    assert all(torch.equal(resumed.weights[name], each) for name, each in whole.weights.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "Adan"}, "did you mean 'Adam"),
        ({"optimizer": "LBFGS"}, "optimizer"),
        ({"optimizer": "Optimizer"}, "optimizer"),
        ({"optimizer": "Adam", "optimizer_arguments": {"nesterov": True}}, "Adam: .*nesterov"),
        ({"optimizer_arguments": {"nesterov": True}, "momentum": 0.0}, "SGD: .*[Nn]esterov"),
        ({"optimizer": "Adam", "optimizer_arguments": {"betas": [2.0, 0.9]}}, "Adam: .*beta"),
    ],
)
def test_what_torch_does_not_have_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_optimizer(HatRecipe(**changes), "[oracle] hat")


def test_large_gradients_are_scaled_down(tmp_path: Path) -> None:
    """With a tiny norm nothing moves; with a huge one nothing changes."""
    usual = train(job(epochs=1), ENGINE, WeightStore.folder(tmp_path / "a"), "key")
    for norm, moves in ((1e-9, False), (1e9, True)):
        recipe = job().recipe.model_copy(update={"clip_norm": norm})
        clipped = train(
            job(recipe=recipe, epochs=1), ENGINE, WeightStore.folder(tmp_path / f"{norm}"), "key"
        )
        assert (clipped.losses == usual.losses) == moves
        assert (
            torch.equal(clipped.weights["linear.weight"], usual.weights["linear.weight"]) == moves
        )


def test_frozen_batch_norm_keeps_its_statistics(tmp_path: Path) -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(144, 4),
    )
    for how in ("trained", "frozen"):
        recipe = job().recipe.model_copy(update={"batch_norm": how})
        asked = job(model=model, start=model.state_dict(), matrices=("0",), recipe=recipe, epochs=1)
        trained = train(asked, ENGINE, WeightStore.folder(tmp_path / how), "key").weights
        same = torch.equal(trained["1.running_mean"], asked.start["1.running_mean"])
        assert same == (how == "frozen")
        assert not torch.equal(trained["1.weight"], asked.start["1.weight"])


@pytest.mark.parametrize(
    ("losses", "annealing", "starts"),
    [
        ([5, 4, 4, 4, 3, 2], 2, {4: 1, 5: None}),  # ended after four, from the second
        ([5, 4, 4, 4, 3, 2], 9, {4: 1, 5: None}),  # six epochs are all that there are
        ([5, 4, 4, 4, 3, 2], 1, {4: 1}),
        ([5, 4, 3, 2, 1, 0], 2, {}),  # it does not end early
    ],
)
def test_a_training_that_ends_early_ends_annealed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: list[float],
    annealing: int,
    starts: dict[int, int | None],
) -> None:
    """From the best epoch, without the momentum of the last one."""
    prescribe(monkeypatch, losses)
    real, seen = training._epoch, {}

    def spy(job: Any, engine: Any, state: Any, begin: int | None) -> Any:
        if begin is not None:
            number = len(state.losses)
            seen[number] = float(state.weights["w"]) if number == begin else None
            assert number > begin or state.optimizer is None
        return real(job, engine, state, begin)

    monkeypatch.setattr(training, "_epoch", spy)
    recipe = HatRecipe(patience=2, annealing_epochs=annealing)
    trained = train(job(recipe=recipe, epochs=6), ENGINE, WeightStore.folder(tmp_path), "key")
    assert seen == starts
    assert len(trained.losses) == (max(starts) + 1 if starts else 6)


def test_the_rate_falls_to_zero_from_where_it_was() -> None:
    asked = job(recipe=job().recipe.model_copy(update={"annealing_epochs": 2, "batch_size": 25}))
    usual = next(batches(asked, 2)).learning_rate
    rates = [batch.learning_rate for epoch in (2, 3) for batch in batches(asked, epoch, 2)]
    assert rates[0] == pytest.approx(usual)
    steps = np.diff(rates)
    assert steps == pytest.approx(np.full(len(steps), -usual / len(rates)))
    constant = replace(asked, recipe=asked.recipe.model_copy(update={"schedule": "constant"}))
    first = next(batches(constant, 2, 2))
    assert first.learning_rate == asked.recipe.learning_rate

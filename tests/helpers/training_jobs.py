"""Small trainings, and trainings whose losses are prescribed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from oracle_setup import NAMES, made_up_examples, small_network

from lionheart_opt.oracle import training
from lionheart_opt.oracle.aihwkit_engine import AihwkitEngine
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.settings import HatRecipe
from lionheart_opt.oracle.training import Job

ENGINE = AihwkitEngine()


def job(**changes: object) -> Job:
    recipe = HatRecipe(learning_rate=0.05, momentum=0.8, batch_size=33, augmentation="crop_flip")
    default = Job(
        model=small_network(),
        start=small_network().state_dict(),
        matrices=NAMES,
        rpu_config=lionheart(),
        recipe=recipe,
        epochs=4,
        examples=made_up_examples(100, 1),
        seed=3,
        device=torch.device("cpu"),
        what="test",
    )
    return replace(default, **changes)  # type: ignore[arg-type]


def prescribe(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Epochs that have these losses and leave a weight that names the epoch."""

    def epoch(
        job: Job, engine: object, state: training._State, annealing: int | None
    ) -> training._State:
        number = len(state.losses)
        weights = {"w": torch.tensor(float(number))}
        return replace(state, weights=weights, losses=(*state.losses, losses[number]))

    monkeypatch.setattr(training, "_epoch", epoch)

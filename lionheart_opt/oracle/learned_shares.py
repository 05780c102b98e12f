"""Differentiable choice of targets: each unit's share on analog tiles is trained with the weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import isfinite
from time import perf_counter
from typing import Any

import torch

from lionheart_opt.oracle.engine import Engine
from lionheart_opt.oracle.seeds import derive, seeded
from lionheart_opt.oracle.store import WeightStore
from lionheart_opt.oracle.training import EpochDone, Job, batches, calibrated_start, with_weights
from lionheart_opt.questions import Answer, LearnedShares

#: Learning rate of the shares' logits, which Adam trains (as in ODiMO's code). Weights are trained as
#: the recipe says.
LEARNING_RATE = 0.01


def learn_shares(
    job: Job,
    engine: Engine,
    store: WeightStore,
    key: str,
    units: dict[str, tuple[str, ...]],
    question: LearnedShares,
    progress: Callable[[EpochDone], None],
) -> Answer:
    """Train weights and shares together for all epochs of the job, once for each key.

    A product with a unit's weights is `share` times the analog result plus `1 - share` times that of the
    host, with the same weights. Shares start at one half. The loss is the
    cross entropy plus `question.strength` times the expected cost of independently placed units.
    Training is resumed after an epoch, as that of `train` is. A training that diverges ends with the
    shares of the epoch before, and a warning says so.

    Args:
        job: The training; its matrices are those of all units.
        engine: What simulates the matrices.
        store: Where the answer is kept.
        key: Digest of job and question.
        units: Unit -> paths of its matrices, for the units of `question.prices`.
        question: Prices, and how much they count.
        progress: Called after every epoch.
    """
    with store.alone(key):
        state = _learned(job, engine, store, f"{key}.shares.pt", units, question, progress)
    if state.get("note"):
        warnings.warn(state["note"], stacklevel=2)
    shares = torch.sigmoid(state["logits"].double()).tolist()
    values = {"share": dict(zip(units, shares, strict=True))}
    return Answer(values=values, oracle_s=state["training_s"])


def _learned(
    job: Job,
    engine: Engine,
    store: WeightStore,
    name: str,
    units: dict[str, tuple[str, ...]],
    question: LearnedShares,
    progress: Callable[[EpochDone], None],
) -> dict[str, Any]:
    """The state after the last epoch; that of every epoch is stored under the name."""
    state = store.read(name) or {
        "weights": calibrated_start(job),
        "logits": torch.zeros(len(units)),
        "optimizers": None,
        "epoch": 0,
        "training_s": 0.0,
    }
    while state["epoch"] < job.epochs:
        done, loss = _epoch(job, engine, state, units, question)
        if isfinite(loss) and bool(done["logits"].isfinite().all()):
            state = done
        else:
            note = (
                f"{job.what} diverged in epoch {done['epoch']}; shares of the epoch before are used"
            )
            state = {**state, "epoch": job.epochs, "training_s": done["training_s"], "note": note}
        left_s = state["training_s"] / state["epoch"] * (job.epochs - state["epoch"])
        progress(
            EpochDone(
                what=job.what, epoch=state["epoch"], epochs=job.epochs, loss=loss, left_s=left_s
            )
        )
        if state["epoch"] == job.epochs:
            state |= {"weights": {}, "optimizers": None}  # not needed any more
        store.write(name, state)
    return state


def _epoch(
    job: Job,
    engine: Engine,
    state: dict[str, Any],
    units: dict[str, tuple[str, ...]],
    question: LearnedShares,
) -> tuple[dict[str, Any], float]:
    """The state after one more epoch, and the epoch's mean loss, cost included."""
    started = perf_counter()
    network = with_weights(job.model, state["weights"]).to(job.device)
    analog = engine.analog(network, job.matrices, job.rpu_config, job.digital).train()
    logits = state["logits"].clone().to(job.device).requires_grad_()
    of_weights = torch.optim.SGD(
        analog.parameters(),
        lr=job.recipe.learning_rate,
        momentum=job.recipe.momentum,
        weight_decay=job.recipe.weight_decay,
    )
    of_shares = torch.optim.Adam([logits], lr=LEARNING_RATE)
    optimizers: tuple[torch.optim.Optimizer, ...] = (of_weights, of_shares)
    for optimizer, saved in zip(optimizers, state["optimizers"] or (), strict=False):
        optimizer.load_state_dict(saved)
    total, seen, task = 0.0, 0, job.examples.task
    with seeded(derive(job.seed, "training noise", state["epoch"]), job.device):
        for batch in batches(job, state["epoch"]):
            of_weights.param_groups[0]["lr"] = batch.learning_rate
            shares = torch.sigmoid(logits)
            for share, paths in zip(shares, units.values(), strict=True):
                analog.shares |= dict.fromkeys(paths, share)
            cost = expected_cost(question, shares)
            loss = task.loss(batch.run(analog), batch.examples) + question.strength * cost
            for optimizer in optimizers:
                optimizer.zero_grad()
            analog.backward(loss)
            for optimizer in optimizers:
                optimizer.step()
            analog.after_step()
            total += float(loss.detach()) * len(batch.examples)
            seen += len(batch.examples)
    done = {
        "weights": analog.weights(),
        "logits": logits.detach().cpu(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "epoch": state["epoch"] + 1,
        "training_s": state["training_s"] + perf_counter() - started,
    }
    return done, total / seen


def expected_cost(question: LearnedShares, shares: torch.Tensor) -> torch.Tensor:
    """Mean cost of random mappings in which a unit is analog with a probability equal to its share.

    Args:
        question: Prices of units, and of pairs of units.
        shares: Shares in the order of the prices, shape (n_units,).
    """
    number = {unit: k for k, unit in enumerate(question.prices)}
    both = torch.stack([1 - shares, shares], dim=1)  # shape (n_units, 2)
    cost = (both * both.new_tensor(list(question.prices.values()))).sum()
    if question.pairs:
        first = both[[number[pair[0]] for pair in question.pairs]]
        second = both[[number[pair[1]] for pair in question.pairs]]
        tables = both.new_tensor([pair[2:] for pair in question.pairs]).view(-1, 2, 2)
        cost = cost + torch.einsum("pi,pij,pj->", first, tables, second)
    return cost

"""Trains networks, analog or not: seeded, resumable, ended by the training loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import inf, isfinite
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from lionheart_opt.accuracy import DIVERGED
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle.analog_network import INPUT_RANGES
from lionheart_opt.oracle.augmentation import augmented
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import Engine
from lionheart_opt.oracle.input_ranges import calibrated_ranges
from lionheart_opt.oracle.optimisation import make_optimizer, rate_at, set_rate
from lionheart_opt.oracle.seeds import derive, seeded
from lionheart_opt.oracle.settings import InputRangeCalibration, Recipe
from lionheart_opt.oracle.shared_steps import Teacher, drawn_passes
from lionheart_opt.oracle.store import Trained, Weights, WeightStore
from lionheart_opt.tasks import batches as batches_of
from lionheart_opt.tasks.batches import arguments


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """How far a training has come.

    Args:
        what: Name of the training.
        epoch: Epochs done.
        epochs: Largest number of epochs.
        loss: Mean training loss of the last epoch.
        left_s: Seconds left if all epochs are needed.
    """

    what: str
    epoch: int
    epochs: int
    loss: float
    left_s: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training.

    Args:
        model: Floating-point network whose architecture is trained; left untouched.
        start: Weights to start from.
        matrices: Paths of the analog matrices; empty to train the digital network.
        rpu_config: RPU configuration of the analog matrices, or one for each path.
        recipe: The hyper-parameters.
        epochs: Largest number of epochs; replaces the recipe's.
        examples: The training data.
        seed: Seed of everything that is drawn.
        device: Where to compute.
        what: Name of the training in progress reports.
        groups: Groups of matrices that are digital in some batches, drawn anew for each batch
            (one-shot training). All other matrices are always analog.
        digital: What matrices compute in that are not analog; None is floating point.
        others: Further RPU configurations that the matrices of a group may have. Every epoch draws
            which, and its momentum starts anew.
        is_sandwich: Let every batch pass through the all-digital network, the all-analog one and
            random ones, instead of a random one; see `drawn_passes` (one-shot training).
        distillation: Share of the loss that is about the outputs of the network with the weights `start`
            instead of the labels.
        ranges: How input ranges are calibrated at the start; None leaves them as they are.
    """

    model: nn.Module
    start: Weights
    matrices: Sequence[str]
    rpu_config: Any
    recipe: Recipe
    epochs: int
    examples: Examples
    seed: int
    device: torch.device
    what: str
    groups: tuple[tuple[str, ...], ...] = ()
    digital: Digital | None = None
    others: tuple[dict[str, Any], ...] = ()
    is_sandwich: bool = False
    distillation: float = 0.0
    ranges: InputRangeCalibration | None = None

    def configs(self, epoch: int) -> Any:
        """RPU configuration of the matrices in an epoch, or one for each path."""
        if not self.others:
            return self.rpu_config
        generator = torch.Generator().manual_seed(derive(self.seed, "targets", epoch))
        configs = dict(self.rpu_config)
        for group in self.groups:
            able = [self.rpu_config, *(each for each in self.others if group[0] in each)]
            number = int(torch.randint(len(able), (), generator=generator))
            configs |= {path: able[number][path] for path in group}
        return configs


@dataclass(frozen=True, kw_only=True)
class _State:
    """State of a training after an epoch: everything that the next epoch depends on."""

    weights: Weights
    optimizer: dict[str, Any] | None = None
    losses: tuple[float, ...] = ()
    best: Weights
    training_s: float = 0.0


def train(
    job: Job,
    engine: Engine,
    store: WeightStore,
    key: str,
    progress: Callable[[EpochDone], None] | None = None,
) -> Trained:
    """Train until the training loss stops decreasing (see `Recipe`), once for each key.

    An epoch depends only on the state after the epoch before, and that state is kept in the store. A
    training that is interrupted and resumed therefore ends with the weights of an uninterrupted one,
    bit for bit on the same CPU. What another process is training already is waited for.

    Args:
        job: What to train.
        engine: What simulates its analog matrices.
        store: Where the result is kept.
        key: Digest of the job.
        progress: Called after every epoch.
    """
    trained = store.get(key)
    if trained is None:
        with store.alone(key):
            trained = store.get(key) or _trained(job, engine, store, key, progress)
    return trained


def _trained(
    job: Job,
    engine: Engine,
    store: WeightStore,
    key: str,
    progress: Callable[[EpochDone], None] | None,
) -> Trained:
    unfinished = f"{key}.epoch.pt"
    saved = store.read(unfinished)
    if saved is None:
        start = calibrated_start(job)
        state = _State(weights=start, best=start)
    else:
        state = _State(**{**saved, "losses": tuple(saved["losses"])})
    note = ""
    while (begin := _left(job, state.losses)) != _DONE:
        if begin == len(state.losses):  # annealing starts from the best epoch
            state = replace(state, weights=state.best, optimizer=None)
        done = _epoch(job, engine, state, begin)
        epoch, loss = len(done.losses), done.losses[-1]
        if not isfinite(loss) or not _finite(done.weights):
            kept = "the best epoch before" if state.losses else "the start"
            note = f"{DIVERGED} in epoch {epoch}; weights of {kept} are used"
            state = replace(state, training_s=done.training_s)
            break
        better = loss < min(state.losses, default=inf)
        state = replace(done, best=done.weights if better else state.best)
        store.write(unfinished, {**vars(state), "losses": list(state.losses)})
        if progress:
            left_s = state.training_s / epoch * (job.epochs - epoch)
            progress(
                EpochDone(what=job.what, epoch=epoch, epochs=job.epochs, loss=loss, left_s=left_s)
            )
    trained = Trained(
        weights=state.best, training_s=state.training_s, losses=state.losses, note=note
    )
    store.put(key, trained)
    store.remove(unfinished)
    return trained


def _finite(weights: Weights) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())


def with_weights(model: nn.Module, weights: Weights) -> nn.Module:
    """A copy of the network with these weights; it carries the input ranges among them for engines."""
    network = deepcopy(model)
    is_range = {name: name.rpartition(".")[2] == INPUT_RANGES for name in weights}
    ranges = {name.rpartition(".")[0]: weights[name] for name in weights if is_range[name]}
    if ranges:
        vars(network)[INPUT_RANGES] = ranges
    network.load_state_dict({name: weights[name] for name in weights if not is_range[name]})
    return network


def calibrated_start(job: Job) -> Weights:
    """The weights that a job starts from, with calibrated input ranges if it asks for them."""
    if job.ranges is None or not job.matrices:
        return job.start
    generator = torch.Generator().manual_seed(derive(job.seed, "input range examples"))
    numbers = torch.randperm(len(job.examples), generator=generator)[: job.ranges.examples]
    task = job.examples.task
    fed = [
        task.feed(job.examples[some].loaded.to(job.device).inputs)
        for some in torch.split(numbers, job.recipe.batch_size)
    ]
    network = with_weights(job.model, job.start).to(job.device)
    with seeded(derive(job.seed, "input ranges"), job.device):
        return job.start | calibrated_ranges(
            network, job.matrices, job.rpu_config, job.digital, job.ranges, fed
        )


#: What `_left` says at the end of a training.
_DONE = -1


def _converged(losses: tuple[float, ...], patience: int) -> bool:
    """Whether none of the last `patience` epochs had a smaller loss than all epochs before."""
    return len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def _left(job: Job, losses: tuple[float, ...]) -> int | None:
    """The epoch from which on the training anneals; None while it does not, `_DONE` at its end."""
    for epoch in range(len(losses) + 1):
        if _converged(losses[:epoch], job.recipe.patience):
            last = min(epoch + job.recipe.annealing_epochs, job.epochs)
            return _DONE if len(losses) >= last else epoch
    return _DONE if len(losses) >= job.epochs else None


def _epoch(job: Job, engine: Engine, state: _State, annealing: int | None) -> _State:
    """The state after one more epoch.

    Args:
        job: The training.
        engine: What simulates the analog matrices.
        state: The state before.
        annealing: The epoch from which on it anneals, if it does.
    """
    started = perf_counter()
    epoch, recipe, task = len(state.losses), job.recipe, job.examples.task
    network = with_weights(job.model, state.weights).to(job.device)
    if not job.matrices:  # analog matrices choose their own layout
        _channels_last(network)
    analog = engine.analog(network, job.matrices, job.configs(epoch), job.digital).train()
    if recipe.batch_norm == "frozen":
        for module in analog.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
    optimizer = make_optimizer(recipe, analog)
    if state.optimizer is not None and not job.others:
        optimizer.load_state_dict(state.optimizer)
    total, seen = torch.zeros((), device=job.device), 0
    teacher = None
    if job.distillation:
        teacher = Teacher(with_weights(job.model, job.start).to(job.device))
    with seeded(derive(job.seed, "training noise", epoch), job.device):
        for batch in batches(job, epoch, annealing):
            set_rate(optimizer, batch.learning_rate)
            wanted = None if teacher is None else batch.run(teacher)
            loss = torch.zeros((), device=job.device)
            optimizer.zero_grad()
            for digital in batch.digital:
                if job.groups:
                    analog.set_ideal(digital)
                outputs = batch.run(analog)
                of_pass = task.loss(outputs, batch.examples)
                if wanted is not None:
                    imitation = task.imitation(outputs, wanted)
                    of_pass = torch.lerp(of_pass, imitation, job.distillation)
                of_pass = of_pass / len(batch.digital)
                analog.backward(of_pass)
                loss += of_pass.detach()
            if recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(analog.parameters(), recipe.clip_norm)
            optimizer.step()
            analog.after_step()
            total += loss * len(batch.examples)
            seen += len(batch.examples)
    losses = (*state.losses, float(total) / seen)
    return _State(
        weights=analog.weights(),
        optimizer=optimizer.state_dict(),
        losses=losses,
        best=state.best,
        training_s=state.training_s + perf_counter() - started,
    )


def _channels_last(network: nn.Module) -> None:
    """Store kernels of image convolutions in the memory layout that is fastest on CPUs."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One step of a training.

    Args:
        learning_rate: Learning rate of this step.
        examples: Augmented examples, on the job's device.
        digital: For each pass of this step, paths of the matrices that are digital in it (one-shot
            training); a single pass with none of them otherwise.
    """

    learning_rate: float
    examples: Examples
    digital: tuple[set[str], ...]

    def run(self, network: Callable[..., Any]) -> Any:
        """What a network returns for the examples."""
        positional, named = arguments(self.examples.task.feed(self.examples.inputs))
        return network(*positional, **named)


def batches(job: Job, epoch: int, annealing: int | None = None) -> Iterator[Batch]:
    """The steps of an epoch; they are the same for all mappings.

    Args:
        job: The training.
        epoch: Number of the epoch.
        annealing: The epoch from which on the training anneals, if it does.
    """
    recipe, examples = job.recipe, job.examples

    def rate(done: float) -> float:
        if annealing is None:
            return rate_at(recipe, (epoch + done) / job.epochs)
        share = (epoch - annealing + done) / recipe.annealing_epochs
        return rate_at(recipe, annealing / job.epochs) * (1.0 - share)

    steps = -(-len(examples) // recipe.batch_size)
    steps = min(steps, recipe.steps or steps)
    data = torch.Generator().manual_seed(derive(job.seed, "data", epoch))
    order = torch.randperm(len(examples), generator=data)
    for step, numbers in enumerate(torch.split(order, recipe.batch_size)[:steps]):
        if len(numbers) == 1 and steps > 1:
            continue  # batch norm cannot normalise a single example
        yield Batch(
            learning_rate=rate(step / steps),
            digital=drawn_passes(job.groups, data, is_sandwich=job.is_sandwich),
            examples=augmented(job.examples, numbers, job.recipe, job.device, data),
        )


def reestimate_batch_norm(job: Job, engine: Engine, batches: int) -> Weights:
    """The starting weights of a job, with batch-norm statistics estimated for its mapping.

    Statistics are cumulative means over training batches, augmented as in training, without dropout.
    All other weights stay the same, bit for bit.

    Args:
        job: The start, matrices, examples, seed and recipe to use.
        engine: What simulates the analog matrices.
        batches: Number of batches to average over.
    """
    network = with_weights(job.model, job.start).to(job.device)
    analog = engine.analog(network, job.matrices, job.rpu_config, job.digital).train()
    for module in analog.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # cumulative mean
        elif isinstance(module, _DropoutNd):
            module.eval()
    data = torch.Generator().manual_seed(derive(job.seed, "batch norm data"))
    order = torch.randperm(len(job.examples), generator=data)
    with torch.no_grad(), seeded(derive(job.seed, "batch norm noise"), job.device):
        for numbers in torch.split(order, job.recipe.batch_size)[:batches]:
            if len(numbers) > 1:
                some = augmented(job.examples, numbers, job.recipe, job.device, data)
                batches_of.call(analog, some.task.feed(some.inputs))
    statistics = {
        f"{path}.{name}"
        for path, module in network.named_modules()
        if isinstance(module, _BatchNorm)
        for name in ("running_mean", "running_var", "num_batches_tracked")
    }
    estimated = analog.weights()
    return {name: estimated[name] if name in statistics else job.start[name] for name in job.start}

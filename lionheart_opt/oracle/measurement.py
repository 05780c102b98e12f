"""From trained weights to accuracies: program, drift and measure held-out examples."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from lionheart_opt.datasets.splits import Examples, Splits
from lionheart_opt.errors import Collected, InputError
from lionheart_opt.models.torch_state import usual_torch
from lionheart_opt.oracle.chance import check_chance, equal
from lionheart_opt.oracle.compensation import Calibrator, Compensation
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import Engine
from lionheart_opt.oracle.finite import check_examples, check_outputs, check_weights, tensors_of
from lionheart_opt.oracle.passes import Passes
from lionheart_opt.oracle.seeds import derive, seeded, sow
from lionheart_opt.oracle.uses import Uses, unfused
from lionheart_opt.own_errors import own_error
from lionheart_opt.tasks import Task
from lionheart_opt.tasks import batches as batches_of
from lionheart_opt.tasks.batches import Inputs, on_cpu

#: Examples that are answered together and alone before anything is measured.
_TRIED = 3


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """When, how often and with which random numbers accuracy is measured.

    Args:
        times_s: Times since programming.
        draws: Numbers of the programming draws.
        seed: Seed of all draws.
        batch_size: Examples in one pass.
        examples: Half-open range of numbers of examples; None is the end of the data. The first one
            begins a batch. The last batch is filled, so that batches are the same for any range.
    """

    times_s: Sequence[float]
    draws: range
    seed: int
    batch_size: int
    examples: tuple[int, int | None] = (0, None)

    def numbers(self, n_examples: int) -> range:
        """Numbers of the examples to measure, of so many."""
        first, last = self.examples
        if first % self.batch_size:
            raise ValueError(f"example {first} does not begin a batch of {self.batch_size}")
        last = n_examples if last is None else min(last, n_examples)
        return range(first, min(-(-last // self.batch_size) * self.batch_size, n_examples))


@torch.no_grad()
@unfused()
def measure(
    engine: Engine,
    network: nn.Module,
    mappings: Sequence[Collection[str]],
    rpu_config: Any,
    examples: Examples,
    conditions: Conditions,
    uses: Uses | None = None,
    compensation: Compensation | None = None,
    digital: Digital | None = None,
) -> np.ndarray:
    """How independently programmed copies of a network do, at several times after programming.

    Every draw programs all analog layers anew from the trained weights; the states at all times come
    from that one programming. A layer's random numbers depend only on the seed, the matrix and the
    number of the draw; those of read noise also on the time, those of converter noise also on the
    time and the examples. So draw k is the same whichever draws are measured, and the same for a
    matrix in every mapping. Measuring mappings together gives the results of measuring each alone,
    and computes what they have in common once (see `Passes`).

    Args:
        engine: What simulates the analog matrices.
        network: The floating-point network with the trained weights, left untouched.
        mappings: For each mapping, the paths of its analog matrices.
        rpu_config: RPU configuration of the analog matrices, or one for each path.
        examples: All that there is to measure.
        conditions: Which of them, times, draws, seed and batch size.
        uses: How often each analog matrix is used in one inference, if that is known.
        compensation: How chips are calibrated; None leaves them as they are.
        digital: What matrices compute in that are not analog; None is floating point.

    Returns:
        Statistics of examples (see `Task.statistics`), boolean or float64, shape
        (n_mappings, n_draws, n_times, n_examples, n_statistics).

    Raises:
        InputError: Outputs are NaN or infinite, or an analog matrix is used more or less often
            than `uses` says.
    """
    draws, times_s, batch_size = conditions.draws, conditions.times_s, conditions.batch_size
    device = next(network.parameters()).device
    matrices = tuple(dict.fromkeys(path for paths in mappings for path in paths))
    analog = engine.analog(network, matrices, rpu_config, digital).eval()
    numbers = conditions.numbers(len(examples))
    parts = [
        (first, examples[first : min(first + batch_size, numbers.stop)])
        for first in numbers[::batch_size]
    ]
    task = examples.task

    def fed(batch: Examples) -> Inputs:
        return batches_of.to(task.feed(batch.inputs), device)  # type: ignore[no-any-return]

    passes = Passes(analog, mappings, fed(parts[0][1].loaded), uses)
    measured = _Measured(task, (len(mappings), len(draws), len(times_s)), len(numbers))

    def seeds(what: str, *which: int | float) -> dict[str, int]:
        return {path: derive(conditions.seed, what, path, *which) for path in matrices}

    def where(paths: Collection[str], draw: int, time_s: float) -> str:
        analog = ", ".join(paths) or "nothing"
        return f"draw {draw}, {time_s:g} s after programming, analog {analog}"

    calibrate = compensation and Calibrator(
        compensation,
        analog,
        passes,
        mappings,
        conditions.seed,
        lambda draw, time_s, what: analog.drift(time_s, seeds(what, draw, time_s)),
    )
    for row, draw in enumerate(draws):
        analog.program(seeds("program", draw))
        for column, time_s in enumerate(times_s):
            analog.drift(time_s, seeds("drift", draw, time_s))
            if calibrate:
                calibrate(draw, time_s)
            with seeded(conditions.seed, device):
                for first, part in parts:
                    batch = part.loaded
                    passes.begin(fed(batch), first)
                    chance = derive(conditions.seed, "network", first)
                    for number in passes.ordered:
                        sow(chance, device)  # for what the network itself draws
                        outputs = on_cpu(passes(number))
                        check_outputs(outputs, where(mappings[number], draw, time_s))
                        measured.add((number, row, column), outputs, batch, first - numbers.start)
                measured.end(examples[numbers.start : numbers.stop])
    return measured.statistics


class _Measured:
    """Statistics of examples, as passes bring them.

    Args:
        task: What the network is for.
        shape: Numbers of mappings, draws and times.
        n_examples: Number of examples.
    """

    def __init__(self, task: Task, shape: tuple[int, ...], n_examples: int) -> None:
        self.statistics = np.zeros((*shape, n_examples, 0), np.float64)
        self._task = task
        self._kept: dict[tuple[int, ...], list[Any]] = {}

    def add(self, place: tuple[int, ...], outputs: Any, batch: Examples, begin: int) -> None:
        """Take the outputs for a batch that begins with that example."""
        if self._task.of_all:
            self._kept.setdefault(place, []).append(self._task.kept(outputs))
        else:
            self._put(place, self._task.statistics(outputs, batch), begin)

    def end(self, examples: Examples) -> None:
        """Compute what needs the outputs for all examples."""
        for place, kept in self._kept.items():
            whole = examples.loaded
            self._put(place, self._task.statistics(batches_of.join(kept), whole), 0)
        self._kept.clear()

    def _put(self, place: tuple[int, ...], statistics: torch.Tensor, begin: int) -> None:
        values = statistics.numpy()
        if not self.statistics.shape[-1]:
            kind = np.bool_ if values.dtype == np.bool_ else np.float64
            self.statistics = np.zeros((*self.statistics.shape[:-1], values.shape[1]), kind)
        if values.shape[1] != self.statistics.shape[-1]:
            raise InputError(
                f"metric {self._task.metric.name!r}: got {values.shape[1]} statistics for each example "
                f"from example {begin} on, and {self.statistics.shape[-1]} before; must be as many"
            )
        if not np.isfinite(values).all():
            worst = begin + int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
            raise InputError(
                f"metric {self._task.metric.name!r}: got NaN or infinity for example {worst}"
            )
        self.statistics[place][begin : begin + len(values)] = values


@usual_torch()
@torch.no_grad()
@unfused()
def check_network(network: nn.Module, splits: Splits) -> None:
    """Refuse a network that does not answer as the task of the data needs.

    It must take the inputs, have outputs that fit the targets, and return the same if called again.

    Raises:
        InputError: The network does not fit the data, or one of them is not finite. All of it is said.
    """
    wrong = Collected()
    with wrong.collect():
        check_weights(network)
    with wrong.collect():
        check_examples(splits)
    with wrong.collect():
        _check_tokens(network, splits)
        _check_answers(network, splits)
    wrong.refuse()


def _check_tokens(network: nn.Module, splits: Splits) -> None:
    """Refuse tokens that a network of Hugging Face does not know, in any example."""
    embeddings = getattr(network, "get_input_embeddings", lambda: None)()
    size = getattr(embeddings, "num_embeddings", None)
    if size is None:
        return
    for part in (splits.train, splits.validation, splits.test):
        for chunk in part.chunks:
            inputs = chunk.inputs
            if not isinstance(inputs, dict) or "input_ids" not in inputs:
                return
            low, high = int(inputs["input_ids"].min()), int(inputs["input_ids"].max())
            if low < 0 or high >= size:
                raise InputError(
                    f"input_ids: tokens from {low} to {high}; the network knows {size}: use its own "
                    "tokenizer"
                )


def _check_answers(network: nn.Module, splits: Splits) -> None:
    """Refuse a network whose outputs do not fit the task, or are others when it is called again."""
    task, few = splits.train.task, splits.train[:1].loaded
    fed = task.feed(few.inputs)

    def ask(seed: int) -> Any:
        with seeded(seed, torch.device("cpu")):
            return batches_of.call(copy, batches_of.apply(torch.clone, fed))

    try:
        copy = deepcopy(network).cpu().eval()
        outputs, again = ask(0), ask(0)
    except Exception as error:  # the network may be a user's code
        what = f"the network cannot take inputs of {batches_of.described(fed)}"
        raise own_error(error, what) from error
    task.check(outputs, few, [splits.train, splits.validation, splits.test])
    if not equal(tensors_of(outputs), tensors_of(again)):
        raise InputError(
            "the network returns other scores when it is called again with the same image: "
            "it must not remember anything in evaluation mode"
        )
    check_chance(lambda seed: tensors_of(ask(seed)))
    _check_alone(copy, splits.train[:_TRIED].loaded)


def _check_alone(network: nn.Module, few: Examples) -> None:
    """Refuse a network or a metric whose answer for an example depends on the others in its batch."""

    def ask(examples: Examples) -> Any:
        with seeded(0, torch.device("cpu")):
            fed = examples.task.feed(examples.inputs)
            return batches_of.call(network, batches_of.apply(torch.clone, fed))

    n, task = len(few), few.task
    singles = [few[k : k + 1] for k in range(n)]
    try:
        together = ask(few)
    except (RuntimeError, ValueError, TypeError, IndexError):
        return  # it takes one example at a time; where a batch is measured, that is an error
    parts = [_of_example(together, k, n) for k in range(n)]
    task.check_alone(together, few, list(zip(parts, singles, strict=True)))
    for k, single in enumerate(singles):
        answers = tensors_of(task.kept(ask(single)))
        if not _alike(answers, tensors_of(task.kept(parts[k]))):
            raise InputError(
                f"the network answers example {k} differently alone than among {n} examples: it must "
                "treat every example by itself in evaluation mode, with batch-norm statistics of its own "
                "for example (track_running_stats)"
            )


def _of_example(outputs: Any, number: int, n: int) -> Any:
    """What outputs for n examples say of one, which may have several rows (windows of a text)."""

    def rows(part: torch.Tensor) -> torch.Tensor:
        if not part.ndim or len(part) % n:
            return part
        each = len(part) // n
        return part[each * number : each * (number + 1)]

    return tree_map_only(torch.Tensor, rows, outputs)


def _alike(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    """Whether outputs are equal, but for rounding; those of other shapes are not compared."""
    for a, b in zip(some, others, strict=True):
        if a.shape == b.shape and a.is_floating_point() and a.numel():
            rounding = max(1e-3, 8 * torch.finfo(a.dtype).eps)  # of half precision, too
            if float((a - b).abs().max()) > rounding * float(b.abs().max()):
                return False
    return True


@torch.no_grad()
@unfused()
def exact_statistics(network: nn.Module, examples: Examples, batch_size: int) -> np.ndarray:
    """Statistics of examples of a network in evaluation mode, shape (n_examples, n_statistics)."""
    device, task = next(network.parameters()).device, examples.task
    measured = _Measured(task, (), len(examples))
    with seeded(0, device):
        for begin in range(0, len(examples), batch_size):
            batch = examples[begin : begin + batch_size].loaded
            # it may overwrite them
            fed = batches_of.to(task.feed(batch.inputs), device, copy=True)
            sow(derive(0, "network", begin), device)  # for what the network itself draws
            outputs = on_cpu(batches_of.call(network, fed))
            check_outputs(outputs, f"the floating-point network, from example {begin} on")
            measured.add((), outputs, batch, begin)
    measured.end(examples)
    return measured.statistics


def warn_if_untrained(exact: np.ndarray, examples: Examples) -> None:
    """Warn of a network that is right no more often than always the same answer.

    Args:
        exact: Whether it is right, shape (n_examples, 1).
        examples: The validation data.
    """
    classes = examples.task.classes(examples.targets)
    most_frequent = 1.0 if classes is None else float(np.bincount(classes).max() / len(examples))
    if exact.mean() <= most_frequent < 1.0:
        warnings.warn(
            f"the network seems untrained: it is right about {exact.mean():.1%} of "
            f"the validation data, and the most frequent class is {most_frequent:.1%} of them",
            stacklevel=4,
        )

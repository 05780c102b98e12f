"""From trained weights to accuracies: program, drift and classify held-out examples."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lionheart_opt.datasets.splits import Examples, Splits
from lionheart_opt.errors import Collected, InputError
from lionheart_opt.oracle.compensation import Calibrator, Compensation
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import Engine
from lionheart_opt.oracle.finite import check_examples, check_scores, check_weights
from lionheart_opt.oracle.passes import Passes
from lionheart_opt.oracle.seeds import derive, seeded, sow
from lionheart_opt.oracle.uses import Uses, unfused


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
    """What independently programmed copies of a network get right, at several times after programming.

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
        examples: All that there is to classify.
        conditions: Which of them, times, draws, seed and batch size.
        uses: How often each analog matrix is used in one inference, if that is known.
        compensation: How chips are calibrated; None leaves them as they are.
        digital: What matrices compute in that are not analog; None is floating point.

    Returns:
        Which examples are right, boolean, shape (n_mappings, n_draws, n_times, n_examples).

    Raises:
        InputError: Scores of classes are NaN or infinite, or an analog matrix is used more or less often
            than `uses` says.
    """
    draws, times_s, batch_size = conditions.draws, conditions.times_s, conditions.batch_size
    device = next(network.parameters()).device
    matrices = tuple(dict.fromkeys(path for paths in mappings for path in paths))
    analog = engine.analog(network, matrices, rpu_config, digital).eval()
    numbers = conditions.numbers(len(examples))
    batches = [
        (first, examples[first : min(first + batch_size, numbers.stop)])
        for first in numbers[::batch_size]
    ]
    passes = Passes(analog, mappings, batches[0][1].images.to(device), uses)
    right = np.zeros((len(mappings), len(draws), len(times_s), len(numbers)), bool)

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
                for first, batch in batches:
                    passes.begin(batch.images.to(device), first)
                    chance = derive(conditions.seed, "network", first)
                    for number in passes.ordered:
                        sow(chance, device)  # for what the network itself draws
                        scores = passes(number).cpu()
                        check_scores(scores, where(mappings[number], draw, time_s))
                        begin = first - numbers.start
                        of_batch = right[number, row, column, begin : begin + len(batch)]
                        of_batch[:] = (scores.argmax(1) == batch.labels).numpy()
    return right


@torch.no_grad()
@unfused()
def check_network(network: nn.Module, splits: Splits) -> None:
    """Refuse a network that does not classify the images.

    It must take them, have enough outputs for the labels, and return the same if called again.

    Raises:
        InputError: The network does not fit the data, or one of them is not finite. All of it is said.
    """
    wrong = Collected()
    with wrong.collect():
        check_weights(network)
    with wrong.collect():
        check_examples(splits)
    with wrong.collect():
        _check_classes(network, splits)
    wrong.refuse()


def _check_classes(network: nn.Module, splits: Splits) -> None:
    """Refuse a network that does not give a score for each class, or not the same scores again."""
    image = splits.train[:1].images
    try:
        copy = deepcopy(network).cpu().eval()
        with seeded(0, torch.device("cpu")):
            scores = copy(image.clone())
        with seeded(0, torch.device("cpu")):
            again = copy(image.clone())
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"the network cannot take images of shape {tuple(image.shape[1:])}: {reason}"
        ) from error
    parts = splits.train, splits.validation, splits.test
    n_classes = 1 + max(int(part.labels.max()) for part in parts)
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or scores.shape[1] < n_classes:
        shape = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise InputError(
            f"the network returns {shape} for one image; (1, {n_classes}) or wider is needed: "
            f"one score for each of {n_classes} classes"
        )
    if not torch.allclose(scores, again, rtol=1e-4, equal_nan=True):
        raise InputError(
            "the network returns other scores when it is called again with the same image: "
            "it must not remember anything in evaluation mode"
        )


@torch.no_grad()
@unfused()
def correct(network: nn.Module, examples: Examples, batch_size: int) -> np.ndarray:
    """Which examples a network in evaluation mode gets right, boolean, shape (n_examples,)."""
    device = next(network.parameters()).device
    right = np.zeros(len(examples), bool)
    for begin in range(0, len(examples), batch_size):
        batch = examples[begin : begin + batch_size]
        scores: torch.Tensor = network(batch.images.to(device, copy=True))  # it may overwrite them
        check_scores(scores, f"the floating-point network, from example {begin} on")
        right[begin : begin + batch_size] = (scores.argmax(1).cpu() == batch.labels).numpy()
    return right

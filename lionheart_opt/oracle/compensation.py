"""Calibrates programmed chips on a few training examples, for every mapping that is measured."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import Collected, InputError
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.calibrated import CalibratedColumns, FittedColumns, RecordedOutputs
from lionheart_opt.oracle.calibrated_norms import RecordedNorms, check_norms, norms_of
from lionheart_opt.oracle.passes import Passes
from lionheart_opt.oracle.seeds import derive, seeded, sow
from lionheart_opt.oracle.settings import OracleSettings
from lionheart_opt.oracle_context import OracleContext
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.batches import Inputs

#: Number of the first calibration example, which identifies converter noise. No data set is so large.
FIRST = 1 << 32


def check_compensation(
    settings: OracleSettings, model: nn.Module, examples: Examples, context: OracleContext
) -> None:
    """Refuse a compensation that a study cannot have.

    Args:
        settings: The oracle's settings.
        model: The network.
        examples: Training data.
        context: The study.

    Raises:
        InputError: There is nothing to calibrate, or there are too few examples. All of it is said.
    """
    kind = settings.compensation
    if kind == "none":
        return
    where = f"{context.where} "
    wrong = Collected()
    units = [u.name for u in context.workload.crossbar_units if u.name not in context.digital]
    if not units or not context.system.analog_targets:
        wrong.add(
            InputError(
                f"{where}compensation: got {kind!r}; no unit can be analog, so that there is nothing to "
                "calibrate; allowed: 'none'"
            )
        )
    with wrong.collect():
        if kind == "batch_norm":
            check_norms(norms_of(model), where)
    with wrong.collect():
        _check_examples(settings, examples, where)
    wrong.refuse()


def _check_examples(settings: OracleSettings, examples: Examples, where: str = "") -> None:
    """Refuse more calibration examples than there are training data."""
    wanted = settings.calibration.examples
    if wanted > len(examples):
        raise InputError(
            f"{where}calibration.examples: got {wanted}; there are {len(examples)} training examples"
        )


@dataclass(frozen=True, kw_only=True)
class Compensation:
    """What is done for a chip after programming and drift, and on which examples.

    Args:
        settings: The oracle's settings.
        examples: Training data.

    Raises:
        InputError: There are fewer examples than the settings ask for.
    """

    settings: OracleSettings
    examples: Examples

    def __post_init__(self) -> None:
        _check_examples(self.settings, self.examples)

    @classmethod
    def of(cls, settings: OracleSettings, examples: Examples) -> Compensation | None:
        """The compensation that the settings ask for; None if they ask for none."""
        if settings.compensation == "none":
            return None
        return cls(settings=settings, examples=examples)


class Calibrator:
    """Calibrates the chip that is programmed, for several mappings.

    The calibration of a layer depends on the chip, the moment, the examples, and on which of the
    matrices before it are analog, just as the layer's results do. So mappings with the same beginning
    have the same calibrations there, and `Passes` reuses results as it does without calibration. Columns
    are fitted in such passes, too. Batch norm is calibrated in a whole pass for each mapping.

    Args:
        compensation: What is done, and on which examples.
        analog: The network.
        passes: Its passes, which are those of calibrated chips from the first call on.
        mappings: For each mapping, the paths of its analog matrices.
        seed: Seed of all draws.
        drift: Sets the chip of a draw to a time after programming, with the read noise of that name.
    """

    def __init__(
        self,
        compensation: Compensation,
        analog: AnalogNetwork,
        passes: Passes,
        mappings: Sequence[Collection[str]],
        seed: int,
        drift: Callable[[int, float, str], None],
    ) -> None:
        self._examples = compensation.examples
        self._settings = compensation.settings.calibration
        self._analog, self._passes, self._mappings = analog, passes, mappings
        self._seed, self._drift = seed, drift
        self._device = next(analog.network.parameters()).device
        self._norms: RecordedNorms | None = None
        if compensation.settings.compensation == "batch_norm":
            self._norms = RecordedNorms(norms_of(analog.network))
        self._outputs = RecordedOutputs()
        self._inputs: Inputs = torch.empty(0)
        self._done: tuple[int, float] | None = None

    def __call__(self, draw: int, time_s: float) -> None:
        """Let the passes be those of the chip with the calibration that is in force at a time.

        Args:
            draw: Number of the programming draw. Its chip is programmed and drifted to the time.
            time_s: Time since programming.
        """
        moment_s = self._settings.moment_s(time_s)
        if self._done == (draw, moment_s):
            return
        noise = derive(self._seed, "calibration", draw, moment_s)
        with seeded(noise, self._device):
            if self._done is None or self._done[0] != draw:
                self._begin(draw)
            is_anew = self._settings.read_noise == "anew"
            if is_anew or moment_s != time_s:
                self._drift(draw, moment_s, "drift for calibration" if is_anew else "drift")
            fit = self._fit_columns if self._norms is None else self._fit_norms
            self._passes.calibrated = fit(noise)
            if is_anew or moment_s != time_s:
                self._drift(draw, time_s, "drift")
        self._done = draw, moment_s

    def _begin(self, draw: int) -> None:
        """Draw the examples of a chip, and run them through the floating-point network."""
        generator = torch.Generator().manual_seed(derive(self._seed, "calibration examples", draw))
        numbers = torch.randperm(len(self._examples), generator=generator)
        numbers = numbers[: self._settings.examples]
        examples = self._examples[numbers].loaded
        self._inputs = batches.to(examples.task.feed(examples.inputs), self._device)
        self._passes.forget(FIRST)
        if self._norms is not None:
            self._norms.given.put_on(self._analog)
            self._norms.record(self._run_network)
        elif self._settings.fit_to == "network":
            self._outputs = self._analog.recorded = RecordedOutputs()
            self._analog.stepwise = (
                True  # otherwise torch computes the products of recurrent layers
            )
            self._run_network()
            self._analog.stepwise = False
            self._analog.recorded = None

    def _run_network(self) -> None:
        """Run the examples through the floating-point network."""
        analog = self._analog
        analog.set_ideal(analog.analog)
        analog.rewind(FIRST, batches.count(self._inputs))
        batches.call(analog, batches.apply(torch.clone, self._inputs))

    def _fit_columns(self, noise: int) -> list[CalibratedColumns]:
        """The calibrated columns of each mapping."""
        wanted = self._outputs.outputs if self._settings.fit_to == "network" else None
        fitted = FittedColumns(self._settings, wanted)
        columns: dict[int, CalibratedColumns] = {}
        self._passes.calibrated = [fitted] * len(self._mappings)
        self._passes.begin(self._inputs, FIRST)
        for number in self._passes.ordered:
            sow(noise, self._device)  # for what the network itself draws
            self._passes(number)
            # a result that was reused has the calibration with which it was computed last
            own = {path: fitted.columns[path] for path in self._mappings[number]}
            columns[number] = CalibratedColumns(own)
        return [columns[number] for number in range(len(self._mappings))]

    def _fit_norms(self, noise: int) -> list[Any]:
        """The calibrated batch norms of each mapping."""
        assert self._norms is not None
        self._passes.calibrated = ()
        self._passes.begin(self._inputs, FIRST)
        fitted = []
        for number in range(len(self._mappings)):
            sow(noise, self._device)
            fitted.append(self._norms.fit(self._analog, partial(self._passes.whole, number)))
        return fitted

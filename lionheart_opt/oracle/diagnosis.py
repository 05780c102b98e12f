"""What limits analog matrices: each source of error alone, on the same inputs, on aihwkit's tiles."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from lionheart_opt.datasets.splits import Examples, Splits
from lionheart_opt.diagnosis import Diagnosis, MatrixDiagnosis
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.compensation import Calibrator, Compensation
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.finite import check_outputs
from lionheart_opt.oracle.hardware import check_times
from lionheart_opt.oracle.measurement import Conditions
from lionheart_opt.oracle.passes import Passes
from lionheart_opt.oracle.probe import Probe
from lionheart_opt.oracle.seeds import derive, seeded, sow
from lionheart_opt.oracle.settings import Calibration, OracleSettings
from lionheart_opt.oracle.threads import computing_with
from lionheart_opt.oracle.training import with_weights
from lionheart_opt.oracle.uses import Uses, traced_uses, unfused
from lionheart_opt.oracle.weights import CandidateWeights
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.batches import Inputs


class _Trains(Protocol):
    weights: CandidateWeights
    settings: OracleSettings
    splits: Splits


class DiagnosesMatrices:
    """`lionheart_opt.diagnosis.Diagnoses`, for oracles that train weights and put them on tiles."""

    def diagnose(
        self: _Trains,
        candidate: Candidate,
        *,
        time_s: float,
        n_draws: int,
        n_examples: int,
        seed: int,
    ) -> Diagnosis:
        """See `Diagnoses.diagnose`; it computes on aihwkit's tiles, whatever the engine is."""
        weights, workload = self.weights, self.weights.workload
        paths = weights.matrices(candidate.mapping)
        if not paths:
            raise InputError("diagnose: got a mapping without analog units; nothing disturbs it")
        placed = weights.placed(candidate.mapping)
        configs = weights.numerics.configs(placed)
        compensation = Compensation.of(self.settings, self.splits.train)
        moments_s = {time_s}
        if compensation is not None:
            moments_s.add(self.settings.calibration.moment_s(time_s))
        for config in configs.values():
            check_times(config, sorted(moments_s), "diagnose:")
        unit_of = {path: unit.name for unit in workload.units for path in workload.paths_of(unit)}
        examples = self.splits.validation[: self.settings.validation_examples][:n_examples]
        with computing_with(self.settings):
            trained = weights.trained(candidate, seed)
            matrices, note = diagnose_matrices(
                with_weights(weights.model, trained.weights).to(weights.device),
                {path: unit_of[path] for path in paths},
                configs,
                examples,
                Conditions(
                    times_s=(time_s,),
                    draws=range(n_draws),
                    seed=derive(seed, "validation"),
                    batch_size=self.settings.batch_size,
                ),
                traced_uses(workload),
                weights.host_numerics(placed),
                compensation,
            )
        return Diagnosis(
            matrices=matrices,
            time_s=time_s,
            n_draws=n_draws,
            n_examples=len(examples),
            note=note,
            compensation=self.settings.compensation,
        )


@torch.no_grad()
@unfused()
def diagnose_matrices(
    network: nn.Module,
    units: dict[str, str],
    rpu_configs: dict[str, Any],
    examples: Examples,
    conditions: Conditions,
    uses: Uses | None = None,
    digital: Digital | None = None,
    compensation: Compensation | None = None,
) -> tuple[tuple[MatrixDiagnosis, ...], str]:
    """Run examples through chips, and compare every analog product with the ideal one.

    Each chip is programmed, drifts and is calibrated with the random numbers of `measure`. Beside each
    matrix there is one more for every source of error, on the same inputs and with the same random
    numbers, in which that source alone is left.

    Args:
        network: The floating-point network with the trained weights, left untouched.
        units: Path of each analog matrix, in execution order -> name of its unit.
        rpu_configs: Path of an analog matrix -> its RPU configuration.
        examples: What is run through the network.
        conditions: Chips, seed, batch size, and the time, which is a single one.
        uses: How often each analog matrix is used in one inference, if that is known.
        digital: What matrices compute in that are not analog; None is floating point.
        compensation: How chips are calibrated; None leaves them as they are.

    Returns:
        A diagnosis of each matrix, and what cannot be told apart.

    Raises:
        InputError: Scores are not finite, or a matrix is used more or less often than `uses` says.
    """
    [time_s] = conditions.times_s
    device = next(network.parameters()).device
    fitted: Calibration | None = None
    if compensation is not None and compensation.settings.compensation == "columns":
        fitted = compensation.settings.calibration
    notes: dict[str, None] = {}

    def make(path: str, weight: Tensor, ranges: Tensor | None) -> Probe:
        probe = Probe(weight, ranges, rpu_configs[path], time_s, fitted)
        if probe.note:
            notes[probe.note] = None
        return probe

    analog = AnalogNetwork(network, tuple(units), make, digital).eval()

    def seeds(what: str, *which: int | float) -> dict[str, int]:
        return {path: derive(conditions.seed, what, path, *which) for path in units}

    def let_probes(do: Literal["nothing", "fit", "compare"]) -> None:
        for probe in analog.analog.values():
            probe.does = do

    def fed(batch: Examples) -> Inputs:
        inputs: Inputs = batches.to(examples.task.feed(batch.loaded.inputs), device)
        return inputs

    passes = Passes(analog, [tuple(units)], fed(examples[: conditions.batch_size]), uses)
    calibrate = compensation and Calibrator(
        compensation,
        analog,
        passes,
        [tuple(units)],
        conditions.seed,
        lambda draw, moment_s, what: analog.drift(moment_s, seeds(what, draw, moment_s)),
    )
    for draw in conditions.draws:
        analog.program(seeds("program", draw))
        analog.drift(time_s, seeds("drift", draw, time_s))
        if calibrate:
            let_probes("fit" if fitted else "nothing")
            calibrate(draw, time_s)
        let_probes("compare")
        with seeded(conditions.seed, device):
            for first in range(0, len(examples), conditions.batch_size):
                batch = examples[first : first + conditions.batch_size]
                passes.begin(fed(batch), first)
                sow(derive(conditions.seed, "network", first), device)
                outputs = passes.whole(0)
                check_outputs(outputs, f"draw {draw}, {time_s:g} s after programming")
        for probe in analog.analog.values():
            probe.end_chip()
        let_probes("nothing")
    return tuple(analog.analog[path].result(path, units[path]) for path in units), "; ".join(notes)

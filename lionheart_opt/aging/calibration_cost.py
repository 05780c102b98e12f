"""What calibrating a programmed chip costs, beside the inferences between two calibrations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Literal

from lionheart_opt.cost import Cost, LayerCost
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.estimates import Estimate, with_ends
from lionheart_opt.mapping import Mapping
from lionheart_opt.text import shown

if TYPE_CHECKING:
    from lionheart_opt.problem import Problem

#: What can be calibrated, and what columns can be fitted to, as in a study's `[oracle]`.
COMPENSATIONS, FITS = ("columns", "batch_norm"), ("network", "tile")


@dataclass(frozen=True, kw_only=True)
class CalibrationCost:
    """One calibration of a chip, and what an inference costs on it.

    Args:
        passes: Examples that pass through the chip.
        vectors: Input vectors that analog arrays multiply with, repeated reads included.
        read_outs: Numbers that analog columns put out for them.
        latency_s: Time of the calibration.
        energy_j: Energy of the calibration.
        latency_low_s, latency_high_s: Ends of the interval of 95 % of the time; None where nobody knows.
        energy_low_j, energy_high_j: Those of the energy.
        inference_s: Time per inference between two calibrations.
        inference_j: Energy per inference.

    Raises:
        InputError: A calibration takes neither time nor energy, or an inference takes none of what a
            calibration takes.
    """

    passes: int
    vectors: int
    read_outs: int
    latency_s: float
    energy_j: float
    inference_s: float
    inference_j: float
    latency_low_s: float | None = None
    latency_high_s: float | None = None
    energy_low_j: float | None = None
    energy_high_j: float | None = None

    def __post_init__(self) -> None:
        pairs = (self.latency_s, self.inference_s), (self.energy_j, self.inference_j)
        if not any(once > 0 for once, _ in pairs) or any(once > 0 >= each for once, each in pairs):
            raise InputError(
                f"calibration: got {self.latency_s:g} s and {self.energy_j:g} J beside inferences of "
                f"{self.inference_s:g} s and {self.inference_j:g} J; the cost model gives no price"
            )

    def share_of_time(self, inferences: float) -> float:
        """Share of a chip's busy time that goes into calibration, in [0, 1].

        Args:
            inferences: Number of inferences between two calibrations.
        """
        return _share(self.latency_s, self.inference_s, inferences)

    def share_of_energy(self, inferences: float) -> float:
        """Share of the energy that goes into calibration, in [0, 1].

        Args:
            inferences: Number of inferences between two calibrations.
        """
        return _share(self.energy_j, self.inference_j, inferences)

    def inferences(self, share: float) -> int:
        """The fewest inferences between two calibrations that keep both shares within a limit.

        Args:
            share: Largest share of time and of energy, in (0, 1).

        Raises:
            InputError: The share is out of range.
        """
        if not 0.0 < share < 1.0:
            raise InputError(f"share: got {shown(share)}; must be between 0 and 1")
        per_inference = max(
            once / each
            for once, each in (
                (self.latency_s, self.inference_s),
                (self.energy_j, self.inference_j),
            )
            if once > 0
        )
        return ceil(per_inference * (1 - share) / share * (1 - 1e-12))


def calibration_cost(
    problem: Problem,
    mapping: Mapping | dict[str, str],
    *,
    compensation: Literal["columns", "batch_norm"] = "columns",
    examples: int = 128,
    reads: int = 1,
    fit_to: Literal["network", "tile"] = "network",
) -> CalibrationCost:
    """Price one calibration of a chip with the problem's cost model.

    Every example takes an inference on the chip, one after the other. Each read beyond the first repeats
    the analog layers, transfers included. With `fit_to = "tile"`, the host also computes the analog
    layers.

    Not part of it: the arithmetic of fitting (a few operations for each read-out); the outputs of the
    floating-point network, which are computed once, elsewhere, and have to be stored or sent; and
    programming.

    Args:
        problem: The workload, the system and its cost model.
        mapping: The mapping of the chip, or units and their targets; others run on the host.
        compensation: As in a study's `[oracle]`.
        examples: As in its `[oracle.calibration]`; so are the others.
        reads: How often each vector is read.
        fit_to: What columns are fitted to.

    Example:
        >>> cost = lo.calibration_cost(problem, problem.all_analog)
        >>> cost.share_of_time(inferences=100_000)

    Raises:
        InputError: An argument is out of range, or the mapping does not fit the problem or has no analog
            unit.
    """
    if compensation not in COMPENSATIONS:
        raise unknown("compensation", compensation, COMPENSATIONS)
    if fit_to not in FITS:
        raise unknown("fit_to", fit_to, FITS)
    for name, number in (("examples", examples), ("reads", reads)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InputError(f"{name}: got {shown(number)}; must be a positive whole number")
    mapping = problem.mapping(dict(mapping.items()))
    inference = problem.cost(mapping)
    problem = replace(problem, workload=problem.workload.with_batch(1))
    cost = problem.cost(mapping)
    analog_targets = problem.system.analog_targets
    shapes = {layer.name: layer.mvm for layer in problem.workload.layers if layer.mvm}
    analog = [
        layer for layer in cost.layers if layer.target in analog_targets and layer.name in shapes
    ]
    if not analog:
        raise InputError("mapping: no unit is analog, so that there is nothing to calibrate")
    vectors = read_outs = 0
    for layer in analog:
        shape = shapes[layer.name]
        rows = problem.system.target(layer.target).parameters.get("rows", shape.rows)
        vectors += shape.count
        read_outs += shape.count * shape.columns * ceil(shape.rows / float(rows))
    repeated: list[tuple[Cost, LayerCost, int]] = []
    if compensation == "columns":
        repeated += [(cost, layer, reads - 1) for layer in analog if reads > 1]
        if fit_to == "tile":
            names = {layer.name for layer in analog}
            digital = problem.digital_cost
            repeated += [(digital, layer, 1) for layer in digital.layers if layer.name in names]
    else:
        reads = 1
    latency = _summed(cost, "latency_s", repeated).times(examples)
    energy = _summed(cost, "energy_j", repeated).times(examples)
    return CalibrationCost(
        passes=examples,
        vectors=examples * reads * vectors,
        read_outs=examples * reads * read_outs,
        **with_ends({"latency_s": latency, "energy_j": energy}),  # type: ignore[arg-type]
        inference_s=inference.time_per_inference_s,
        inference_j=inference.energy_j,
    )


def _summed(
    cost: Cost,
    quantity: Literal["latency_s", "energy_j"],
    repeated: list[tuple[Cost, LayerCost, int]],
) -> Estimate:
    """An inference, and layers of it or of another cost of the same system so many times more."""
    column = int(quantity == "energy_j")
    total = cost.uncertain(quantity)
    for source, layer, count in repeated:
        total += source.uncertain_layer(layer)[column] * count
    return total.estimate


def _share(once: float, each: float, inferences: float) -> float:
    """Share of what is spent once in what is spent between two times.

    Raises:
        InputError: The number of inferences is negative.
    """
    if not inferences >= 0:
        raise InputError(f"inferences: got {shown(inferences)}; must not be negative")
    return once / (once + each * inferences)

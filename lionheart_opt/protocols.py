"""The three plug-in points, and the results that they exchange: all a plug-in author must read."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import fsum, sqrt
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    from lionheart_opt.problem import Problem
    from lionheart_opt.tables import CostTables


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one layer costs on one target, split by component.

    Args:
        components: component (`compute`, `memory`, `queue`, `mvm`, `transfer`, ...) ->
            (latency in s, energy in J); they add up to the layer's cost.
    """

    name: str
    kind: str
    target: str
    macs: int
    components: dict[str, tuple[float, float]]

    @cached_property
    def latency_s(self) -> float:
        """Sum over the components."""
        return fsum(latency for latency, _ in self.components.values())

    @cached_property
    def energy_j(self) -> float:
        """Sum over the components."""
        return fsum(energy for _, energy in self.components.values())


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one inference costs: the sum of its layers.

    Args:
        layers: one entry for each layer of the workload, in execution order.
        interval_s: time between two results in steady state where the system pipelines inferences;
            None where the next inference starts when the last has ended.
        tiles: target -> crossbars that the mapping occupies on it.
    """

    layers: tuple[LayerCost, ...]
    interval_s: float | None = None
    tiles: dict[str, int] = field(default_factory=dict)

    @cached_property
    def latency_s(self) -> float:
        """Time of one inference from its input to its output."""
        return fsum(layer.latency_s for layer in self.layers)

    @cached_property
    def energy_j(self) -> float:
        """Energy of one inference."""
        return fsum(layer.energy_j for layer in self.layers)

    @property
    def time_per_inference_s(self) -> float:
        """The pipelining interval where there is one, otherwise the latency."""
        return self.latency_s if self.interval_s is None else self.interval_s


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How well an accuracy is to be known.

    Args:
        training: how the weights are obtained before they are programmed.
        draws: half-open range of numbers of programming draws. Draw k of a unit is the same in every
            mapping (common random numbers), so ranges can be asked for one after the other.
    """

    training: Training
    draws: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Accuracy:
    """Samples of validation accuracy, never a bare number.

    Args:
        samples: shape (n_draws, n_times), in [0, 1]: one row for each independent programming of the
            hardware, one column for each time since programming.
        times_s: shape (n_times,).
        baseline: accuracy of the floating-point network on the same examples.
        training_s: seconds that training the weights took, even if they came from the artifact store
            this time (budgets must not depend on what another strategy happened to train).
        evaluation_s: seconds that programming and inference took.
        shared_s: seconds of a training that serves all mappings (`one_shot`); a search is charged
            with it once, however many of its candidates use it.
        note: what the user must know about these samples (training diverged, ...).
        n_examples: classified for each sample, which is a multiple of 1 / n_examples; None where
            samples are exact (all-digital, made up).
    """

    samples: np.ndarray
    times_s: tuple[float, ...]
    baseline: float
    training_s: float = 0.0
    evaluation_s: float = 0.0
    shared_s: float = 0.0
    note: str = ""
    n_examples: int | None = None

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[1] != len(self.times_s):
            raise ValueError(
                f"samples must have shape (n_draws, {len(self.times_s)}), got {self.samples.shape}"
            )
        if not np.all(np.isfinite(self.samples)):
            raise ValueError("samples must be finite")

    @property
    def rounding(self) -> float:
        """Standard deviation of what rounding to a share of the examples does to a sample."""
        return 0.0 if self.n_examples is None else 1.0 / (sqrt(12.0) * self.n_examples)

    def drops_at(self, time_s: float) -> np.ndarray:
        """Drop against the baseline for each draw at that time, shape (n_draws,)."""
        return self.baseline - self.samples[:, self.times_s.index(time_s)]

    def extend(self, more: Accuracy) -> Accuracy:
        """With the draws of `more` appended; training is counted once."""
        if (more.times_s, more.baseline) != (self.times_s, self.baseline):
            raise ValueError("accuracies of different times or baselines cannot be joined")
        return replace(
            self,
            samples=np.concatenate([self.samples, more.samples]),
            evaluation_s=self.evaluation_s + more.evaluation_s,
            note=self.note or more.note,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` gives equal samples back."""
        return {**vars(self), "samples": self.samples.tolist(), "times_s": list(self.times_s)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Accuracy:
        """The accuracy of `to_json`'s data."""
        times_s = tuple(data["times_s"])
        samples = np.array(data["samples"], dtype=float).reshape(-1, len(times_s))
        return Accuracy(**{**data, "samples": samples, "times_s": times_s})


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """The answer to a candidate.

    Args:
        candidate: what was asked.
        cost: of its mapping.
        accuracy: None where the cost alone broke a limit, so that no oracle time was spent.
        objectives: name -> value, all to be minimised.
        violations: name of a limit -> by how much it is broken; `<= 0` is feasible.
        oracle_s: seconds of oracle time that the answer cost, without what it shares with others.
    """

    candidate: Candidate
    cost: Cost
    accuracy: Accuracy | None
    objectives: dict[str, float]
    violations: dict[str, float]
    oracle_s: float

    @property
    def feasible(self) -> bool:
        """Whether every limit holds."""
        return all(violation <= 0 for violation in self.violations.values())

    @property
    def mapping(self) -> Mapping:
        """The candidate's mapping."""
        return self.candidate.mapping


def oracle_seconds(evaluations: Iterable[Evaluation]) -> float:
    """What answers cost together: each its own seconds, a training that they share once."""
    each, shared = [], 0.0
    for one in evaluations:
        each.append(one.oracle_s)
        if one.accuracy is not None:
            shared = max(shared, one.accuracy.shared_s)
    return fsum(each) + shared


class CostModel(Protocol):
    """Latency and energy of a mapping, without running anything. Built from a `System`."""

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        """Price one inference.

        Raises:
            InputError: the model cannot price an operation, naming it and its layer; a missing
                operation never counts as zero.
        """
        ...


class AdditiveCostModel(CostModel, Protocol):
    """A cost model whose cost is a sum over units and over edges between units."""

    def tables(self, workload: Workload) -> CostTables:
        """The coefficients: mappings can be priced in bulk and handed to an exact solver."""
        ...


class AccuracyOracle(Protocol):
    """Accuracy of a candidate after training, programming and drift.

    A pure function of its arguments: asked twice, it answers the same (up to the seconds). One that
    knows more than accuracies is a `knowledge.Consultable`, too.
    """

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """Samples for the draws `fidelity.draws`; all-digital gives the baseline exactly."""
        ...


@runtime_checkable
class Anticipates(Protocol):
    """An oracle that answers faster if it knows what will be asked next; its answers are the same."""

    def expect(self, candidates: Sequence[Candidate], draws: tuple[int, int], seed: int) -> None:
        """These candidates, their trainings said, will be asked for in this order.

        Args:
            candidates: replace what was expected before.
            draws: half-open range of draws that they will be asked for first.
            seed: that they will be asked with.
        """
        ...


#: A strategy's generator: yields batches of candidates, receives their evaluations in order.
Search = Generator[Sequence[Candidate], Sequence[Evaluation], None]


class Strategy(Protocol):
    """A search method: a frozen dataclass whose fields are its hyper-parameters.

    It reads like a plain loop and returns when it has nothing more to propose. Budget, record,
    resume and the choice of the incumbent belong to the study. Its only randomness is `rng`. What it
    wants to know beside evaluations it asks with `Problem.ask`.
    """

    def search(self, problem: Problem, rng: np.random.Generator) -> Search:
        """Propose candidates until done; see `strategies/mac_greedy.py` for the shortest example."""
        ...

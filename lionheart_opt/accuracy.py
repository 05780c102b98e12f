"""Accuracy of a candidate, and the protocol of accuracy oracles: all that a writer of one must read.

An oracle answers `AccuracyOracle.accuracy`. All else is optional, and used where an oracle has it:

- `BuiltFromStudy`: a study file can name the oracle (`[oracle] kind = ...`).
- `Anticipates`: it answers faster if it knows what will be asked next.
- `Consultable`, `Diagnoses`, `MeasuresAt`, `Recalibrates`: in `lionheart_opt.questions`,
  `diagnosis`, `aging.lifetimes`, `aging.recalibration`.
- `ChecksFinally`: it can measure a chosen mapping on other data and draws than it was chosen by.
- `Enumerates`: it can list the mappings that it answers for free.
- `KeepsWeights`: it hands out trained weights.
- `Rehearses`: it can be tried in seconds, so that `check` finds what would stop a run.
- `ReportsTraining`: it says how far a training is.
- `SaysMetric`: it measures something else than top-1 accuracy.
- `SaysProvenance`: it says where its data come from.
- `HasIdentity`: it says what decides its answers, so that a record is tied to that.
- `StoresWeights`: it can be told where to keep trained weights.
- `CountsExamples`: it says how many examples a search is judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.statistics.example_statistics import Told, joined, told
from lionheart_opt.statistics.outcomes import Spread
from lionheart_opt.text import shown

if TYPE_CHECKING:
    from lionheart_opt.oracle_context import OracleContext

#: How the note of samples begins whose training diverged.
DIVERGED = "training diverged"


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How well an accuracy is to be known.

    The training is not part of it: candidates that reach an oracle are resolved, so that they say every
    training of their lineage (`Candidate.trained_by`).

    Args:
        draws: Half-open range of numbers of programming draws. Draw k of a unit is the same in every
            mapping (common random numbers), so ranges can be asked for one after the other.
        examples: Half-open range of numbers of examples; None is the end of the data. An oracle may
            go on until its batch is full, and answers with all that it has where that is less.
    """

    draws: tuple[int, int]
    examples: tuple[int, int | None] = (0, None)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Accuracy:
    """Samples of validation accuracy, never a bare number.

    Args:
        samples: Values of the metric, shape (n_draws, n_times): one row for each independent programming
            of the hardware, one column for each time since programming.
        times_s: Times since programming, shape (n_times,).
        baseline: Value of the floating-point network on the same examples.
        training_s: Seconds that training the weights took, also where they were in the artifact store
            (budgets must not depend on what another strategy happened to train).
        evaluation_s: Seconds that programming and inference took.
        shared_s: Seconds of a training that serves all mappings (`one_shot`). A search is charged
            with it once, however many of its candidates use it.
        note: What the user must know about these samples; it begins with `DIVERGED` where their
            training diverged.
        n_examples: Number of examples behind each sample; None where samples are exact.
        of_examples: Number of examples that the oracle has; None is `n_examples`.
        batch_size: Number of examples that are measured together: ranges of examples end there.
        spread: How much losses differ between the examples; None where that is not known.
        outcomes: Which examples are right in each draw, or their statistics; None where that is not
            known, or not loaded.
        metric: What the values are.
        weights: Id of the artifact that holds the trained weights; empty where none does.

    Raises:
        ValueError: Shapes do not fit together.
        InputError: A sample or the baseline cannot be, or a number of seconds is not finite or negative.
    """

    samples: np.ndarray
    times_s: tuple[float, ...]
    baseline: float
    training_s: float = 0.0
    evaluation_s: float = 0.0
    shared_s: float = 0.0
    note: str = ""
    n_examples: int | None = None
    of_examples: int | None = None
    batch_size: int = 1
    spread: Spread | None = None
    outcomes: Told | None = None
    metric: Metric = ACCURACY
    weights: str = ""

    @staticmethod
    def of(outcomes: Told, *, metric: Metric = ACCURACY, **others: Any) -> Accuracy:
        """The accuracy that outcomes of examples give; `others` are further arguments."""
        return Accuracy(**told(outcomes, metric), metric=metric, **others)

    def __post_init__(self) -> None:
        shape = self.samples.shape if isinstance(self.samples, np.ndarray) else ()
        if len(shape) != 2 or shape[1] != len(self.times_s):
            must = f"must be a numpy array of shape (n_draws, {len(self.times_s)})"
            raise InputError(f"accuracy: samples: got {shape or shown(self.samples)}; {must}")
        self.metric.check(np.append(self.samples, self.baseline))
        self.metric.check_baseline(self.baseline)
        own = ("training_s", "evaluation_s", "shared_s")
        for number, value in enumerate((*(getattr(self, name) for name in own), *self.times_s)):
            if not 0.0 <= value < inf:
                name = own[number] if number < len(own) else f"times_s[{number - len(own)}]"
                raise InputError(f"accuracy: {name}: got {value}; must be finite and not negative")
        for name in ("n_examples", "of_examples", "batch_size"):
            n = getattr(self, name)
            if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
                raise InputError(f"accuracy: {name}: got {shown(n)}; must be a whole number > 0")
        if not isinstance(self.note, str):
            raise InputError(f"accuracy: note: got {shown(self.note)}; must be a text")
        if self.spread is not None and self.spread.each.shape != self.samples.shape:
            raise InputError("accuracy: spread: must have a value for every sample")

    def __repr__(self) -> str:
        drops = ", ".join(
            f"{self.metric.said(float(np.mean(self.drops_at(time_s))))} at {time_s:g} s"
            for time_s in self.times_s
        )
        return (
            f"Accuracy({len(self.samples)} draws, baseline {self.metric.shown(self.baseline)}, "
            f"mean drop in {self.metric.drop_unit}: {drops})"
        )

    @property
    def diverged(self) -> bool:
        """Whether the training diverged: the samples are those of the weights before."""
        return self.note.startswith(DIVERGED)

    @property
    def rounding(self) -> float:
        """Standard deviation of what rounding to a share of the examples does to a sample."""
        return self.metric.rounding(self.n_examples, self.baseline)

    def drops_at(self, time_s: float) -> np.ndarray:
        """Drop against the baseline for each draw at that time, shape (n_draws,).

        Raises:
            InputError: The accuracy was not measured at that time.
        """
        if time_s not in self.times_s:
            measured = ", ".join(f"{each:g} s" for each in self.times_s)
            raise InputError(f"accuracy: asked for at {time_s:g} s; the oracle measured {measured}")
        return self.metric.drop(self.baseline, self.samples[:, self.times_s.index(time_s)])

    def part(self, fidelity: Fidelity) -> Accuracy | None:
        """What asking for less gives; None where it cannot be told."""
        (first, last), (begin, end) = fidelity.draws, fidelity.examples
        measured = self.n_examples or 1
        most = self.of_examples or measured
        stop = most if end is None else min(-(-end // self.batch_size) * self.batch_size, most)
        if last > len(self.samples) or stop > measured:
            return None
        if (first, last, begin, stop) == (0, len(self.samples), 0, measured):
            return self
        share = (last - first) * (stop - begin) / (len(self.samples) * measured)
        seconds, total = share * self.evaluation_s, None if self.n_examples is None else most
        part = replace(self, evaluation_s=seconds, of_examples=total, spread=None)
        if self.outcomes is not None and self.metric.is_known:
            outcomes = self.outcomes.part(slice(first, last), slice(begin, stop))
            return part.with_outcomes(outcomes)
        if self.spread is not None or stop - begin < measured:
            return None
        return replace(part, samples=self.samples[first:last])

    def with_outcomes(self, outcomes: Told) -> Accuracy:
        """The same, but for what these outcomes say."""
        return replace(self, **told(outcomes, self.metric))

    def extend(self, more: Accuracy) -> Accuracy:
        """With the draws of `more`, of the same examples, appended; training is counted once."""
        if (more.times_s, more.baseline) != (self.times_s, self.baseline):
            raise ValueError("accuracies of different times or baselines cannot be joined")
        together = replace(
            self,
            samples=np.concatenate([self.samples, more.samples]),
            evaluation_s=self.evaluation_s + more.evaluation_s,
            note=self.note or more.note,
            spread=None,
            outcomes=None,
            metric=more.metric,
        )
        outcomes = joined(self.outcomes, more.outcomes, "draws")
        return together if outcomes is None else together.with_outcomes(outcomes)

    def widen(self, more: Accuracy) -> Accuracy:
        """With further examples, of the same draws, where outcomes are known of both."""
        outcomes = joined(self.outcomes, more.outcomes, "examples")
        if outcomes is None or more.times_s != self.times_s:
            raise ValueError("accuracies without outcomes, or of other times, cannot be joined")
        seconds, note = self.evaluation_s + more.evaluation_s, self.note or more.note
        wider = replace(self, evaluation_s=seconds, note=note, metric=more.metric)
        return wider.with_outcomes(outcomes)

    def to_json(self) -> dict[str, Any]:
        """Plain data without `outcomes`; `from_json` gives the rest back."""
        return {
            **vars(self),
            "samples": self.samples.tolist(),
            "times_s": list(self.times_s),
            "spread": self.spread and self.spread.to_json(),
            "outcomes": None,
            "metric": None if self.metric == ACCURACY else self.metric.to_json(),
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Accuracy:
        """The accuracy of `to_json`'s data."""
        times_s = tuple(map(float, data["times_s"]))
        samples = np.array(data["samples"], dtype=float).reshape(-1, len(times_s))
        numbers = ("baseline", "training_s", "evaluation_s", "shared_s")
        given = {name: float(data[name]) for name in numbers if name in data}
        if not all(map(isfinite, given.values())):
            raise ValueError(f"NaN or infinite numbers: {given}")
        spread = data.get("spread") and Spread.from_json(data["spread"], len(times_s))
        metric = Metric.from_json(data["metric"]) if data.get("metric") else ACCURACY
        others = {"samples": samples, "times_s": times_s, "spread": spread, "metric": metric}
        return Accuracy(**{**data, **given, **others})


class AccuracyOracle(Protocol):
    """Accuracy of a candidate after training, programming and drift.

    A pure function of its arguments: asked twice, it answers the same (up to the seconds).
    """

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """Samples for the draws `fidelity.draws`.

        All-digital on a host that computes in floating point gives the baseline exactly.

        Args:
            candidate: A resolved candidate: every training of its lineage is said
                (`Candidate.trained_by`).
            fidelity: The draws.
            seed: Seed of training and of programming draws.
        """
        ...


@runtime_checkable
class BuiltFromStudy(Protocol):
    """An oracle that a study can name: `[oracle] kind`, or `oracle={"kind": ...}` in Python."""

    @classmethod
    def from_study(cls, context: OracleContext, settings: dict[str, Any]) -> Self:
        """The oracle of a study. It may load data, but trains nothing yet.

        Args:
            context: Network, data, workload, system and limits of the study.
            settings: The other keys of `[oracle]`.

        Raises:
            InputError: A setting, the data or the network cannot be used.
        """
        ...


@runtime_checkable
class Anticipates(Protocol):
    """An oracle that answers faster if it knows what will be asked next; its answers are the same."""

    def expect(self, candidates: Sequence[Candidate], fidelity: Fidelity, seed: int) -> None:
        """Announce the next candidates, in the order in which they will be asked for.

        Args:
            candidates: Resolved candidates. They replace what was expected before.
            fidelity: What they will be asked for first.
            seed: The seed that they will be asked with.
        """
        ...


@runtime_checkable
class ChecksFinally(Protocol):
    """An oracle that can measure a chosen mapping without the luck that it was chosen by."""

    def final_checks(
        self, candidate: Candidate, fidelity: Fidelity, seed: int
    ) -> dict[str, Accuracy]:
        """Name of the check (`test`: test data and fresh draws) -> samples of the resolved candidate."""
        ...


@runtime_checkable
class Enumerates(Protocol):
    """An oracle that knows which mappings it can answer, all of them for free."""

    def mappings(self, training: Training) -> list[Mapping]:
        """Every mapping that it can answer with that training."""
        ...


@runtime_checkable
class KnowsTrainings(Protocol):
    """An oracle that can answer some trainings only."""

    @property
    def trainings(self) -> Collection[Training]:
        """The trainings that it can answer; one may be there several times."""
        ...


@runtime_checkable
class KeepsWeights(Protocol):
    """An oracle that can hand out the weights that it trained."""

    def export_weights(self, candidate: Candidate, seed: int, path: Path) -> None:
        """Write the resolved candidate's trained, undrifted weights as a state dict of the network."""
        ...


@runtime_checkable
class Rehearses(Protocol):
    """An oracle that can be tried in seconds."""

    def small_copy(self) -> AccuracyOracle:
        """The same oracle with few examples and trainings of a step or two, for one draw.

        It runs the code of the oracle itself, at all times, and keeps nothing: what it cannot do, the
        oracle cannot do. Its accuracies mean nothing.
        """
        ...


@runtime_checkable
class ReportsTraining(Protocol):
    """An oracle that says how far a training is."""

    def watch(self, report: Callable[[str], None]) -> None:
        """Call `report` with one line now and then; it replaces an earlier one."""
        ...


@runtime_checkable
class CountsExamples(Protocol):
    """An oracle that says how many examples a search is judged on."""

    @property
    def n_examples(self) -> int | None:
        """Number of validation examples; None if its samples are exact."""
        ...


@runtime_checkable
class SaysMetric(Protocol):
    """An oracle that measures something else than top-1 accuracy."""

    @property
    def metric(self) -> Metric:
        """What it measures."""
        ...


@runtime_checkable
class SaysProvenance(Protocol):
    """An oracle that says where its data come from."""

    @property
    def provenance(self) -> str:
        """Source and version of the data, in one line."""
        ...


@runtime_checkable
class HasIdentity(Protocol):
    """A plug-in that says what decides its answers, as plain data."""

    @property
    def identity(self) -> dict[str, Any]:
        """Digests of network, data and tables, and the settings. Equal identities answer the same."""
        ...


@runtime_checkable
class StoresWeights(Protocol):
    """An oracle that keeps trained weights in a folder, or a bucket (`lionheart_opt.buckets`)."""

    def storing_in(self, place: str | Path) -> AccuracyOracle:
        """The same oracle, keeping its weights in this place if it has none of its own yet."""
        ...

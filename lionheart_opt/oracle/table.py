"""An oracle that answers from a table of accuracies, which is measured once and can be shared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lionheart_opt.accuracy import Accuracy, AccuracyOracle, Fidelity
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.mapping import TRAININGS, Candidate, Mapping, Training
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.oracle.table_file import (
    examples_arrays,
    packed,
    read_array,
    read_metric,
    read_names,
    read_number,
    read_right,
)
from lionheart_opt.questions import Answer, Proxies, Question, cannot_answer
from lionheart_opt.statistics.example_statistics import ExampleStatistics, Told, told
from lionheart_opt.statistics.outcomes import Outcomes
from lionheart_opt.text_files import check_file, replacing, reported


@dataclass(frozen=True, kw_only=True, eq=False)
class AccuracyTable:
    """Accuracy samples of many mappings, one row for each (training, mapping). It is itself an oracle.

    It does not record where a training started: mapping and training alone decide the answer.

    Args:
        units: Names of the units, shape (n_units,).
        targets: Names of the targets, shape (n_targets,).
        times_s: Times since programming, shape (n_times,).
        baseline: Value of the floating-point network on the same examples.
        trainings: Training of each row's weights, shape (n_rows,).
        assignments: Numbers of targets, shape (n_rows, n_units).
        samples: Values of the metric, shape (n_rows, n_draws, n_times).
        training_s: Seconds that the row's training took, shape (n_rows,).
        draw_s: Seconds that one draw took at all times together, shape (n_rows,).
        provenance: How the table was made, and from what.
        n_examples: Number of examples behind each sample; None if samples are exact.
        proxies: Name of a proxy -> its value for each unit, shape (n_units,); see `knowledge.Proxies`.
        proxies_s: Seconds that the proxies took.
        shared_s: Seconds of the training that all rows of training `one_shot` share.
        right: What is known of examples, a row for each: which are right, packed as in `Outcomes.draws`,
            or their statistics, as in `ExampleStatistics.draws`; None if unknown.
        right_at_baseline: The same for the floating-point network.
        metric: What is measured.

    Raises:
        ValueError: Shapes do not fit together, a row is there twice, or a time or a number of seconds is
            not finite or is negative.
        InputError: A value is out of the metric's range, or a table cannot keep the metric.
    """

    units: tuple[str, ...]
    targets: tuple[str, ...]
    times_s: tuple[float, ...]
    baseline: float
    trainings: tuple[Training, ...]
    assignments: np.ndarray
    samples: np.ndarray
    training_s: np.ndarray
    draw_s: np.ndarray
    provenance: str = ""
    n_examples: int | None = None
    proxies: dict[str, np.ndarray] = field(default_factory=dict)
    proxies_s: float = 0.0
    shared_s: float = 0.0
    right: np.ndarray | None = None
    right_at_baseline: np.ndarray | None = None
    metric: Metric = ACCURACY

    def __post_init__(self) -> None:
        n_rows = len(self.trainings)
        if self.samples.ndim != 3 or not self.samples.shape[1]:
            raise ValueError(f"accuracy table: samples has shape {self.samples.shape}, not 3 axes")
        shapes = {
            "assignments": (self.assignments.shape, (n_rows, len(self.units))),
            "samples": (self.samples.shape[::2], (n_rows, len(self.times_s))),
            "training_s": (self.training_s.shape, (n_rows,)),
            "draw_s": (self.draw_s.shape, (n_rows,)),
            **{name: (array.shape, (len(self.units),)) for name, array in self.proxies.items()},
        }
        for name, (shape, expected) in shapes.items():
            if shape != expected:
                raise ValueError(f"accuracy table: {name} has shape {shape}, expected {expected}")
        for name, names in (("units", self.units), ("targets", self.targets)):
            if len(set(names)) != len(names):
                raise ValueError(f"accuracy table: {name} has a name twice")
        if not np.isin(self.assignments, np.arange(len(self.targets))).all():
            raise ValueError("accuracy table: assignments has a number that no target has")
        if not isinstance(self.metric.value, str):
            raise InputError(
                f"accuracy table: it cannot keep the function of the metric {self.metric.name!r}"
            )
        self.metric.check(np.append(self.samples, self.baseline))
        numbers = [*self.training_s, *self.draw_s, *self.times_s, self.proxies_s, self.shared_s]
        if not all(0 <= number < np.inf for number in numbers):
            raise ValueError("accuracy table: NaN or infinite seconds, or negative ones")
        if not all(np.isfinite(values).all() for values in self.proxies.values()):
            raise ValueError("accuracy table: a proxy is NaN or infinite")
        if self.right is not None:
            said = told(self._outcomes(slice(None)), self.metric)["samples"]
            if not np.allclose(
                said.reshape(self.samples.shape), self.samples, rtol=1e-5, atol=1e-6
            ):
                raise ValueError("accuracy table: samples are not what the examples say")
        if len(self._rows) != n_rows:
            raise ValueError("accuracy table: a mapping is there twice with the same training")

    @cached_property
    def _rows(self) -> dict[tuple[str, tuple[int, ...]], int]:
        keys = zip(self.trainings, map(tuple, self.assignments.tolist()), strict=True)
        return {key: row for row, key in enumerate(keys)}

    def _outcomes(self, rows: int | slice) -> Told:
        """What is known of examples; the draws of several rows one after the other."""
        right, exact, n = self.right, self.right_at_baseline, self.n_examples
        if right is None or exact is None or n is None or right.ndim != exact.ndim + 3:
            raise ValueError("accuracy table: right needs the baseline, n_examples, and their axes")
        draws = right[rows].reshape(-1, *right.shape[2:])
        if right.dtype == np.uint8:
            return Outcomes(n_examples=n, baseline=exact, draws=draws)
        return ExampleStatistics(baseline=exact, draws=draws)

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:  # noqa: ARG002
        """The recorded draws, whatever the seed: the table was made with one.

        Raises:
            InputError: The mapping, the training or the draws are not in the table.
        """
        training = candidate.trained_by
        row = self._row(candidate.mapping, training)
        last = fidelity.draws[1]
        if last > self.samples.shape[1]:
            raise InputError(
                f"accuracy table: draws up to {last} were asked for; it has {self.samples.shape[1]}"
            )
        simulated = bool(self.draw_s[row] > 0)  # a draw that took no time was not: all-digital
        answer = Accuracy(
            samples=self.samples[row].astype(float),
            times_s=self.times_s,
            baseline=self.baseline,
            training_s=float(self.training_s[row]),
            evaluation_s=float(self.draw_s[row]) * self.samples.shape[1],
            n_examples=self.n_examples if simulated else None,
            shared_s=self.shared_s if training == "one_shot" and simulated else 0.0,
            metric=self.metric,
        )
        if self.right is not None and simulated:
            answer = answer.with_outcomes(self._outcomes(row))
        some = replace(fidelity, examples=(0, None)) if self.right is None else fidelity
        part = answer.part(some)
        assert part is not None, "the draws are there"
        return part

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """The kinds of questions that the table answers: `Proxies`, if it has any."""
        return (Proxies,) if self.proxies else ()

    def consult(self, question: Question, seed: int) -> Answer:  # noqa: ARG002
        """The recorded proxies; see `Consultable`.

        Raises:
            InputError: The table has no proxies, or none of a unit.
        """
        if not isinstance(question, Proxies) or not self.proxies:
            raise cannot_answer(question)
        for unit in question.units:
            if unit not in self.units:
                raise unknown("unit", unit, self.units, "accuracy table")
        rows = {unit: self.units.index(unit) for unit in question.units}
        values = {
            name: {unit: float(array[row]) for unit, row in rows.items()}
            for name, array in self.proxies.items()
        }
        return Answer(values=values, oracle_s=self.proxies_s)

    def mappings(self, training: Training) -> list[Mapping]:
        """All mappings that the table has with that training."""
        pairs = [[(unit, target) for target in self.targets] for unit in self.units]
        return [
            Mapping(tuple(own[k] for own, k in zip(pairs, row, strict=True)))
            for name, row in zip(self.trainings, self.assignments.tolist(), strict=True)
            if name == training
        ]

    def final_checks(
        self, candidate: Candidate, fidelity: Fidelity, seed: int
    ) -> dict[str, Accuracy]:
        """Measure a chosen mapping in the draws after those of `fidelity`, if at least two are left."""
        fresh = replace(fidelity, draws=(fidelity.draws[1], self.samples.shape[1]))
        if fresh.draws[1] < fresh.draws[0] + 2:
            return {}
        return {"fresh draws": self.accuracy(candidate, fresh, seed)}

    @cached_property
    def digest(self) -> str:
        """Digest of everything in it but its provenance."""
        content = hashlib.sha256()
        for name, value in sorted(vars(self).items()):
            if isinstance(value, np.ndarray):
                content.update(f"{name}{value.dtype}{value.shape}".encode())
                content.update(np.ascontiguousarray(value).tobytes())
            elif name in ("units", "targets", "times_s", "baseline", "trainings", "n_examples"):
                content.update(f"{name}{value!r}".encode())
            elif name == "metric" and value != ACCURACY:
                content.update(json.dumps(value.to_json(), sort_keys=True).encode())
        return content.hexdigest()[:16]

    @property
    def identity(self) -> dict[str, Any]:
        """See `HasIdentity.identity`."""
        return {"table": self.digest}

    def _row(self, mapping: Mapping, training: Training) -> int:
        """Number of the row of a mapping with that training."""
        if set(mapping) != set(self.units):
            raise InputError(
                f"accuracy table: it is about units {', '.join(self.units)}; "
                f"the mapping has {', '.join(mapping)}"
            )
        for unit in self.units:
            if mapping[unit] not in self.targets:
                raise unknown("target", mapping[unit], self.targets, "accuracy table")
        if training not in self.trainings:
            raise InputError(
                f"accuracy table: it has no row with training {training!r}, only with "
                f"{' or '.join(map(repr, sorted(set(self.trainings))))}; ask for one of those in the "
                "study's `training` and in the strategy's arguments"
            )
        row = self._rows.get((training, tuple(self.targets.index(mapping[u]) for u in self.units)))
        if row is None:
            raise InputError(
                f"accuracy table: it has no row with training {training!r} for {mapping.to_json()}"
            )
        return row

    @staticmethod
    def measure(
        oracle: AccuracyOracle,
        candidates: Sequence[Candidate],
        draws: int,
        seed: int,
        provenance: str = "",
    ) -> AccuracyTable:
        """Ask an oracle about every candidate and keep the answers.

        Args:
            oracle: The oracle to ask.
            candidates: Resolved candidates over the same units.
            draws: Number of programming draws.
            seed: Seed for the oracle.
            provenance: How the table is made, and from what.
        """
        units = tuple(candidates[0].mapping)
        targets = tuple(
            sorted({name for asked in candidates for name in asked.mapping.to_json().values()})
        )
        trainings = tuple(candidate.trained_by for candidate in candidates)
        fidelity = Fidelity(draws=(0, draws))
        answers = [oracle.accuracy(candidate, fidelity, seed) for candidate in candidates]
        rows = [[targets.index(asked.mapping[unit]) for unit in units] for asked in candidates]
        counts = [answer.n_examples for answer in answers if answer.n_examples is not None]
        right, baseline = packed(answers)
        return AccuracyTable(
            units=units,
            targets=targets,
            times_s=answers[0].times_s,
            baseline=answers[0].baseline,
            trainings=trainings,
            assignments=np.array(rows, dtype=np.uint8),
            samples=np.stack([answer.samples for answer in answers]),
            training_s=np.array([answer.training_s for answer in answers]),
            draw_s=np.array([answer.evaluation_s / draws for answer in answers]),
            provenance=provenance,
            n_examples=max(counts, default=None),
            shared_s=max(answer.shared_s for answer in answers),
            right=right,
            right_at_baseline=baseline,
            metric=answers[0].metric,
        )

    def save(self, path: Path) -> None:
        """Write the table as compressed `.npz` (plain arrays, no pickles)."""
        arrays = {
            "units": np.array(self.units),
            "targets": np.array(self.targets),
            "times_s": np.array(self.times_s),
            "baseline": np.array(self.baseline),
            "trainings": np.array(self.trainings),
            "assignments": self.assignments,
            "samples": self.samples,
            "training_s": self.training_s,
            "draw_s": self.draw_s,
            "provenance": np.array(self.provenance),
            "n_examples": np.array(self.n_examples or 0),
            "proxy_names": np.array(list(self.proxies), dtype=str),
            "proxies": np.array(list(self.proxies.values())),
            "proxies_s": np.array(self.proxies_s),
            "shared_s": np.array(self.shared_s),
        }
        if self.metric != ACCURACY:
            arrays["metric"] = np.array(json.dumps(self.metric.to_json()))
        arrays |= examples_arrays(self.right, self.right_at_baseline)
        with reported(path), replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    @staticmethod
    def load(path: Path) -> AccuracyTable:
        """Read a file that `save` wrote.

        Raises:
            InputError: The file cannot be read or is not such a table.
        """
        check_file(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                trainings = tuple(read_names(file, "trainings"))
                for name in set(trainings) - set(TRAININGS):
                    raise unknown("training", name, TRAININGS)
                # older files have no proxies, and none of the numbers with a default
                names = read_names(file, "proxy_names") if "proxy_names" in file else []
                proxies = read_array(file, "proxies", "f", 2) if names else np.empty((0, 0))
                right, baseline = read_right(file)
                return AccuracyTable(
                    units=tuple(read_names(file, "units")),
                    targets=tuple(read_names(file, "targets")),
                    times_s=tuple(read_array(file, "times_s", "fiu", 1).astype(float).tolist()),
                    baseline=read_number(file, "baseline"),
                    trainings=trainings,  # type: ignore[arg-type]  # checked above
                    assignments=read_array(file, "assignments", "iu", 2),
                    samples=read_array(file, "samples", "f", 3),
                    training_s=read_array(file, "training_s", "f", 1),
                    draw_s=read_array(file, "draw_s", "f", 1),
                    provenance=str(read_array(file, "provenance", "U", 0)),
                    n_examples=int(read_number(file, "n_examples", 0)) or None,
                    proxies=dict(zip(names, proxies, strict=True)),
                    proxies_s=read_number(file, "proxies_s", 0.0),
                    shared_s=read_number(file, "shared_s", 0.0),
                    right=right,
                    right_at_baseline=baseline,
                    metric=read_metric(file),
                )
        except Exception as error:  # a damaged archive may raise anything
            raise InputError(f"{path}: not an accuracy table: {error or type(error)}") from error

"""The accuracy oracle: hardware-aware training, programming, drift and inference on held-out data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.metric import ACCURACY
from lionheart_opt.models.plain import plain_network
from lionheart_opt.oracle.compensation import Compensation
from lionheart_opt.oracle.diagnosis import DiagnosesMatrices
from lionheart_opt.oracle.divergences import divergences
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.grouping import Grouping
from lionheart_opt.oracle.hardware import check_times
from lionheart_opt.oracle.loading import load
from lionheart_opt.oracle.measured import MeasuresTask
from lionheart_opt.oracle.measured_together import measure_together, served_by_one_network
from lionheart_opt.oracle.measurement import (
    Conditions,
    check_network,
    exact_statistics,
    warn_if_untrained,
)
from lionheart_opt.oracle.proxies import sensitivity_proxies
from lionheart_opt.oracle.rehearsal import few_examples, short_trainings
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.settings import EngineName, OracleSettings
from lionheart_opt.oracle.store import Trained, WeightStore, network_text, weights_digest
from lionheart_opt.oracle.threads import computing_with, settled
from lionheart_opt.oracle.training import with_weights
from lionheart_opt.oracle.weights import FORMAT, CandidateWeights
from lionheart_opt.questions import (
    Answer,
    Divergences,
    LearnedShares,
    Proxies,
    Question,
    cannot_answer,
)
from lionheart_opt.statistics.example_statistics import outcomes_of
from lionheart_opt.system import System
from lionheart_opt.tasks import CLASSIFICATION
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    from lionheart_opt.oracle_context import OracleContext

#: The held-out parts of the data.
Part = Literal["validation", "test"]


@dataclass(kw_only=True, eq=False)
class HatOracle(MeasuresTask, DiagnosesMatrices):
    """Trains a candidate hardware-aware, programs it afresh for every draw, drifts and measures it.

    The baseline is the floating-point network; it is also the accuracy of a mapping that computes in
    floating point throughout. Draw k programs a layer with the same random numbers in every mapping.

    The oracle remembers the baselines, the candidates that it has been told to expect with answers
    measured in advance, and who watches it. `weights` remembers the trained weights that all
    candidates share. Nothing of this changes an answer. To change an argument, make another oracle
    (`dataclasses.replace`).

    Args:
        workload: The workload whose units are mapped.
        system: The system, whose targets say what they compute with.
        model: The network, trained already or with its initial weights (see `settings.pretrain`).
        splits: The data.
        settings: How to train and measure.
        store: Where trained weights are kept.
        digital: Names of units that are never analog.
        relative: See `MeasuresTask`.

    Attributes:
        weights: What trains the weights of candidates.

    Raises:
        InputError: The network does not fit the data.
    """

    workload: Workload
    system: System
    model: nn.Module
    settings: OracleSettings
    store: WeightStore
    digital: tuple[str, ...] = ()
    weights: CandidateWeights = field(init=False, repr=False)
    _grouping: Grouping = field(default_factory=Grouping, init=False, repr=False)
    _baselines: dict[Part, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.model, self.settings = plain_network(self.model), settled(self.settings)
        check_network(self.model, self.splits)
        self.weights = CandidateWeights(
            workload=self.workload,
            system=self.system,
            model=self.model,
            splits=self.splits,
            settings=self.settings,
            store=self.store,
            digital=self.digital,
        )

    @classmethod
    def from_study(cls, context: OracleContext, settings: dict[str, Any]) -> HatOracle:
        """The oracle of a study file's `[model]`, `[data]` and `[oracle]`. Nothing is trained yet.

        Args:
            context: The study.
            settings: Its `[oracle]` table, with the keys of `OracleSettings`.

        Raises:
            InputError: A setting, the data or the weights cannot be used.
        """
        oracle = cls(
            workload=context.workload,
            system=context.system,
            store=WeightStore.at(context.artifacts),
            digital=context.digital,
            relative=context.relative,
            **load(context, settings),
        )
        # it may be a function beside the study, found only from there
        _ = oracle.weights.numerics
        return oracle

    def small_copy(self) -> HatOracle:
        """See `Rehearses.small_copy`."""
        return replace(
            self,
            splits=few_examples(self.splits),
            settings=short_trainings(self.settings),
            store=WeightStore.temporary(),
        )

    def watch(self, report: Callable[[str], None]) -> None:
        """Have `report` called with a line after every epoch of training, and before every proxy."""
        self.weights.report = report

    def matrices(self, mapping: Mapping) -> tuple[str, ...]:
        """See `CandidateWeights.matrices`."""
        return self.weights.matrices(mapping)

    @property
    def pretrained(self) -> Trained:
        """See `CandidateWeights.pretrained`."""
        with computing_with(self.settings):
            return self.weights.pretrained

    def trained(self, candidate: Candidate, seed: int) -> Trained:
        """See `CandidateWeights.trained`."""
        with computing_with(self.settings):
            return self.weights.trained(candidate, seed)

    def shared_training(self, seed: int) -> Trained:
        """See `CandidateWeights.shared_training`."""
        with computing_with(self.settings):
            return self.weights.shared_training(seed)

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """Accuracy on the validation set; see `AccuracyOracle.accuracy`."""
        return self._accuracy(candidate, fidelity, seed, self.settings.engine, "validation")

    def expect(self, candidates: Sequence[Candidate], fidelity: Fidelity, seed: int) -> None:
        """See `Anticipates.expect`: candidates with the same weights are measured together."""
        self._grouping.expect(candidates, fidelity, seed)

    def test_accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """Accuracy on the test set, with other draws than a search saw: for final reports only."""
        return self._accuracy(candidate, fidelity, seed, self.settings.engine, "test")

    def verified_accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """As `accuracy`, on the engine `settings.verify_on`, which the settings must name."""
        if self.settings.verify_on is None:
            raise InputError("verify_on: must be set to aihwkit or fast")
        return self._accuracy(candidate, fidelity, seed, self.settings.verify_on, "validation")

    def final_checks(
        self, candidate: Candidate, fidelity: Fidelity, seed: int
    ) -> dict[str, Accuracy]:
        """Measure a chosen mapping again: on test data, and on `verify_on` if that is set."""
        checks = {"test": self.test_accuracy(candidate, fidelity, seed)}
        if self.settings.verify_on is not None:
            name = f"validation on {self.settings.verify_on}"
            checks[name] = self.verified_accuracy(candidate, fidelity, seed)
        return checks

    def export_weights(self, candidate: Candidate, seed: int, path: Path) -> None:
        """See `KeepsWeights.export_weights`."""
        torch.save(self.trained(candidate, seed).weights, path)

    def storing_in(self, place: str | Path) -> HatOracle:
        """See `StoresWeights.storing_in`."""
        if not self.store.is_temporary:
            return self
        return replace(self, store=WeightStore.at(place))

    def at_times(self, times_s: Sequence[float]) -> HatOracle:
        """See `MeasuresAt.at_times`."""
        settings = self.settings.at_times(tuple(times_s))
        for config in self.weights.numerics.rpu_configs.values():
            check_times(config, (*times_s, *settings.calibration_moments_s), "oracle:")
        return replace(self, settings=settings)

    def recalibrated_every(self, interval_s: float) -> HatOracle | None:
        """See `Recalibrates.recalibrated_every`."""
        settings = self.settings.recalibrated_every(interval_s)
        return None if settings is None else replace(self, settings=settings)

    @property
    def identity(self) -> dict[str, Any]:
        """See `HasIdentity.identity`. CPUs of all kinds count as the same device."""
        ignored = set() if self.settings.device == "cuda" else {"device"}
        if self.settings.compensation == "none":  # as records that know no other
            ignored |= {"compensation", "calibration"}
        settings = self.settings.model_dump(mode="json", exclude=ignored)
        settings["rpu_config"] = self.weights.numerics.name
        return {
            "digital": list(self.digital) or None,  # as in records that do not say it
            "format": FORMAT,
            "settings": settings,
            "network": digest(network_text(self.model)),
            "weights": weights_digest(self.model.state_dict()),
            "data": self.splits.digest,
            "task": None if self.task == CLASSIFICATION else self.task.identity,
            "relative": self.relative or None,
            **self.weights.numerics.identity,
        }

    @property
    def n_examples(self) -> int:
        """Number of validation examples that are used."""
        return len(self._examples("validation"))

    @property
    def numerics(self) -> dict[str, str]:
        """See `SaysNumerics.numerics`."""
        names = self.weights.numerics.names
        targets = (
            t.model_copy(update={"rpu_config": names.get(t.name)}) for t in self.system.targets
        )
        return {target.name: target.computes_in for target in targets}

    @property
    def provenance(self) -> str:
        """Where the data come from."""
        return self.splits.provenance

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """The kinds of questions that `consult` answers."""
        return (Proxies, LearnedShares, Divergences)

    def consult(self, question: Question, seed: int) -> Answer:
        """See `Consultable.consult`. Pretraining is not part of the time that the answer takes."""
        with computing_with(self.settings):
            if isinstance(question, LearnedShares):
                return self.weights.learned_shares(question, seed)
            if not isinstance(question, Proxies | Divergences):
                raise cannot_answer(question)
            network = self._network(self.pretrained).eval()
            started = perf_counter()
            if isinstance(question, Proxies):
                values = self.proxies(question.units, seed)
            else:
                values = divergences(
                    self.weights, network, self._examples("validation"), question, seed
                )
            return Answer(values=values, oracle_s=perf_counter() - started)

    def proxies(self, units: Sequence[str], seed: int) -> dict[str, dict[str, float]]:
        """Cheap predictors of each unit's sensitivity; see `sensitivity_proxies`.

        Args:
            units: Names of units of the workload.
            seed: Seed of the choice of training examples and of random vectors.
        """
        network = self._network(self.pretrained)
        paths = {name: self.workload.paths_of(self.workload.unit(name)) for name in units}
        return sensitivity_proxies(
            network, paths, self.splits.train, seed=seed, report=self.weights.report
        )

    def _accuracy(
        self, candidate: Candidate, fidelity: Fidelity, seed: int, name: EngineName, part: Part
    ) -> Accuracy:
        """Accuracy on a part of the data, measured on the engine of that name."""
        with computing_with(self.settings):
            return self._measured(candidate, fidelity, seed, name, part)

    def _measured(
        self, candidate: Candidate, fidelity: Fidelity, seed: int, name: EngineName, part: Part
    ) -> Accuracy:
        training = candidate.trained_by
        if self.weights.is_exact(candidate.mapping):
            base, times_s = self.baseline(part), self.settings.times_s
            samples = np.full((fidelity.draws[1] - fidelity.draws[0], len(times_s)), base)
            return Accuracy(samples=samples, times_s=times_s, baseline=base, metric=self.metric)
        key, trained = self.weights.keyed(candidate, seed)
        is_shared = any(ancestor.training == "one_shot" for ancestor in candidate.lineage)
        shared_s = self.shared_training(seed).training_s if is_shared else 0.0
        question = (key, name, part, fidelity, seed)
        answer = self._grouping.take(question, candidate)
        if answer is None:
            group = [candidate]
            if (name, part) == (self.settings.engine, "validation") and self._is_shared(training):
                expected = self._grouping.group(candidate, fidelity, seed)
                group = served_by_one_network(self.weights, expected)
            started = perf_counter()
            measured = self._measure(group, trained, question)
            self._grouping.keep(question, group, measured, perf_counter() - started)
            answer = self._grouping.take(question, candidate)
            assert answer is not None
        statistics, evaluation_s = answer
        first = fidelity.examples[0]
        exact = self._exact_statistics(part)
        return Accuracy.of(
            outcomes_of(exact[first : first + statistics.shape[-2]], statistics),
            metric=self.metric,
            times_s=self.settings.times_s,
            training_s=trained.training_s,
            evaluation_s=evaluation_s,
            shared_s=shared_s,
            note=trained.note,
            weights=self.store.artifact_of(key) or "",
            of_examples=len(exact),
            batch_size=self._batch_size(len(exact)),
        )

    def _measure(
        self,
        group: Sequence[Candidate],
        trained: Trained,
        question: tuple[str, EngineName, Part, Fidelity, int],
    ) -> np.ndarray:
        """How candidates do that have the same weights; see `measure_together`."""
        _, name, part, fidelity, seed = question
        return measure_together(
            self.weights,
            group,
            engine(name),
            self._network(trained),
            self._examples(part),
            Conditions(
                times_s=self.settings.times_s,
                draws=range(*fidelity.draws),
                seed=derive(seed, part),
                batch_size=self.settings.batch_size,
                examples=(0, None) if self.task.of_all else fidelity.examples,
            ),
            Compensation.of(self.settings, self.splits.train),
        )

    def _batch_size(self, n_examples: int) -> int:
        """Number of examples that are measured together."""
        return n_examples if self.task.of_all else self.settings.batch_size

    def _network(self, trained: Trained) -> nn.Module:
        """The floating-point network with trained weights, where it computes."""
        return with_weights(self.model, trained.weights).to(self.weights.device)

    def _is_shared(self, training: Training) -> bool:
        """Whether mappings that start from the same weights are programmed with the same weights."""
        own_norms = self.settings.hat.one_shot_norm_batches > 0
        return training == "none" or (training == "one_shot" and not own_norms)

    def baseline(self, part: Part) -> float:
        """Accuracy of the floating-point network on the validation or the test data.

        A warning says so if it is no better on the validation data than always the same answer.
        """
        means = self._exact_statistics(part).mean(axis=0, dtype=np.float64)
        return float(self.metric.of(means))

    def _exact_statistics(self, part: Part) -> np.ndarray:
        """Statistics of examples of the floating-point network, shape (n_examples, n_statistics)."""
        if part not in self._baselines:
            network, examples = self._network(self.pretrained).eval(), self._examples(part)
            exact = exact_statistics(network, examples, self.settings.batch_size)
            self._baselines[part] = exact
            if part == "validation" and self.metric == ACCURACY:
                warn_if_untrained(exact, examples)
        return self._baselines[part]

    def _examples(self, part: Part) -> Examples:
        searched = self.splits.validation[: self.settings.validation_examples]
        return self.splits.test if part == "test" else searched

"""The accuracy oracle: hardware-aware training, programming, drift, and inference on held-out data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from lionheart_opt.accuracy import Accuracy, Fidelity, cannot_answer
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.oracle.candidates import TrainsCandidates
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.loading import load_network, load_settings, load_splits
from lionheart_opt.oracle.measurement import check_network, measure, score
from lionheart_opt.oracle.proxies import sensitivity_proxies
from lionheart_opt.oracle.rpu import rpu_config, rpu_digest
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.settings import EngineName
from lionheart_opt.oracle.store import WeightStore, network_digest, weights_digest
from lionheart_opt.oracle.together import Together
from lionheart_opt.oracle.training import with_weights
from lionheart_opt.questions import Answer, LearnedShares, Proxies, Question

if TYPE_CHECKING:
    from lionheart_opt.oracle_context import OracleContext

#: The held-out parts of the data.
Part = Literal["validation", "test"]


@dataclass(frozen=True, kw_only=True, eq=False)
class HatOracle(TrainsCandidates):
    """Trains a candidate hardware-aware, programs it afresh for every draw, drifts and measures it.

    The accuracy of a mapping without analog layers is the baseline. Draw k programs a layer with the
    same random numbers in every mapping.

    Raises:
        InputError: the network does not fit the data.
    """

    _together: Together = field(default_factory=Together, init=False, repr=False)
    _baselines: dict[Part, float] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_network(self.model, self.splits)

    @classmethod
    def from_study(cls, context: OracleContext, settings: dict[str, Any]) -> HatOracle:
        """The oracle of a study file's `[model]`, `[data]` and `[oracle]`; loads, trains nothing yet.

        Args:
            context: the study.
            settings: its `[oracle]`, the keys of `OracleSettings`.

        Raises:
            InputError: a setting, the data or the weights cannot be used.
        """
        chosen = load_settings(context, settings)
        return cls(
            workload=context.workload,
            analog_targets=context.system.analog_targets,
            model=load_network(context, chosen.pretrain.seed if chosen.pretrain else 0),
            splits=load_splits(context),
            settings=chosen,
            store=WeightStore.folder(context.artifacts)
            if context.artifacts
            else WeightStore.temporary(),
        )

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """Accuracy on the validation set; see `AccuracyOracle.accuracy`."""
        return self._accuracy(candidate, fidelity, seed, self.settings.engine, "validation")

    def expect(self, candidates: Sequence[Candidate], draws: tuple[int, int], seed: int) -> None:
        """See `Anticipates.expect`: candidates with the same weights are measured in one go."""
        self._together.expect(candidates, draws, seed)

    def test_accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """Accuracy on the test set, for the final report only.

        Its programming draws are none of those that the search saw, so a mapping that was chosen for
        a lucky draw does not keep its luck.
        """
        return self._accuracy(candidate, fidelity, seed, self.settings.engine, "test")

    def verified_accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """`accuracy` with the same weights, measured on the engine `settings.verify_on`.

        Raises:
            InputError: the settings name no such engine.
        """
        if self.settings.verify_on is None:
            raise InputError("verify_on: not set; allowed: aihwkit, fast")
        return self._accuracy(candidate, fidelity, seed, self.settings.verify_on, "validation")

    def final_checks(
        self, candidate: Candidate, fidelity: Fidelity, seed: int
    ) -> dict[str, Accuracy]:
        """A chosen mapping measured once more: on test data, and on `verify_on` if that is set."""
        checks = {"test": self.test_accuracy(candidate, fidelity, seed)}
        if self.settings.verify_on is not None:
            name = f"validation on {self.settings.verify_on}"
            checks[name] = self.verified_accuracy(candidate, fidelity, seed)
        return checks

    def export_weights(
        self, candidate: Candidate, training: Training, seed: int, path: Path
    ) -> None:
        """Write the candidate's trained, undrifted weights as a state dict of the float network."""
        torch.save(self.trained(candidate, training, seed).weights, path)

    def storing_in(self, folder: Path) -> HatOracle:
        """See `StoresWeights.storing_in`."""
        if not self.store.is_temporary:
            return self
        return replace(self, store=WeightStore.folder(folder))

    @property
    def identity(self) -> dict[str, Any]:
        """See `HasIdentity.identity`. Where and how fast it computes is not part of it."""
        settings = self.settings.model_dump(mode="json", exclude={"device"})
        return {
            "settings": settings,
            "network": network_digest(self.model),
            "weights": weights_digest(self.model.state_dict()),
            "data": self.splits.digest,
            "rpu_config": rpu_digest(rpu_config(self.settings.rpu_config)),
        }

    @property
    def provenance(self) -> str:
        """Where the data come from."""
        return self.splits.provenance

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """What `consult` answers."""
        return (Proxies, LearnedShares)

    def consult(self, question: Question, seed: int) -> Answer:
        """See `Consultable.consult`; the floating-point network is trained before the clock starts."""
        if isinstance(question, LearnedShares):
            return self.learned_shares(question, seed)
        if not isinstance(question, Proxies):
            raise cannot_answer(question)
        _ = self.pretrained
        started = perf_counter()
        values = self.proxies(question.units, seed)
        return Answer(values=values, oracle_s=perf_counter() - started)

    def proxies(self, units: Sequence[str], seed: int) -> dict[str, dict[str, float]]:
        """Cheap predictors of each unit's sensitivity; see `sensitivity_proxies`.

        Args:
            units: names of units of the workload.
            seed: of the training examples that are looked at, and of random vectors.
        """
        network = with_weights(self.model, self.pretrained.weights).to(self._device)
        paths = {name: self.workload.modules_of(self.workload.unit(name)) for name in units}
        return sensitivity_proxies(
            network, paths, self.splits.train, seed=seed, report=self._report
        )

    def _accuracy(
        self, candidate: Candidate, fidelity: Fidelity, seed: int, name: EngineName, part: Part
    ) -> Accuracy:
        modules = self.modules(candidate.mapping)
        training = candidate.training or fidelity.training
        baseline = self.baseline(part)
        if not modules:
            first, last = fidelity.draws
            samples = np.full((last - first, len(self.settings.times_s)), baseline)
            return Accuracy(samples=samples, times_s=self.settings.times_s, baseline=baseline)
        key, trained = self._trained(candidate, training, seed)
        is_shared = any(one.training == "one_shot" for one in candidate.resolved(training).lineage)
        shared_s = self.shared_training(seed).training_s if is_shared else 0.0
        examples = self._examples(part)
        group, question = [candidate], (key, name, part, fidelity.draws, seed)
        known = self._together.take(question, candidate)
        if known is None:
            if (name, part) == (self.settings.engine, "validation") and self._is_shared(training):
                group = self._together.group(candidate, fidelity.draws, seed)
                group = [one for one in group if self.modules(one.mapping)]
            started = perf_counter()
            samples = measure(
                engine(name),
                with_weights(self.model, trained.weights).to(self._device),
                [self.modules(one.mapping) for one in group],
                self._rpu_config,
                examples,
                times_s=self.settings.times_s,
                draws=range(*fidelity.draws),
                seed=derive(seed, part),
                batch_size=self.settings.batch_size,
            )
            self._together.keep(question, group, samples, perf_counter() - started)
            known = self._together.take(question, candidate)
            assert known is not None
        samples, evaluation_s = known
        return Accuracy(
            samples=samples,
            times_s=self.settings.times_s,
            baseline=baseline,
            training_s=trained.training_s,
            evaluation_s=evaluation_s,
            shared_s=shared_s,
            note=trained.note,
            n_examples=len(examples),
        )

    def _is_shared(self, training: Training) -> bool:
        """Whether mappings that start from the same weights are programmed with the same."""
        norm_batches = self.settings.hat.one_shot_norm_batches
        return training == "none" or (training == "one_shot" and norm_batches == 0)

    def baseline(self, part: Part) -> float:
        """Accuracy of the floating-point network on the validation or the test data."""
        if part not in self._baselines:
            network = with_weights(self.model, self.pretrained.weights).to(self._device).eval()
            examples, size = self._examples(part), self.settings.batch_size
            self._baselines[part] = score(network, examples, size)
        return self._baselines[part]

    def _examples(self, part: Part) -> Examples:
        if part == "test":
            return self.splits.test
        return self.splits.validation[: self.settings.validation_examples]

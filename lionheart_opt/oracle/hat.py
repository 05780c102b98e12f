"""The accuracy oracle: hardware-aware training, programming, drift, and inference on held-out data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError
from lionheart_opt.knowledge import Knowledge, Proxies, Question, not_offered
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.oracle.engine import Engine, engine
from lionheart_opt.oracle.loading import load_network, load_settings, load_splits
from lionheart_opt.oracle.measurement import check_network, measure, score
from lionheart_opt.oracle.proxies import sensitivity_proxies
from lionheart_opt.oracle.rpu import rpu_config, rpu_digest
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.settings import EngineName, OracleSettings
from lionheart_opt.oracle.splits import Examples, Splits
from lionheart_opt.oracle.store import Trained, Weights, WeightStore, weights_digest
from lionheart_opt.oracle.together import Together
from lionheart_opt.oracle.training import Job, Progress, reestimate_batch_norm, train, with_weights
from lionheart_opt.protocols import Accuracy, Fidelity
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    from lionheart_opt.studyfile import OracleContext

#: The held-out parts of the data.
Part = Literal["validation", "test"]

#: Part of every digest of trained weights; raised when training comes to mean something else.
FORMAT = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class HatOracle:
    """Trains a candidate hardware-aware, programs it afresh for every draw, drifts and measures it.

    What a candidate's weights are (LionHeart section III, steps 3 and 4):

    - `none`: the weights that it starts from: its parent's, or the pretrained ones.
    - `short`, `full`: all weights of the network, digital layers included, trained with noise in
      the analog ones, from the weights that it starts from.
    - `one_shot`: trained once for all mappings, with a random mapping in every batch. A search is
      charged with that training once (`Accuracy.shared_s`).
    - A mapping without analog layers always has the pretrained weights: there is nothing to train
      for, and its accuracy is the baseline.

    Draw k programs a layer with the same random numbers in every mapping.

    Args:
        workload: whose units are mapped.
        analog_targets: names of the targets whose layers are analog.
        model: the network; trained already, or with its initial weights (`settings.pretrain`).
        splits: the data.
        settings: how to train and measure.
        store: where trained weights are kept.

    Raises:
        InputError: the network does not fit the data.
    """

    workload: Workload
    analog_targets: tuple[str, ...]
    model: nn.Module
    splits: Splits
    settings: OracleSettings
    store: WeightStore
    _watchers: list[Callable[[str], None]] = field(default_factory=list, init=False, repr=False)
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
            store=WeightStore.folder(context.folder / "artifacts"),
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

    @property
    def provenance(self) -> str:
        """Where the data come from."""
        return self.splits.provenance

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """What `consult` answers."""
        return (Proxies,)

    def consult(self, question: Question, seed: int) -> Knowledge:
        """See `Consultable.consult`; the floating-point network is trained before the clock starts."""
        if not isinstance(question, Proxies):
            raise not_offered(question)
        _ = self.pretrained
        started = perf_counter()
        values = self.proxies(question.units, seed)
        return Knowledge(values=values, oracle_s=perf_counter() - started)

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

    def _report(self, text: str) -> None:
        for watcher in self._watchers:
            watcher(text)

    def watch(self, report: Callable[[str], None]) -> None:
        """Have `report` called with a line after every epoch of training, and before every proxy."""
        self._watchers[:] = [report]

    def modules(self, mapping: Mapping) -> tuple[str, ...]:
        """Paths of the modules that are analog in a mapping, in execution order."""
        paths = [
            path
            for unit in self.workload.units
            if mapping[unit.name] in self.analog_targets
            for path in self.workload.modules_of(unit)
        ]
        return tuple(dict.fromkeys(paths))

    @cached_property
    def pretrained(self) -> Trained:
        """The floating-point network: trained by the recipe, once, or as it was given."""
        recipe = self.settings.pretrain
        initial = {name: tensor.cpu() for name, tensor in self.model.state_dict().items()}
        if recipe is None:
            return Trained(weights=initial)
        job = self._job(initial, (), recipe.epochs, recipe.seed, "pretraining")
        key = digest([FORMAT, "pretrained", self._question, recipe.model_dump(exclude_none=True)])
        return self._train(replace(job, recipe=recipe), key)

    def trained(self, candidate: Candidate, training: Training, seed: int) -> Trained:
        """The weights that a candidate is programmed with.

        Args:
            candidate: the mapping and what it starts from.
            training: how; candidates of the lineage that do not say are trained so, too.
            seed: of training.
        """
        return self._trained(candidate, training, seed)[1]

    def _trained(
        self, candidate: Candidate | None, training: Training, seed: int
    ) -> tuple[str, Trained]:
        """Key and weights of a candidate; those of the pretrained network for None."""
        modules = self.modules(candidate.mapping) if candidate else ()
        if candidate is None or not modules:
            return "pretrained", self.pretrained
        if training == "one_shot":
            return self._one_shot(modules, seed)
        parent = candidate.parent
        key, start = self._trained(parent, (parent and parent.training) or training, seed)
        if training == "none":
            return key, replace(start, training_s=0.0)
        recipe = self.settings.hat
        epochs = recipe.short_epochs if training == "short" else recipe.epochs
        job = self._job(start.weights, modules, epochs, derive(seed, "hat"), "training")
        key = self._key(job, start=key)
        return key, self._train(job, key)

    def shared_training(self, seed: int) -> Trained:
        """The weights of training level `one_shot`, the seconds that it took with them."""
        job, key = self._shared_job(seed)
        return self._train(job, key)

    def _shared_job(self, seed: int) -> tuple[Job, str]:
        known = dict(self.model.named_modules())
        groups = tuple(
            paths
            for paths in map(self.workload.modules_of, self.workload.crossbar_units)
            if all(path in known for path in paths)  # no bare parameters
        )
        everything = tuple(path for group in groups for path in group)
        epochs, seed = self.settings.hat.one_shot_epochs, derive(seed, "one-shot")
        job = self._job(self.pretrained.weights, everything, epochs, seed, "one-shot training")
        job = replace(job, groups=groups)
        return job, self._key(job, start="pretrained")

    def _one_shot(self, modules: tuple[str, ...], seed: int) -> tuple[str, Trained]:
        """The shared weights; with batch-norm statistics of the mapping if the recipe asks for them."""
        job, key = self._shared_job(seed)
        shared = replace(self._train(job, key), training_s=0.0)
        batches = self.settings.hat.one_shot_norm_batches
        if batches == 0:
            return key, shared
        job = replace(job, start=shared.weights, modules=modules, groups=())
        key = digest([self._key(job, start=key), batches])
        known = self.store.get(key)
        if known is None:
            started = perf_counter()
            weights = reestimate_batch_norm(job, self._engine, batches)
            known = replace(shared, weights=weights, training_s=perf_counter() - started)
            self.store.put(key, known)
        return key, known

    def _key(self, job: Job, start: str) -> str:
        """Digest of all that the weights of a training depend on."""
        ignored = {"epochs", "short_epochs", "one_shot_epochs", "one_shot_norm_batches"}
        return digest(
            {
                "format": FORMAT,
                "question": self._question,
                "pretrained": self._pretrained_digest,
                "engine": self.settings.engine,
                "rpu_config": rpu_digest(self._rpu_config),
                "recipe": job.recipe.model_dump(exclude=ignored, exclude_none=True),
                "epochs": job.epochs,
                "start": start,
                "modules": job.modules,
                "groups": job.groups,
                "seed": job.seed,
            }
        )

    def _train(self, job: Job, key: str) -> Trained:
        def report(now: Progress) -> None:
            text = f"{now.what}: epoch {now.epoch}/{now.epochs}, loss {now.loss:.3f}"
            self._report(f"{text}, {now.left_s:.0f} s left")

        return train(job, self._engine, self.store, key, report)

    def _job(
        self, start: Weights, modules: tuple[str, ...], epochs: int, seed: int, what: str
    ) -> Job:
        return Job(
            model=self.model,
            start=start,
            modules=modules,
            rpu_config=self._rpu_config,
            recipe=self.settings.hat,
            epochs=epochs,
            examples=self.splits.train,
            seed=seed,
            device=self._device,
            what=what,
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
        shared_s = self.shared_training(seed).training_s if training == "one_shot" else 0.0
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

    @cached_property
    def _question(self) -> str:
        """Digest of the network with its given weights, and of the training data."""
        layers = re.sub(r" at 0x[0-9a-f]+", "", repr(self.model))  # addresses of functions
        return digest([layers, weights_digest(self.model.state_dict()), self.splits.train.digest])

    @cached_property
    def _pretrained_digest(self) -> str:
        return weights_digest(self.pretrained.weights)

    @cached_property
    def _engine(self) -> Engine:
        return engine(self.settings.engine)

    @cached_property
    def _rpu_config(self) -> Any:
        return rpu_config(self.settings.rpu_config)

    @cached_property
    def _device(self) -> torch.device:
        name = self.settings.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cuda" and not torch.cuda.is_available():
            raise InputError(
                "device: got 'cuda', but torch finds no CUDA device; allowed: cpu, auto"
            )
        return torch.device(name)

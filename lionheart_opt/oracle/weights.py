"""The weights that candidates are programmed with. Each training is done once."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import perf_counter
from typing import Any

import torch
from torch import nn

from lionheart_opt.datasets.splits import Splits
from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import Engine, engine
from lionheart_opt.oracle.learned_shares import learn_shares
from lionheart_opt.oracle.numerics import Placed, TargetNumerics, check_products
from lionheart_opt.oracle.rpu import rpu_digest
from lionheart_opt.oracle.seeds import derive, seeded
from lionheart_opt.oracle.settings import OracleSettings
from lionheart_opt.oracle.store import Trained, Weights, WeightStore, network_text, weights_digest
from lionheart_opt.oracle.threads import device_named
from lionheart_opt.oracle.training import EpochDone, Job, reestimate_batch_norm, train
from lionheart_opt.oracle.training_on import KEPT, PairedTest, recipe_from_shared
from lionheart_opt.oracle.uses import check_uses, counted_uses, traced_uses
from lionheart_opt.questions import Answer, LearnedShares
from lionheart_opt.system import System
from lionheart_opt.tasks.keys import task_key
from lionheart_opt.workload import Workload

#: Part of every digest of trained weights, and of the oracle's identity. Increase it when a change of the
#: code changes what training gives. 2: every training of a lineage sees new batches.
FORMAT = 2


def _ignore(text: str) -> None:
    """Reports to nobody."""


@dataclass(kw_only=True, eq=False)
class CandidateWeights:
    """Makes the weights of candidates (LionHeart section III, steps 3 and 4).

    The training level of a candidate decides what its weights are:

    - `none`: the weights that it starts from, which are its parent's or the pretrained ones.
    - `short`, `full`: all weights of the network, digital layers included, are trained from the
      weights that it starts from, with noise in the analog layers. Every training of a lineage sees
      other batches and noise; candidates with as many trainings before them see the same.
    - `one_shot`: weights that are trained once for all mappings, with a random mapping in every
      batch. A search is charged for that training once (`Accuracy.shared_s`). What is trained on from
      them is used only where it is shown to be better (see `FromShared`).

    A mapping that computes in floating point throughout always has the pretrained weights, because
    nothing disturbs them.

    Trained weights are kept in the store. In memory, an object remembers the pretrained weights and
    those of one-shot training for each seed.

    Args:
        workload: The workload whose units are mapped.
        system: The system, whose targets say what they compute with.
        model: The network, trained already or with its initial weights (see `settings.pretrain`).
        splits: The data.
        settings: How to train.
        store: Where trained weights are kept.
        digital: Names of units that are never analog; one-shot training keeps them digital, too.
        report: Called with a line after every epoch of training.
    """

    workload: Workload
    system: System
    model: nn.Module
    splits: Splits
    settings: OracleSettings
    store: WeightStore
    digital: tuple[str, ...] = ()
    report: Callable[[str], None] = _ignore
    _shared: dict[int, tuple[str, Trained]] = field(default_factory=dict, init=False, repr=False)
    _checked: set[str] = field(default_factory=set, init=False, repr=False)
    _can_round: set[frozenset[str] | None] = field(default_factory=set, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "report": _ignore}  # another process shows progress by itself

    def matrices(self, mapping: Mapping) -> tuple[str, ...]:
        """Paths of the weight matrices that are analog in a mapping, in execution order."""
        return tuple(self.placed(mapping).analog)

    def placed(self, mapping: Mapping) -> Placed:
        """Where the weight matrices are in a mapping."""
        return self.numerics.placed(self.workload, mapping)

    def host_numerics(self, placed: Placed) -> Digital | None:
        """What matrices compute in that are not analog; None is floating point.

        Raises:
            InputError: It cannot be simulated for all weights of the network.
        """
        digital = self.numerics.digital(placed, self.splits.train)
        if digital is not None:
            # a host that rounds has to round all weights, wherever the others are
            rounded = frozenset(digital.others) if digital.host == "fp32" else None
            if rounded not in self._can_round:
                network = deepcopy(self.model).cpu().eval()
                check_products(self._engine, network, digital, self.workload)
                self._can_round.add(rounded)
        return digital

    def is_exact(self, mapping: Mapping) -> bool:
        """Whether a mapping computes in floating point throughout."""
        placed = self.placed(mapping)
        return not placed.analog and {self.numerics.host, *placed.digital.values()} == {"fp32"}

    @cached_property
    def pretrained(self) -> Trained:
        """The weights of the floating-point network: trained by the recipe, or as they were given.

        Raises:
            InputError: Training them diverged.
        """
        recipe = self.settings.pretrain
        initial = {name: tensor.cpu() for name, tensor in self.model.state_dict().items()}
        if recipe is None:
            return Trained(weights=initial)
        nowhere = Placed(analog={}, digital={})
        job = self._job(initial, nowhere, None, recipe.epochs, recipe.seed, "pretraining")
        key = digest([FORMAT, "pretrained", self._question, recipe.model_dump(exclude_none=True)])
        trained = self._train(replace(job, recipe=recipe), key)
        if trained.note:
            raise InputError(
                f"pretraining: {trained.note.partition(';')[0]}; learning_rate: got "
                f"{recipe.learning_rate:g}; try a smaller one in [oracle.pretrain]"
            )
        return trained

    def trained(self, candidate: Candidate, seed: int) -> Trained:
        """The weights that a candidate is programmed with.

        Args:
            candidate: The resolved candidate: the mapping, its training and what that starts from.
            seed: Seed of training.
        """
        return self.keyed(candidate, seed)[1]

    def keyed(self, candidate: Candidate | None, seed: int) -> tuple[str, Trained]:
        """As `trained`, with a key that identifies the weights; pretrained weights for None."""
        if candidate is None or self.is_exact(candidate.mapping):
            return "pretrained", self.pretrained
        placed = self.placed(candidate.mapping)
        self._check_uses(tuple(placed.analog))
        training = candidate.trained_by
        if training == "one_shot":
            return self._one_shot(placed, seed)
        key, start = self.keyed(candidate.parent, seed)
        if training == "none":
            return key, replace(start, training_s=0.0)
        recipe = self.settings.hat
        epochs = recipe.short_epochs if training == "short" else recipe.epochs
        seed = derive(seed, "hat", self._trainings(candidate.parent))
        job = self._job(start.weights, placed, self.host_numerics(placed), epochs, seed, "training")
        if self._has_shared(candidate.parent):
            return self._trained_on(job, key, start)
        key = self._key(job, start=key)
        return key, self._train(job, key)

    def _has_shared(self, candidate: Candidate | None) -> bool:
        """Whether a candidate's weights are those of one-shot training, or trained on from them."""
        if candidate is None or self.is_exact(candidate.mapping):
            return False
        return candidate.training == "one_shot" or self._has_shared(candidate.parent)

    def _trained_on(self, job: Job, start_key: str, start: Trained) -> tuple[str, Trained]:
        """The weights of a job that starts from shared weights, or these if they stay."""
        job = replace(job, recipe=recipe_from_shared(self.settings.hat))
        key = self._key(job, start=start_key)
        trained = self._train(job, key)
        if self.settings.hat.from_shared.keep == "always" or trained.note:  # it diverged
            return key, trained
        uses = traced_uses(self.workload)
        test = PairedTest(
            job=job, engine=self._engine, uses=uses, splits=self.splits, settings=self.settings
        )
        is_better, seconds = test.shows_gain(self.store, key, trained.weights)
        training_s = trained.training_s + seconds
        if is_better:
            return key, replace(trained, training_s=training_s)
        return start_key, replace(start, training_s=training_s, note=KEPT)

    def _check_uses(self, paths: tuple[str, ...]) -> None:
        """Refuse matrices that the network does not use as its trace says, before they are trained.

        Raises:
            InputError: There are such matrices.
        """
        new = [path for path in paths if path not in self._checked]
        if new:
            example = self.splits.validation.task.feed_one(self.splits.validation[:1].loaded)
            network = deepcopy(self.model).cpu().eval()
            with seeded(0, torch.device("cpu")):
                check_uses(counted_uses(network, new, example), traced_uses(self.workload), 1)
            self._checked.update(new)

    def _trainings(self, candidate: Candidate | None) -> int:
        """Number of trainings behind a candidate's weights, pretraining left out.

        The seed of the next training depends on it, so that parent and child see other batches and
        noise, and siblings the same.
        """
        if candidate is None or self.is_exact(candidate.mapping):
            return 0
        if candidate.training == "one_shot":
            return 1
        return self._trainings(candidate.parent) + (candidate.training != "none")

    def shared_training(self, seed: int) -> Trained:
        """The weights of training level `one_shot`, with the seconds that their training took."""
        return self._shared_weights(seed)[1]

    def _shared_weights(self, seed: int) -> tuple[str, Trained]:
        """Key and weights of one-shot training, read from the store once and not for every mapping."""
        if seed not in self._shared:
            job, key = self._shared_job(seed)
            self._shared[seed] = key, self._train(job, key)
        return self._shared[seed]

    def _shared_job(self, seed: int) -> tuple[Job, str]:
        """One-shot training, and the key of its weights."""
        targets = self.numerics.choices(self.workload, self.digital)
        most = max(map(len, targets.values()), default=0)
        # number k: the matrices of units that have so many analog targets, on target k
        places = [
            {
                path: able[k]
                for unit, able in targets.items()
                for path in self.workload.paths_of(self.workload.unit(unit))
                if k < len(able)
            }
            for k in range(most)
        ]
        groups = tuple(self.workload.paths_of(self.workload.unit(unit)) for unit in targets)
        placed, *others = [Placed(analog=each, digital={}) for each in places or [{}]]
        epochs, seed = self.settings.hat.one_shot_epochs, derive(seed, "one-shot")
        digital, what = self.host_numerics(placed), "one-shot training"
        job = self._job(self.pretrained.weights, placed, digital, epochs, seed, what)
        configs = map(self.numerics.configs, others)
        differ = [c for c in configs if any(c[path] is not job.rpu_config[path] for path in c)]
        hat = self.settings.hat
        job = replace(
            job,
            groups=groups,
            others=tuple(differ),
            is_sandwich=hat.one_shot_sampling == "sandwich",
            distillation=hat.one_shot_distillation,
        )
        return job, self._key(job, start="pretrained")

    def _one_shot(self, placed: Placed, seed: int) -> tuple[str, Trained]:
        """The shared weights, with the mapping's own batch-norm statistics if the recipe asks for it."""
        key, shared = self._shared_weights(seed)
        shared = replace(shared, training_s=0.0)
        batches = self.settings.hat.one_shot_norm_batches
        if batches == 0:
            return key, shared
        job = replace(
            self._shared_job(seed)[0],
            start=shared.weights,
            matrices=tuple(placed.analog),
            rpu_config=self.numerics.configs(placed),
            digital=self.host_numerics(placed),
            groups=(),
            others=(),
        )
        key = digest([self._key(job, start=key), batches])
        trained = self.store.get(key)
        if trained is None:
            started = perf_counter()
            weights = reestimate_batch_norm(job, self._engine, batches)
            trained = replace(shared, weights=weights, training_s=perf_counter() - started)
            self.store.put(key, trained)
        return key, trained

    def _key(self, job: Job, start: str) -> str:
        """Digest of everything that the weights of a training depend on."""
        ignored = {"epochs", "short_epochs", "from_shared"}
        ignored |= {name for name in type(job.recipe).model_fields if name.startswith("one_shot_")}
        others: dict[str, Any] = {}  # what is usual is left out, as in keys that knew nothing else
        if job.digital is not None:
            others["digital"] = job.digital.key
        if job.others:
            others["others"] = list(map(self._digests, job.others))
        if job.is_sandwich:
            others["sampling"] = "sandwich"
        if job.distillation:
            others["distillation"] = job.distillation
        return digest(
            {
                "format": FORMAT,
                "question": self._question,
                "pretrained": self._pretrained_digest,
                "engine": self.settings.engine,
                "rpu_config": self._digests(job.rpu_config),
                "recipe": job.recipe.model_dump(exclude=ignored, exclude_none=True),
                "epochs": job.epochs,
                "start": start,
                "modules": job.matrices,
                "groups": job.groups,
                "seed": job.seed,
                **others,
            }
        )

    def _digests(self, configs: dict[str, Any]) -> str | dict[str, str]:
        """Digest of the RPU configuration of all matrices, or of that of each."""
        known = {id(c): rpu_digest(c) for c in self.numerics.rpu_configs.values()}
        digests = {path: known[id(config)] for path, config in configs.items()}
        if len(set(digests.values())) > 1:
            return digests
        return next(iter(digests.values()), "")

    def _train(self, job: Job, key: str) -> Trained:
        return train(job, self._engine, self.store, key, self._progress)

    def learned_shares(self, question: LearnedShares, seed: int) -> Answer:
        """Shares of units on analog tiles, trained together with the weights; see `learn_shares`.

        Args:
            question: Prices of units, and how much they count.
            seed: Seed of training.
        """
        units = {name: self.workload.paths_of(self.workload.unit(name)) for name in question.prices}
        targets = self.numerics.choices(self.workload, ())
        for name in units:
            if name not in targets:
                raise InputError(f"shares of units: no analog target can run unit {name!r}")
        analog = {path: targets[name][0] for name, paths in units.items() for path in paths}
        placed = Placed(analog=analog, digital={})
        epochs, seed = self.settings.hat.epochs, derive(seed, "shares")
        digital, what = self.host_numerics(placed), "learning shares"
        job = self._job(self.pretrained.weights, placed, digital, epochs, seed, what)
        key = digest([self._key(job, start="pretrained"), question.digest])
        return learn_shares(job, self._engine, self.store, key, units, question, self._progress)

    def _progress(self, now: EpochDone) -> None:
        text = f"{now.what}: epoch {now.epoch}/{now.epochs}, loss {now.loss:.3f}"
        self.report(f"{text}, {now.left_s:.0f} s left")

    def _job(
        self,
        start: Weights,
        placed: Placed,
        digital: Digital | None,
        epochs: int,
        seed: int,
        what: str,
    ) -> Job:
        return Job(
            model=self.model,
            start=start,
            matrices=tuple(placed.analog),
            rpu_config=self.numerics.configs(placed),
            digital=digital,
            recipe=self.settings.hat,
            epochs=epochs,
            examples=self.splits.train,
            seed=seed,
            device=self.device,
            what=what,
            ranges=self.settings.hat.input_ranges,
        )

    @cached_property
    def _question(self) -> str:
        """Digest of the network with its given weights, the training data, the task and the GPU."""
        layers, weights = network_text(self.model), weights_digest(self.model.state_dict())
        train, gpu = self.splits.train, ["cuda"] * (self.device.type == "cuda")  # other numbers
        return digest([layers, weights, train.digest, *task_key(train.task), *gpu])

    @cached_property
    def _pretrained_digest(self) -> str:
        return weights_digest(self.pretrained.weights)

    @cached_property
    def _engine(self) -> Engine:
        return engine(self.settings.engine)

    @cached_property
    def numerics(self) -> TargetNumerics:
        """What the targets compute with."""
        return TargetNumerics.of(self.system, self.settings)

    @cached_property
    def device(self) -> torch.device:
        """Where networks compute; see `device_named`."""
        return device_named(self.settings.device)

"""Optuna's samplers as strategies: any of them, with all its arguments, and none changed silently."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_unseen, size
from lionheart_opt.strategies.fixed import check_name, named
from lionheart_opt.strategies.parts.sensitivity import profile
from lionheart_opt.strategy import Proposals

if TYPE_CHECKING:
    import optuna


#: Samplers that cannot be used as what their name says, and why.
REFUSED = {
    "BaseSampler": "is abstract",
    "BaseGASampler": "is abstract",
    "CmaEsSampler": "does not model categorical parameters: Optuna would sample at random instead",
    "GridSampler": "needs the grid of one problem: use BruteForceSampler",
    "PartialFixedSampler": "takes no seed, so that it could not be resumed",
}


@dataclass(frozen=True)
class Optuna:
    """Drives a sampler of Optuna by ask and tell; one categorical parameter for each unit.

    The sampler's study lives in memory and is rebuilt by replay; the record belongs to the study of
    lionheart_opt. Limits are constraints of the trials. A mapping that was evaluated before is never
    yielded again: the sampler is told the known result and asked anew, and after `tries` such answers a
    random mapping that was not seen takes its place. Ends when every mapping has been evaluated.

    Sources: Optuna 5 (Akiba et al., KDD 2019); the sampler's own documentation names its papers.

    Args:
        sampler: class name in `optuna.samplers`.
        arguments: its keyword arguments, without `seed`, which comes from the study. `TPESampler` gets
            `multivariate=True` unless told otherwise: Optuna's default depends on the number of
            objectives, and without it TPE proposes the same mappings again and again.
        enqueue: mappings to evaluate first: names as of `strategies.fixed`, or unit -> target.
        profile: training of a sensitivity profile that is measured before; None goes without.
        nested: mappings of growing size, best saving for its loss in the profile first, that are
            evaluated after those of `enqueue`.
        batch: proposals made before the first of them is answered (for several workers).
        tries: repeated proposals in a row before a random one is taken.
    """

    sampler: str = "TPESampler"
    arguments: dict[str, Any] = field(default_factory=dict)
    enqueue: Sequence[str | dict[str, str]] = ()
    profile: Training | None = None
    nested: int = 8
    batch: int = 1
    tries: int = 10

    def __post_init__(self) -> None:
        for mapping in self.enqueue:
            check_name(mapping)
        for name in ("nested", "batch", "tries"):
            if getattr(self, name) < 1:
                raise InputError(f"optuna: {name}: got {getattr(self, name)}; must be at least 1")
        self._build(0)

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """The profile in one batch if there is one, then candidates from pretrained, `batch` at a time.

        Raises:
            InputError: a mapping of `enqueue` does not fit the problem.
        """
        import optuna

        study = optuna.create_study(
            directions=["minimize"] * len(problem.objectives),
            sampler=self._build(int(rng.integers(2**31))),
        )
        first = [named(problem, one) for one in self.enqueue]
        if self.profile is not None:
            measured = yield from profile(problem, self.profile)
            first += measured.nested(problem, self.nested)
        for mapping in dict.fromkeys(first):
            study.enqueue_trial(_parameters(problem, mapping))
        known: dict[Mapping, Evaluation | None] = {}  # None: proposed, not answered yet
        while len(known) < size(problem):
            trials: list[tuple[optuna.Trial, Mapping]] = []
            while len(trials) < self.batch and len(known) < size(problem):
                trial, mapping = self._propose(problem, study, known, rng)
                known[mapping] = None
                trials.append((trial, mapping))
            answers = yield [problem.pretrained(mapping) for _, mapping in trials]
            known.update((answer.mapping, answer) for answer in answers)
            for (trial, _), answer in zip(trials, answers, strict=True):
                # The last one is not told: exhaustive samplers refuse to go on after it.
                if len(known) < size(problem):
                    _tell(problem, study, trial, answer)

    def _propose(
        self,
        problem: Problem,
        study: optuna.Study,
        known: dict[Mapping, Evaluation | None],
        rng: np.random.Generator,
    ) -> tuple[optuna.Trial, Mapping]:
        """A trial whose mapping is not known."""
        from optuna.distributions import CategoricalDistribution

        space = {u.name: CategoricalDistribution(problem.choices[u.name]) for u in problem.units}
        for attempt in range(self.tries + 1):
            if attempt == self.tries:
                study.enqueue_trial(_parameters(problem, random_unseen(problem, rng, known)))
            trial = study.ask(dict(space))
            mapping = problem.mapping(trial.params)
            if mapping not in known:
                return trial, mapping
            _tell(problem, study, trial, known[mapping])
        raise AssertionError("an enqueued trial was not the next one")

    def _build(self, seed: int) -> optuna.samplers.BaseSampler:
        """The sampler, seeded.

        Raises:
            InputError: there is none of that name, it is one of `REFUSED`, or it does not take the
                arguments.
        """
        from optuna import samplers

        found = {name for name in samplers.__all__ if name.endswith("Sampler")} - set(REFUSED)
        if self.sampler in REFUSED:
            raise InputError(
                f"optuna: {self.sampler} {REFUSED[self.sampler]}; allowed: {', '.join(sorted(found))}"
            )
        if self.sampler not in found:
            raise unknown("sampler", self.sampler, found, "optuna")
        factory = getattr(samplers, self.sampler)
        allowed = set(inspect.signature(factory).parameters) - {"seed"}
        for key in self.arguments:
            if key not in allowed:
                raise unknown("argument", key, allowed, f"optuna: {self.sampler}")
        defaults = {"multivariate": True} if self.sampler == "TPESampler" else {}
        try:
            sampler: optuna.samplers.BaseSampler = factory(
                **{**defaults, **self.arguments, "seed": seed}
            )
        except (TypeError, ValueError) as error:
            raise InputError(f"optuna: {self.sampler}: {error}") from error
        return sampler


def _parameters(problem: Problem, mapping: Mapping) -> dict[str, str]:
    return {unit.name: mapping[unit.name] for unit in problem.units}


def _tell(
    problem: Problem, study: optuna.Study, trial: optuna.Trial, answer: Evaluation | None
) -> None:
    """Finish a trial with an evaluation; as failed where that is still to come."""
    import optuna

    if answer is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    # Samplers want the same constraints in every trial: a broken cost limit leaves the drop unknown.
    worst = {"drop": 1.0 - problem.accuracy_limit.max_drop}
    for name, violation in {**worst, **answer.violations}.items():
        trial.set_constraint(name, violation)
    study.tell(trial, list(answer.objectives.values()))

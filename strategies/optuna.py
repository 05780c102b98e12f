"""Optuna's samplers as strategies, each with all its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.plugins import check_types
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_unseen, size
from lionheart_opt.strategies.fixed import check_name, named
from lionheart_opt.strategies.parts.sensitivity import measure_moves
from lionheart_opt.strategy import Proposals

if TYPE_CHECKING:
    import optuna


#: Samplers that cannot do here what their name says, and why.
REFUSED = {
    "BaseSampler": "is abstract",
    "BaseGASampler": "is abstract",
    "CmaEsSampler": "does not model categorical parameters: Optuna would sample at random instead",
    "GridSampler": "needs the grid of one problem: use BruteForceSampler",
    "PartialFixedSampler": "takes no seed, so that it could not be resumed",
}
#: Arguments of samplers that are not given.
DEFAULTS: dict[str, dict[str, Any]] = {
    "TPESampler": {"multivariate": True, "constant_liar": True},
}


@dataclass(frozen=True)
class Optuna:
    """Drives a sampler of Optuna by ask and tell, with one categorical parameter for each unit.

    Limits are constraints of the trials. The sampler's own study lives in memory and is rebuilt by
    replay; the record is a study of its own. No mapping is evaluated twice: if the sampler repeats one,
    it is told the recorded result and asked again, and after `tries` repeats in a row a random new
    mapping is taken. The search ends when every mapping has been evaluated.

    Optuna 5 (Akiba et al., KDD 2019); the documentation of each sampler names its papers. It departs
    from plain Optuna in the treatment of repeats and in one default, see `arguments`.

    The proposals of a batch differ. Until they are answered, `TPESampler` takes them for bad ones
    (constant liar), `GPSampler` reckons with them, and `BruteForceSampler` leaves them out. The other
    samplers do not learn from one proposal to the next.

    Args:
        sampler: Class name in `optuna.samplers`.
        arguments: Keyword arguments of the sampler, without `seed`, which comes from the search.
            `TPESampler` gets `multivariate=True` unless it is given: Optuna's default depends on the
            number of objectives, and without it TPE keeps proposing the same mappings. `constant_liar`
            is True, as in Optuna 5, so that the proposals of a batch spread.
        enqueue: Mappings to evaluate first, each a name that `fixed` takes or unit -> target.
        profile: Training of a sensitivity profile to measure before the search; None measures none.
        nested: Number of mappings to take from the profile and evaluate after `enqueue`. They grow from
            one move to all, adding the moves with the best saving for their loss first.
        batch: Number of proposals before the first of them is answered, for several workers. It is 1 by
            default, whatever the number of workers: a record must not depend on who evaluates it, and the
            proposals of a batch do not know each other's answers. Where trainings keep several workers
            busy, 4 is a good choice for TPE: on 20 made-up problems of 10 units it found as much as 1 in
            24 and in 48 trials, a batch of 8 up to 3 % less; with 8 units and 24 trials, a batch of 4
            lost 3 to 4 % (`benchmarks/strategies_on_table.py`).
        tries: Number of repeated proposals in a row before a random mapping is taken.

    Raises:
        InputError: A number is not positive, a name of `enqueue` does not exist, or the sampler does not
            exist, cannot be used, or does not take the arguments.
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
        """The profile in one batch, if asked for; then `batch` candidates at a time.

        Raises:
            InputError: A mapping of `enqueue` does not fit the problem.
        """
        import optuna

        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce the study
        study = optuna.create_study(
            directions=["minimize"] * len(problem.objectives),
            sampler=self._build(int(rng.integers(2**31))),
        )
        optuna.logging.set_verbosity(verbosity)
        first = [named(problem, mapping) for mapping in self.enqueue]
        if self.profile is not None:
            profile = yield from measure_moves(problem, self.profile)
            first += profile.nested(problem, self.nested)
        for mapping in dict.fromkeys(first):
            study.enqueue_trial(_parameters(problem, mapping))
        proposed: dict[Mapping, Evaluation | None] = {}  # None: not answered yet
        while len(proposed) < size(problem):
            trials: list[tuple[optuna.Trial, Mapping]] = []
            while len(trials) < self.batch and len(proposed) < size(problem):
                trial, mapping = self._propose(problem, study, proposed, rng)
                proposed[mapping] = None
                trials.append((trial, mapping))
            evaluations = yield [problem.pretrained(mapping) for _, mapping in trials]
            proposed.update((evaluation.mapping, evaluation) for evaluation in evaluations)
            for (trial, _), evaluation in zip(trials, evaluations, strict=True):
                # The last evaluation is not told: exhaustive samplers refuse to go on after it.
                if len(proposed) < size(problem):
                    _tell(problem, study, trial, evaluation)

    def _propose(
        self,
        problem: Problem,
        study: optuna.Study,
        proposed: dict[Mapping, Evaluation | None],
        rng: np.random.Generator,
    ) -> tuple[optuna.Trial, Mapping]:
        """A trial whose mapping has not been proposed before."""
        from optuna.distributions import CategoricalDistribution

        space = {
            unit.name: CategoricalDistribution(problem.choices[unit.name]) for unit in problem.units
        }
        for attempt in range(self.tries + 1):
            if attempt == self.tries:
                study.enqueue_trial(_parameters(problem, random_unseen(problem, rng, proposed)))
            try:
                trial = study.ask(dict(space))
            except Exception as error:  # samplers check few of their arguments when they are made
                raise InputError(f"optuna: {self.sampler}: cannot propose: {error!r}") from error
            mapping = problem.mapping(trial.params)
            if mapping not in proposed:
                return trial, mapping
            _tell(problem, study, trial, proposed[mapping])
        raise AssertionError("an enqueued trial was not the next one")

    def _build(self, seed: int) -> optuna.samplers.BaseSampler:
        """The sampler, seeded.

        Raises:
            InputError: There is no sampler of that name, it is one of `REFUSED`, or it does not take
                the arguments.
        """
        from optuna import samplers

        offered = {name for name in samplers.__all__ if name.endswith("Sampler")} - set(REFUSED)
        if self.sampler in REFUSED:
            raise InputError(
                f"optuna: {self.sampler} {REFUSED[self.sampler]}; "
                f"allowed: {', '.join(sorted(offered))}"
            )
        if self.sampler not in offered:
            raise unknown("sampler", self.sampler, offered, "optuna")
        factory = getattr(samplers, self.sampler)
        allowed = set(inspect.signature(factory).parameters) - {"seed"}
        for key in self.arguments:
            if key not in allowed:
                raise unknown("argument", key, allowed, f"optuna: {self.sampler}")
        check_types(factory, self.arguments, f"optuna: {self.sampler}")
        defaults = DEFAULTS.get(self.sampler, {})
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
    problem: Problem, study: optuna.Study, trial: optuna.Trial, evaluation: Evaluation | None
) -> None:
    """Finish a trial with its evaluation; as failed where there is none yet."""
    import optuna

    if evaluation is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    # Samplers want the same constraints in every trial, but a broken cost limit leaves the drop unknown.
    worst = {"drop": 1.0 - problem.accuracy_limit.max_drop}
    for name, violation in {**worst, **evaluation.violations}.items():
        trial.set_constraint(name, violation)
    study.tell(trial, list(evaluation.objectives.values()))

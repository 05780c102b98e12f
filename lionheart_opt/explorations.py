"""Systems and mappings together: Optuna over the numbers of a system, an exact programme inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.api import system_of
from lionheart_opt.api_arguments import seed_of
from lionheart_opt.api_networks import as_workload
from lionheart_opt.cheapest import cheapest
from lionheart_opt.cost import COST_OBJECTIVES, Cost, CostObjective
from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError
from lionheart_opt.estimates import with_ends
from lionheart_opt.hardware.area import area_of
from lionheart_opt.hardware.constants import Scalar
from lionheart_opt.hardware.design_space import (
    ExploreObjective,
    Values,
    checked_values,
    chosen_objectives,
)
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.mapping import Mapping
from lionheart_opt.own_modules import beside
from lionheart_opt.pricing import priced
from lionheart_opt.results.exploration import Design, Exploration
from lionheart_opt.results.result import SearchResult
from lionheart_opt.signals import check_stopped
from lionheart_opt.space import Space
from lionheart_opt.studies import Study
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.schema import RunTable
from lionheart_opt.study.sources import Sources, plugin_sources
from lionheart_opt.study.storage import open_storage
from lionheart_opt.system import System
from lionheart_opt.text import shown
from lionheart_opt.uncertainty import known_cost
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    import optuna
    from torch import nn

USUAL_TRIALS = 100
#: User attribute of a trial with its design, as plain data.
DESIGN = "design"
#: Name of the parameter that says what the mapping costs least of.
CHEAPEST = "cheapest"


class NoMapping(Exception):
    """A design has no mapping that fits and keeps the limits; the text says so."""


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """The best mapping of a design."""

    mapping: Mapping
    cost: Cost
    drop: float | None = None
    drop_high: float | None = None
    budget_spent: bool = False


#: System, what its mapping costs least of -> its best mapping.
_Solver = Callable[[System, CostObjective], _Answer]


def explore(
    source: Study | Workload | nn.Module | str | dict[str, Any],
    vary: dict[str, Values] | None = None,
    *,
    system: str | System | None = None,
    objectives: Sequence[ExploreObjective] | None = None,
    trials: int | None = None,
    seed: int = 0,
    storage: str | None = None,
    example: Any = None,
    batch: int | None = None,
) -> Exploration:
    """Minimise time, energy and area over the numbers of a system and the mapping.

    For each design, an exact programme finds the mapping; with a study, `knapsack` finds one that keeps
    the study's limits, by its oracle. All designs are tried where they are no more than `trials`;
    otherwise Optuna's TPE chooses. Called again with a storage, it goes on.

    Args:
        source: A study (`lo.load`), or a network as `trace` takes it, whatever its accuracy.
        vary: Dotted name of a number of the system file -> its values, or a range `"64:512:64"` from, to
            (included), step. By default those of the study's `[explore]`.
        system: Name of a system, path of a TOML file, or the system itself; a study has its own.
        objectives: At most three of `latency_s`, `interval_s`, `energy_j` and `area_m2`. By default
            those of the study's `[explore]`, or latency, energy and, where the system gives it, area.
        trials: Designs at most, each with the mapping of least time and of least energy if both are
            objectives.
        seed: Seed of Optuna's sampler.
        storage: URL of an Optuna storage; a study has its own. None keeps the exploration in memory.
        example: As for `trace`; a study has its own.
        batch: As for `cost`; a study has its own.

    Example:
        >>> found = lo.explore("resnet8", {"targets.ima.rows": [128, 256, 512]}, system="imc-cluster")
        >>> found.to_frame()
        >>> lo.plot.exploration(found)

    Raises:
        InputError: A number does not exist or cannot have a value, or an objective is not known.
    """
    if isinstance(source, Study):
        if not (system is storage is example is batch is None):
            raise InputError(
                "explore: a study has its own system, storage, example and batch; give none of them"
            )
        return _explore_study(source, vary, objectives, trials, seed)
    if vary is None:
        raise InputError(
            "vary: names the numbers of the system, such as {'machine.clusters': [1, 2]}"
        )
    workload = as_workload(source, example, batch)
    machine = system_of("lionheart" if system is None else system)

    def solve(design: System, objective: CostObjective) -> _Answer:
        best = cheapest(Space(workload=workload, system=design), objective)
        if best is None:
            raise NoMapping("no mapping fits")
        cost = priced(plugins.cost_model(design), design, workload, best.mapping)
        known = known_cost(cost, design, workload, best.mapping, plugins.cost_model)
        return _Answer(mapping=best.mapping, cost=known)

    with beside(Path.cwd()):
        sources = plugin_sources("cost_models", machine.family, Path.cwd())
        return _Explorer(workload, machine, vary, objectives, solve, sources).run(
            trials, seed, None if storage is None else open_storage(storage)
        )


@dataclass(frozen=True)
class _DesignFile(StudyFile):
    """A study file on another system than it names."""

    design: System
    traced: Workload

    @cached_property
    def system(self) -> System:
        """The design."""
        return self.design

    @cached_property
    def workload(self) -> Workload:
        """The study's model, which was traced before."""
        return self.traced


def _explore_study(
    study: Study,
    vary: dict[str, Values] | None,
    objectives: Sequence[ExploreObjective] | None,
    trials: int | None,
    seed: int,
) -> Exploration:
    """Designs of a study's system; the searches inside are kept in the study's storage, too."""
    file = study.file
    table = file.table.explore
    if vary is None:
        if table is None:
            raise InputError(
                f"{file.path}: [explore] is missing: vary names the numbers to explore"
            )
        vary = dict(table.vary)
    if table is not None:
        objectives = table.objectives if objectives is None else objectives
        trials = table.trials if trials is None else trials

    def solve(design: System, objective: CostObjective) -> _Answer:
        label = f"explore {digest([design.digest, objective])}"
        own = file.table.model_copy(
            update={
                "run": (RunTable(strategy="knapsack", label=label),),
                "objectives": (objective,),
            }
        )
        redesigned_file = _DesignFile(file.path, own, design, file.workload)
        [result] = Study(redesigned_file).run(checks=False, progress=False)
        best = result.best
        if best is None:
            raise NoMapping("no mapping keeps the limits")
        bounds = result.best_bounds
        return _Answer(
            mapping=best.mapping,
            cost=result.problem.cost(best.mapping).within(design),
            drop=None if bounds is None else bounds.estimate,
            drop_high=None if bounds is None else bounds.high,
            budget_spent=_is_spent(result),
        )

    with study.beside():
        sources = file.oracle_sources | plugin_sources(
            "cost_models", file.system.family, file.folder
        )
        explorer = _Explorer(
            file.workload, file.system, vary, objectives, solve, sources, file.question
        )
        return explorer.run(trials, seed, file.storage)


def _is_spent(result: SearchResult) -> bool:
    """Whether a search had spent its budget, so that it may not have come to its end."""
    budget = result.budget
    return (budget.trials is not None and len(result.evaluations) >= budget.trials) or (
        budget.oracle_s is not None and result.oracle_s >= budget.oracle_s
    )


class _Explorer:
    """An exploration, its arguments checked."""

    def __init__(
        self,
        workload: Workload,
        system: System,
        vary: dict[str, Values],
        objectives: Sequence[ExploreObjective] | None,
        solve: _Solver,
        sources: Sources,
        question: dict[str, Any] | None = None,
    ) -> None:
        self.workload, self.system, self.solve = workload, system, solve
        self.objectives = chosen_objectives(objectives, system)
        self.vary = checked_values(vary, system)
        costs = [name for name in COST_OBJECTIVES if name in self.objectives]
        self.choices: dict[str, tuple[Scalar, ...]] = {**self.vary, CHEAPEST: tuple(costs)}
        decisive = [workload.digest, system.digest, self._plain(), sources, question]
        self.name = f"explore {digest(decisive)}"

    def _plain(self) -> dict[str, Any]:
        arrays = {
            target.name: None if target.array is None else target.array.model_dump(mode="json")
            for target in self.system.targets
        }
        vary = {name: list(values) for name, values in self.choices.items()}
        machine = self.system.machine
        return {
            "vary": vary,
            "objectives": list(self.objectives),
            "arrays": arrays,
            "area_m2": None if machine is None else machine.area_m2,
        }

    def run(
        self, trials: int | None, seed: int, storage: optuna.storages.BaseStorage | None
    ) -> Exploration:
        """Try designs until there are as many as asked for."""
        import optuna
        from optuna.trial import TrialState

        if trials is None:
            trials = USUAL_TRIALS
        if not isinstance(trials, Integral) or isinstance(trials, bool) or trials < 1:
            raise InputError(f"trials: got {shown(trials)}; must be a whole number from 1 on")
        seed = seed_of(seed)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            storage=storage,
            study_name=self.name,
            directions=["minimize"] * len(self.objectives),
            load_if_exists=True,
        )
        ended = (TrialState.COMPLETE, TrialState.FAIL)
        trials_so_far = study.get_trials(deepcopy=False, states=ended)
        kept = [each.user_attrs[DESIGN] for each in trials_so_far if DESIGN in each.user_attrs]
        done = {self._key(design) for design in kept}
        total = prod(map(len, self.choices.values()))
        if total <= trials:
            for values in product(*self.choices.values()):
                if values not in done:
                    study.enqueue_trial(dict(zip(self.choices, values, strict=True)))
                    self._try(study)
        else:
            # a sampler for each trial, so that an exploration that goes on tries what it would have
            for count in range(len(kept), trials):
                state = np.random.SeedSequence([seed, count]).generate_state(1)
                study.sampler = optuna.samplers.TPESampler(seed=int(state[0]))
                self._try(study)
        designs = [
            _design(trial.number, trial.user_attrs[DESIGN])
            for trial in study.get_trials(deepcopy=False, states=ended)
            if DESIGN in trial.user_attrs
        ]
        return Exploration(
            model=self.workload.name,
            system=self.system.name,
            objectives=self.objectives,
            designs=tuple(designs),
        )

    def _key(self, design: dict[str, Any]) -> tuple[Scalar, ...]:
        return (*design["numbers"].values(), design[CHEAPEST])

    def _try(self, study: optuna.Study) -> None:
        """One design, kept in the study before its values are told."""
        from optuna.trial import TrialState

        check_stopped()
        trial = study.ask()
        chosen: dict[str, Any] = {
            name: trial.suggest_categorical(name, values) for name, values in self.choices.items()
        }
        objective: CostObjective = chosen.pop(CHEAPEST)
        design: dict[str, Any] = {"numbers": chosen, CHEAPEST: objective, "mapping": None}
        try:
            system = self._designed(chosen)
            answer = self.solve(system, objective)
        except NoMapping as error:
            trial.set_user_attr(DESIGN, {**design, "results": {}, "problem": str(error)})
            study.tell(trial, state=TrialState.FAIL)
            return
        except BaseException:  # it is tried again
            study.tell(trial, state=TrialState.FAIL)
            raise
        results = self._results(system, answer)
        plain = {**design, "mapping": answer.mapping.to_json(), "results": results, "problem": ""}
        plain["budget_spent"] = answer.budget_spent
        trial.set_user_attr(DESIGN, plain)
        study.tell(trial, [results[name] for name in self.objectives])  # type: ignore[misc]

    def _designed(self, chosen: dict[str, Scalar]) -> System:
        """The system with chosen numbers, each of which can be used alone."""
        try:
            return redesigned(self.system, chosen)
        except InputError as error:
            raise NoMapping(str(error)) from error

    def _results(self, system: System, answer: _Answer) -> dict[str, float | None]:
        cost = answer.cost
        space = Space(workload=self.workload, system=system)
        return {
            **with_ends({name: cost.estimate(name) for name in COST_OBJECTIVES}),
            **area_of(cost, self.workload, system),
            "analog_mac_ratio": space.analog_mac_ratio(answer.mapping),
            "drop": answer.drop,
            "drop_high": answer.drop_high,
        }


def _design(number: int, plain: dict[str, Any]) -> Design:
    return Design(
        trial=number,
        numbers=plain["numbers"],
        cheapest=plain[CHEAPEST],
        mapping=plain["mapping"],
        results=plain["results"],
        problem=plain["problem"],
        budget_spent=plain.get("budget_spent", False),
    )

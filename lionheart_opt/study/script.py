"""A study that is made in Python: a problem and the searches that answer it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lionheart_opt.accuracy import AccuracyOracle, Enumerates, StoresWeights
from lionheart_opt.buckets import place_of
from lionheart_opt.errors import Collected, InputError
from lionheart_opt.problem import Problem
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.openings import Opening, openings
from lionheart_opt.study.plan import Budget, SearchPlan, chosen
from lionheart_opt.study.reading import storage_to_read
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.sources import Sources, object_sources, plugin_sources
from lionheart_opt.study.specification import problem_specification
from lionheart_opt.study.storage import file_of, open_storage
from lionheart_opt.text import shown

if TYPE_CHECKING:
    import optuna

    from lionheart_opt.artifacts import OutcomeStore
    from lionheart_opt.study.search import Search


#: Trials of a search that has no budget of its own.
USUAL_TRIALS = 100


class StudyScript:
    """A study that is made in Python; to what uses it, it looks like a `StudyFile`.

    Args:
        name: What messages and reports call it.
        problem: What its searches answer.
        plans: The searches.
        storage: URL of the Optuna storage that keeps the records; None keeps them in memory.
        artifacts: Where weights and outcomes are kept: a folder, `s3://BUCKET/PREFIX` or
            `gs://BUCKET/PREFIX`; beside the file of the storage by default.

    Raises:
        InputError: There are no searches, or two of them have the same name.
    """

    def __init__(
        self,
        name: str,
        problem: Problem,
        plans: Sequence[SearchPlan],
        storage: str | None,
        artifacts: str | Path | None = None,
    ) -> None:
        if not isinstance(problem, Problem):
            raise InputError(
                f"problem: got an object of type {type(problem).__name__}; "
                "make one with lo.problem(...)"
            )
        if not isinstance(name, str):
            raise InputError(f"name: got {shown(name)}; must be a text")
        if not plans:
            raise InputError(f"{name}: at least one search is needed")
        names = [plan.name for plan in plans]
        for each in names:
            if names.count(each) > 1:
                raise InputError(
                    f"{name}: two searches are called {each!r}; give them other labels"
                )
        self.name = name
        beside = None if storage is None else artifacts_beside(storage)
        self.artifacts = beside if artifacts is None else place_of(artifacts)
        self.problem = _stored(problem, self.artifacts)
        self._plans = list(plans)
        self.storage_url = storage
        self._records: dict[str, Record] = {}

    def __repr__(self) -> str:
        return f"StudyScript({self.name!r}: {len(self._plans)} searches)"

    @property
    def folder(self) -> Path:
        """The working folder."""
        return Path.cwd()

    @property
    def question_text(self) -> str:
        """A study in Python has none."""
        return ""

    @property
    def model_name(self) -> str:
        """Name of the network."""
        return self.problem.workload.name

    @property
    def trainings(self) -> int:
        """Trainings that a verdict rests on, where nobody says."""
        return 1

    def beside(self) -> AbstractContextManager[None]:
        """Nothing lies beside it that could not be imported anyway."""
        return nullcontext()

    @property
    def oracle(self) -> AccuracyOracle:
        """The oracle of the problem."""
        return self.problem.oracle

    @property
    def is_on_a_table(self) -> bool:
        """Whether the oracle can list its mappings."""
        return isinstance(self.oracle, Enumerates)

    def plans(self, only: Sequence[str] = ()) -> list[SearchPlan]:
        """As `StudyFile.plans`."""
        return chosen(self._plans, only, "search", self.name)

    @property
    def outcomes(self) -> OutcomeStore | None:
        """Where records keep which examples are right."""
        if self.storage_url is None or self.artifacts is None:
            return None
        from lionheart_opt.artifacts import OutcomeStore

        return OutcomeStore(self.artifacts)

    @cached_property
    def storage(self) -> optuna.storages.BaseStorage:
        """The storage, opened."""
        if self.storage_url is None:
            raise InputError(f"{self.name}: it has no storage")
        return open_storage(self.storage_url)

    @cached_property
    def question(self) -> dict[str, Any]:
        """Everything that decides results, but for the strategy; as plain data."""
        return problem_specification(self.problem)

    def specification(self, plan: SearchPlan) -> dict[str, Any]:
        """Everything that decides the results of one search."""
        return {**self.question, "strategy": plan.specification}

    def sources(self, plan: SearchPlan) -> dict[str, Sources]:
        """As `StudyFile.sources`, also for objects whose classes come from modules."""
        oracle = self.problem.oracle
        layers_of = getattr(getattr(oracle, "model", None), "modules", None)
        layers = list(layers_of()) if callable(layers_of) else []
        named = isinstance(plan.strategy, str)
        return {
            "oracle": object_sources([oracle, *layers]),
            "cost model": object_sources([self.problem.cost_model]),
            "strategy": plugin_sources("strategies", plan.strategy_name, self.folder)
            if named
            else object_sources([plan.strategy]),
        }

    def _place(self, plan: SearchPlan) -> str:
        return f"{self.name}: {plan.label!r}"

    def openings(
        self, problem: Problem, oracle: AccuracyOracle | None, wrong: Collected
    ) -> list[Opening]:
        """How each run begins; see `openings`."""
        return openings(
            problem,
            oracle,
            self._plans,
            lambda plan: plan.build(self._place(plan)),
            self._place,
            wrong,
        )

    def check_strategies(self) -> None:
        """Build every strategy, so that a mistake shows at once."""
        self.problem.check_limit()
        wrong = Collected()
        for plan in self._plans:
            with wrong.collect():
                plan.build(self._place(plan))
        wrong.refuse()

    def search(self, plan: SearchPlan) -> Search:
        """A search, its record opened or created.

        Raises:
            InputError: The record was made with other settings.
        """
        from lionheart_opt.study.search import Search

        strategy = plan.build(self._place(plan))
        if plan.name not in self._records:
            self._records[plan.name] = self._open(plan)
        return Search(self._records[plan.name], strategy, seed=plan.seed, budget=plan.budget)

    def _open(self, plan: SearchPlan) -> Record:
        if self.storage_url is None:
            return Record(self.problem, InMemory(plan.name))
        from lionheart_opt.study.optuna_keeper import OptunaKeeper

        return Record(
            self.problem,
            OptunaKeeper.open(
                self.problem,
                plan.name,
                self.storage,
                self.specification(plan),
                sources=self.sources(plan),
                outcomes=self.outcomes,
            ),
        )

    def records(self) -> Iterator[tuple[SearchPlan, Record]]:
        """The searches that have a record; it creates and writes nothing."""
        storage = self.storage_to_read()
        for plan in self._plans:
            record = self._records.get(plan.name)
            if record is None and storage is not None:  # an empty record is false
                record = self._existing(plan, storage)
            if record is not None:
                yield plan, record

    def _existing(self, plan: SearchPlan, storage: optuna.storages.BaseStorage) -> Record | None:
        from lionheart_opt.study.optuna_keeper import OptunaKeeper

        keeper = OptunaKeeper.existing(
            plan.name, storage, self.specification(plan), outcomes=self.outcomes
        )
        return None if keeper is None else Record(self.problem, keeper)

    def stored_name(self, search: str, *_: object) -> str:
        """The name of the search itself: in Python, users name it."""
        return search

    def storage_to_read(self) -> optuna.storages.BaseStorage | None:
        """As that of `StudyFile`."""
        if "storage" in vars(self):
            return self.storage
        return None if self.storage_url is None else storage_to_read(self.storage_url)


def artifacts_beside(storage: str) -> Path | None:
    """The folder of artifacts beside the file of a storage; None where it has no file."""
    file = file_of(storage)
    return None if file is None else file.parent / "artifacts"


def label_of(strategy: str | Strategy) -> str:
    """What tables call a strategy that has no label."""
    return strategy if isinstance(strategy, str) else type(strategy).__name__


def usual_budget(trials: int | None, oracle_s: float | None) -> Budget:
    """The budget of a search; `USUAL_TRIALS` if it has none."""
    if trials is None and oracle_s is None:
        trials = USUAL_TRIALS
    return Budget(trials=trials, oracle_s=oracle_s)


def _stored(problem: Problem, place: str | Path | None) -> Problem:
    """The problem, its trained weights kept in a place."""
    if place is None or not isinstance(problem.oracle, StoresWeights):
        return problem
    return replace(problem, oracle=problem.oracle.storing_in(place))

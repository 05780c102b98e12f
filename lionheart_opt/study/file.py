"""The study file: what people write. From TOML to a problem, and to the searches that answer it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from lionheart_opt import plugins
from lionheart_opt.accuracy import AccuracyOracle, cannot_answer, questions_of
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.oracle_context import OracleContext
from lionheart_opt.own_modules import beside
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.question import build_oracle, build_problem, is_table, oracle_class
from lionheart_opt.study.record import Record
from lionheart_opt.study.recorded_oracle import RecordedOracle
from lionheart_opt.study.schema import RunTable, StudyTable
from lionheart_opt.study.search import Budget, Search, SearchPlan
from lionheart_opt.study.specification import identity
from lionheart_opt.study.storage import open_storage, storage_exists
from lionheart_opt.system import System
from lionheart_opt.text import printable
from lionheart_opt.text_files import parse_toml, read_text, reported
from lionheart_opt.toml_errors import first_problem
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    import optuna

#: The study of a folder.
STUDY_FILE = "study.toml"


class _Asked(Exception):
    """A strategy that is being checked has asked a question that the oracle can answer."""


@dataclass(frozen=True)
class StudyFile:
    """A study file, read and checked.

    Args:
        path: The file.
        table: What it says.
    """

    path: Path
    table: StudyTable

    @staticmethod
    def load(path: Path) -> StudyFile:
        """Read `path`, or `path/study.toml` if it is a folder.

        Raises:
            InputError: There is no such file, or it is not TOML; a key is unknown, missing, or of the
                wrong type.
        """
        with reported(path):  # its name may be too long
            file = path / STUDY_FILE if path.is_dir() else path
        data = parse_toml(read_text(file), str(file))
        try:
            table = StudyTable.model_validate(data)
        except ValidationError as error:
            raise first_problem(error, str(file), StudyTable, data) from error
        labels = [run.name for run in table.run]
        for label in labels:
            if labels.count(label) > 1:
                raise InputError(
                    f"{file}: two runs are called {label!r}; give them different labels"
                )
        return StudyFile(file, table)

    def __repr__(self) -> str:
        return f"StudyFile({str(self.path)!r}: {self.table.question!r})"

    @property
    def folder(self) -> Path:
        """Where the file lies."""
        return self.path.parent

    @property
    def figures(self) -> Path:
        """Where its figures go: those of a folder's several study files are kept apart."""
        folder = self.folder / "figures"
        return folder if self.path.name == STUDY_FILE else folder / self.path.stem

    @property
    def name(self) -> str:
        """The folder's name."""
        return printable(self.path.resolve().parent.name)

    def beside(self) -> AbstractContextManager[None]:
        """While this context is open, `module:attr` may name a module beside the study."""
        return beside(self.folder)

    # --- the problem ------------------------------------------------------------------------------

    @cached_property
    def system(self) -> System:
        """The system that the study names."""
        return plugins.load_system(self.table.system, f"{self.path}: system", self.folder)

    @cached_property
    def workload(self) -> Workload:
        """The study's model, traced."""
        from lionheart_opt import datasets, models
        from lionheart_opt.tracing import trace_model

        model, data = self.table.model, self.table.data
        shape = model.input_shape
        if shape is None and model.name not in models.available() and data is not None:
            built_in = datasets.available().get(data.name)
            shape = built_in.image_shape if built_in else None
        try:
            with self.beside():
                workload = trace_model(model.name, shape, **model.arguments)
        except InputError as error:
            raise InputError(f"{self.path}: [model]: {error}") from error
        try:
            return workload.grouped({name: list(units) for name, units in self.table.units.items()})
        except InputError as error:
            raise InputError(f"{self.path}: [units]: {error}") from error

    @cached_property
    def context(self) -> OracleContext:
        """What the oracle is built from."""
        return OracleContext(
            workload=self.workload,
            system=self.system,
            model=self.table.model,
            data=self.table.data,
            digital=self.table.digital,
            times_s=self.table.limits.time_s,
            folder=self.folder,
            artifacts=self.folder / "artifacts",
            origin=str(self.path),
        )

    @cached_property
    def oracle(self) -> AccuracyOracle:
        """The oracle itself, built; it loads data, but trains nothing yet."""
        with self.beside():
            return build_oracle(self.context, self.table.oracle)

    @cached_property
    def is_on_a_table(self) -> bool:
        """Whether the oracle answers from a table."""
        with self.beside():
            return is_table(oracle_class(self.table.oracle, f"{self.path}: [oracle]"))

    @cached_property
    def problem(self) -> Problem:
        """The question that every search of the study answers."""
        table = self.table
        oracle: AccuracyOracle = (
            self.oracle
            if self.is_on_a_table
            else RecordedOracle(
                lambda: self.oracle,
                self._studies_of_the_oracle,
                training=table.training,
                seed=table.seed,
            )
        )
        with self.beside():
            return build_problem(
                self.context,
                oracle,
                accuracy_limit=table.limits.accuracy_limit,
                objectives=table.objectives,
                cost_limits=table.limits.cost_limits,
                training=table.training,
                seed=table.seed,
            )

    # --- what decides its results -----------------------------------------------------------------

    @cached_property
    def question(self) -> dict[str, Any]:
        """Everything that decides results, but for the strategy; as plain data."""
        kept = {"objectives", "training", "digital", "seed", "model", "data", "oracle", "limits"}
        return {**self._plain(kept), **self._digests}

    @cached_property
    def oracle_specification(self) -> dict[str, Any]:
        """Everything that decides what the oracle answers; objectives and limits do not."""
        return {**self._plain({"model", "data", "oracle", "seed"}), **self._digests}

    @cached_property
    def contents(self) -> dict[str, Any]:
        """What the names in the study file stand for: identity of the oracle, which is built for it."""
        with self.beside():
            return identity(self.oracle)

    def specification(self, plan: SearchPlan) -> dict[str, Any]:
        """Everything that decides the results of one search; a record is tied to it."""
        return {**self.question, "strategy": plan.specification}

    def _plain(self, keys: set[str]) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(self.table.model_dump_json(include=keys))
        return plain

    @property
    def _digests(self) -> dict[str, Any]:
        return {"workload": self.workload.digest, "system": self.system.digest}

    # --- searches ---------------------------------------------------------------------------------

    def plans(self, only: Sequence[str] = ()) -> list[SearchPlan]:
        """Every search that the file asks for, or those of the runs in `only`.

        Args:
            only: Labels of runs, or names of searches (`LABEL/seedN`).

        Raises:
            InputError: A label does not exist.
        """
        plans = [
            SearchPlan(
                label=run.name,
                strategy=run.strategy,
                arguments=run.arguments,
                seed=seed,
                budget=self.budget(run),
            )
            for run in self.table.run
            for seed in run.seeds
        ]
        names = {plan.label for plan in plans} | {plan.name for plan in plans}
        for name in only:
            if not isinstance(name, str) or name not in names:
                raise unknown("run", name, names, str(self.path))
        return [plan for plan in plans if not only or plan.label in only or plan.name in only]

    def budget(self, run: RunTable) -> Budget:
        """The run's own budget, or the study's."""
        table = run.budget or self.table.budget
        return Budget(trials=table.trials, oracle_s=table.oracle_s)

    def strategy(self, plan: SearchPlan) -> Strategy:
        """The strategy of a search, with its arguments.

        Raises:
            InputError: There is no such strategy or argument.
        """
        where = f"{self.path}: run {plan.label!r}"
        with self.beside():
            try:
                return plan.build(where)
            except InputError as error:  # what the strategy itself refuses does not know its place
                if str(error).startswith(where):
                    raise
                raise InputError(f"{where}: {error}") from error

    def check_strategies(self) -> None:
        """Build every strategy and take its first proposals, so that a mistake shows at once.

        A strategy that asks the oracle first is followed up to its question, which is not answered here.

        Raises:
            InputError: An argument does not exist, or does not fit the problem or the oracle.
        """
        problem = replace(self.problem, answers=self._asked)
        first_of_each_run = {plan.label: plan for plan in reversed(self.plans())}
        for label, plan in reversed(first_of_each_run.items()):
            with self.beside():
                proposals = self.strategy(plan).search(problem, np.random.default_rng(plan.seed))
                try:
                    for candidate in next(proposals, []):
                        self.problem.check(candidate.mapping)
                except _Asked:
                    continue
                except InputError as error:
                    raise InputError(f"{self.path}: run {label!r}: {error}") from error
                finally:
                    proposals.close()

    def _asked(self, question: Question) -> Answer:
        if type(question) not in questions_of(self.oracle):
            raise cannot_answer(question)
        raise _Asked

    # --- records ----------------------------------------------------------------------------------

    @cached_property
    def storage(self) -> optuna.storages.BaseStorage:
        """The study's storage, opened; created where it does not exist."""
        return open_storage(self.table.storage, self.folder)

    @cached_property
    def _records_storage(self) -> optuna.storages.BaseStorage:
        """The storage, opened such that reading creates nothing in it."""
        return open_storage(self.table.storage, self.folder, reads_only=True)

    def _opened(self) -> optuna.storages.BaseStorage:
        """The storage to read from: the one that is written to, once there is one."""
        return self.storage if "storage" in vars(self) else self._records_storage

    @property
    def has_records(self) -> bool:
        """Whether there may be records: False before the first run."""
        return storage_exists(self.table.storage, self.folder)

    def search(self, plan: SearchPlan) -> Search:
        """A search, its record opened or created.

        Raises:
            InputError: The record was made with other settings.
        """
        from lionheart_opt.study.optuna_keeper import OptunaKeeper

        keeper = OptunaKeeper.open(
            self.problem, plan.name, self.storage, self.specification(plan), self.contents
        )
        return Search(
            Record(self.problem, keeper), self.strategy(plan), seed=plan.seed, budget=plan.budget
        )

    def records(self) -> Iterator[tuple[SearchPlan, Record]]:
        """The searches that have a record; it creates nothing.

        Raises:
            InputError: A record was made with other settings.
        """
        if not self.has_records:
            return
        from lionheart_opt.study.optuna_keeper import OptunaKeeper

        for plan in self.plans():
            keeper = OptunaKeeper.existing(plan.name, self._opened(), self.specification(plan))
            if keeper is not None:
                yield plan, Record(self.problem, keeper)

    def _studies_of_the_oracle(self) -> list[optuna.Study]:
        """Searches and profiles of the storage that asked this oracle."""
        if not self.has_records:
            return []
        from lionheart_opt.study.optuna_keeper import studies_of

        return studies_of(self._opened(), self.oracle_specification, self.contents)

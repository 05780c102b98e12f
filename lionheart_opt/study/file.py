"""The study file: what people write. From TOML to a problem, and to the searches that answer it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
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
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.record import Record
from lionheart_opt.study.recorded_oracle import Remembering
from lionheart_opt.study.schema import RunTable, StudyTable
from lionheart_opt.study.search import Budget, Search
from lionheart_opt.study.storage import open_storage, storage_exists
from lionheart_opt.system import System
from lionheart_opt.toml_errors import first_problem
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    import optuna


#: The study of a folder.
STUDY_FILE = "study.toml"


class _Asked(Exception):
    """A strategy under check has come to a question that the oracle can answer."""


@dataclass(frozen=True)
class StudyFile:
    """A study file, read and checked."""

    path: Path
    table: StudyTable

    @staticmethod
    def load(path: Path) -> StudyFile:
        """Read `path`, or `path/study.toml` if it is a folder.

        Raises:
            InputError: no such file; not TOML; a key is unknown, missing, or of the wrong type.
        """
        file = path / STUDY_FILE if path.is_dir() else path
        try:
            data = tomllib.loads(file.read_text())
        except OSError as error:
            raise InputError(f"{file}: {error.strerror or error}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: not valid TOML: {error}") from error
        try:
            table = StudyTable.model_validate(data)
        except ValidationError as error:
            raise first_problem(error, str(file), StudyTable, data) from error
        names = [run.name for run in table.run]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"{file}: two runs are called {name!r}; give them different labels"
                )
        return StudyFile(file, table)

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
        return self.path.resolve().parent.name

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
            known = datasets.available().get(data.name)
            shape = known.image_shape if known else None
        try:
            workload = trace_model(model.name, shape, **model.arguments)
        except InputError as error:
            raise InputError(f"{self.path}: [model]: {error}") from error
        try:
            return workload.grouped({name: list(units) for name, units in self.table.units.items()})
        except InputError as error:
            raise InputError(f"{self.path}: [units]: {error}") from error

    @cached_property
    def oracle_class(self) -> Any:
        """The plug-in of `[oracle]`: its class has `from_study`."""
        kind = self.table.oracle.get("kind", "hat")
        if not isinstance(kind, str):
            raise InputError(f"{self.path}: [oracle] kind: got {kind!r}; must be a name")
        return plugins.load("oracles", kind, f"{self.path}: [oracle] kind")

    @cached_property
    def oracle(self) -> AccuracyOracle:
        """The oracle, built; loads data, but trains nothing yet."""
        settings = {key: value for key, value in self.table.oracle.items() if key != "kind"}
        context = OracleContext(
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
        oracle: AccuracyOracle = self.oracle_class.from_study(context, settings)
        return oracle

    @property
    def _knows_all(self) -> bool:
        """Whether the oracle is a table, whose answers need no remembering."""
        return hasattr(self.oracle_class, "mappings")

    @cached_property
    def problem(self) -> Problem:
        """The question that every strategy of the study answers."""
        limits = self.table.limits
        costs = {name: getattr(limits, name) for name in ("latency_s", "energy_j", "interval_s")}
        return Problem(
            workload=self.workload,
            system=self.system,
            digital=self.table.digital,
            cost_model=plugins.cost_model(self.system),
            oracle=self.oracle if self._knows_all else Remembering(self),
            objectives=self.table.objectives,
            accuracy_limit=limits.accuracy_limit,
            cost_limits={name: value for name, value in costs.items() if value is not None},
            training=self.table.training,
            seed=self.table.seed,
        )

    def strategy(self, run: RunTable) -> Strategy:
        """The strategy of one run, with its arguments."""
        strategy: Strategy = plugins.build(
            "strategies", run.strategy, run.arguments, f"{self.path}: run {run.name!r}"
        )
        return strategy

    @cached_property
    def storage(self) -> optuna.storages.BaseStorage:
        """The study's storage, opened; created where it does not exist."""
        return open_storage(self.table.storage, self.folder)

    @cached_property
    def question(self) -> dict[str, Any]:
        """Everything that decides results, but for the strategy; as plain data."""
        kept = {"objectives", "training", "digital", "seed", "model", "data", "oracle", "limits"}
        return {
            **json.loads(self.table.model_dump_json(include=kept)),
            "workload": self.workload.digest,
            "system": self.system.digest,
        }

    def specification(self, run: RunTable, seed: int) -> dict[str, Any]:
        """Everything that decides the results of one search; a record is tied to it."""
        return {
            **self.question,
            "strategy": {"name": run.strategy, "arguments": run.arguments, "seed": seed},
        }

    def runs(self, only: Sequence[str] = ()) -> Iterator[tuple[RunTable, int]]:
        """Every run and seed, or those of the labels in `only`.

        Raises:
            InputError: a label does not exist.
        """
        labels = [run.name for run in self.table.run]
        for label in only:
            if label not in labels:
                raise unknown("run", label, labels, str(self.path))
        for run in self.table.run:
            if not only or run.name in only:
                for seed in run.seeds:
                    yield run, seed

    def check_strategies(self) -> None:
        """Build every strategy and take its first proposals: a mistake must not show after hours.

        A strategy that asks the oracle first is followed to its question, which costs too much here.

        Raises:
            InputError: an argument does not exist, or does not fit the problem or the oracle.
        """
        problem = replace(self.problem, knowledge=self._asked)
        for run in self.table.run:
            search = self.strategy(run).search(problem, np.random.default_rng(run.seeds[0]))
            try:
                for candidate in next(search, []):
                    self.problem.check(candidate.mapping)
            except _Asked:
                continue
            except InputError as error:
                raise InputError(f"{self.path}: run {run.name!r}: {error}") from error
            finally:
                search.close()

    def _asked(self, question: Question) -> Answer:
        if type(question) not in questions_of(self.oracle):
            raise cannot_answer(question)
        raise _Asked

    def search(self, run: RunTable, seed: int) -> Search:
        """One search, its record opened or created."""
        name = search_name(run, seed)
        specification = self.specification(run, seed)
        record = Record.open(self.problem, name, self.storage, specification)
        return Search(record, self.strategy(run), seed, self.budget(run))

    def budget(self, run: RunTable) -> Budget:
        """The run's own budget, or the study's."""
        table = run.budget or self.table.budget
        return Budget(trials=table.trials, oracle_s=table.oracle_s)

    def records(self) -> Iterator[tuple[RunTable, int, Record]]:
        """The searches that have a record; creates nothing.

        Raises:
            InputError: a record was made for another question.
        """
        if not storage_exists(self.table.storage, self.folder):
            return
        for run, seed in self.runs():
            specification = self.specification(run, seed)
            record = Record.existing(
                self.problem, search_name(run, seed), self.storage, specification
            )
            if record is not None:
                yield run, seed, record


def search_name(run: RunTable, seed: int) -> str:
    """Name of the search's Optuna study."""
    return f"{run.name}/seed{seed}"

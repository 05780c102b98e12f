"""The study file: what people write. From TOML to a problem, and to the searches that answer it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lionheart_opt import plugins
from lionheart_opt.accuracy import AccuracyOracle
from lionheart_opt.buckets import place_of
from lionheart_opt.errors import Collected, InputError
from lionheart_opt.granularity import with_units
from lionheart_opt.oracle_context import OracleContext
from lionheart_opt.own_modules import beside
from lionheart_opt.problem import Problem
from lionheart_opt.space import matching_units
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.names import lies_in, stored_name
from lionheart_opt.study.openings import Opening, openings
from lionheart_opt.study.plan import SearchPlan, chosen, plans_of
from lionheart_opt.study.question import (
    USUAL_ORACLE,
    build_oracle,
    build_problem,
    is_table,
    recorded_settings,
)
from lionheart_opt.study.reading import storage_to_read
from lionheart_opt.study.record import Record
from lionheart_opt.study.recorded_oracle import RecordedOracle
from lionheart_opt.study.schema import StudyTable
from lionheart_opt.study.sources import Sources, named_sources, plugin_sources
from lionheart_opt.study.specification import identity, recorded_limits
from lionheart_opt.study.storage import open_storage
from lionheart_opt.study.traced import traced
from lionheart_opt.system import System
from lionheart_opt.text import printable
from lionheart_opt.text_files import parse_toml, read_text, reported
from lionheart_opt.toml_errors import all_problems
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    import optuna

    from lionheart_opt.artifacts import OutcomeStore
    from lionheart_opt.study.search import Search

#: Keys that decide what the oracle answers.
_OF_THE_ORACLE = ("model", "data", "task", "oracle")
#: The study of a folder.
STUDY_FILE = "study.toml"


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
            raise all_problems(error, str(file), StudyTable, data) from error
        [(label, count)] = Counter(run.name for run in table.run).most_common(1)
        if count > 1:
            raise InputError(f"{file}: two runs are called {label!r}; give them other labels")
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

    @property
    def question_text(self) -> str:
        """What the study is to find out."""
        return self.table.question

    @property
    def model_name(self) -> str:
        """What the study calls its network."""
        return self.table.model.name

    @property
    def trainings(self) -> int:
        """Trainings that a verdict rests on."""
        return self.table.verdict.trainings

    def beside(self) -> AbstractContextManager[None]:
        """While this context is open, `module:attr` may name a module beside the study."""
        return beside(self.folder)

    @cached_property
    def system(self) -> System:
        """The system that the study names."""
        return plugins.load_system(self.table.system, f"{self.path}: system", self.folder)

    @cached_property
    def network(self) -> Workload:
        """The study's model, traced."""
        try:
            with self.beside():
                return traced(self.table, self.folder)
        except InputError as error:
            raise InputError(f"{self.path}: [model]: {error}") from error

    @cached_property
    def workload(self) -> Workload:
        """The study's model, with the batch and the units that the study asks for."""
        return self.workload_of(self.network)

    def workload_of(self, network: Workload) -> Workload:
        """A traced network, with the batch and the units that the study asks for."""
        workload = network.with_batch(self.table.batch)
        return with_units(workload, self.table.units, f"{self.path}: [units]")

    @cached_property
    def context(self) -> OracleContext:
        """What the oracle is built from."""
        return self.context_with(self.matching(self.table.digital))

    def matching(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Names of the units that patterns of `digital` match; see `matching_units`."""
        return matching_units(self.workload, patterns, f"{self.path}: digital")

    def context_with(self, digital: tuple[str, ...]) -> OracleContext:
        """What the oracle is built from, with these units kept on the host."""
        return OracleContext(
            workload=self.workload,
            system=self.system,
            model=self.table.model,
            data=self.table.data,
            digital=digital,
            times_s=self.table.limits.time_s,
            folder=self.folder,
            artifacts=self.artifacts,
            origin=str(self.path),
            relative=self.table.limits.accuracy_limit.relative,
            task=self.table.task,
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
            return is_table(self.table.oracle, f"{self.path}: [oracle]")

    @cached_property
    def problem(self) -> Problem:
        """The question that every search of the study answers."""
        if self.is_on_a_table:
            return self.problem_with(self.context, self.oracle)
        oracle = RecordedOracle(
            lambda: self.oracle,
            self._studies_of_the_oracle,
            training=self.table.training,
            seed=self.table.seed,
            outcomes=self.outcomes,
        )
        return self.problem_with(self.context, oracle)

    def problem_with(self, context: OracleContext, oracle: AccuracyOracle) -> Problem:
        """The question, with this oracle."""
        table = self.table
        with self.beside():
            return build_problem(
                context,
                oracle,
                accuracy_limit=table.limits.accuracy_limit,
                objectives=table.objectives,
                cost_limits=table.limits.cost_limits,
                training=table.training,
                seed=table.seed,
            )

    @cached_property
    def question(self) -> dict[str, Any]:
        """Everything that decides results, but for the strategy; as plain data."""
        return self.question_about(self.workload)

    def question_about(self, workload: Workload) -> dict[str, Any]:
        """As `question`, about this workload."""
        kept = {"objectives", "training", "digital", "seed", *_OF_THE_ORACLE, "limits"}
        plain = self._plain(kept | ({"batch"} if self.table.batch > 1 else set()))
        plain["limits"] = recorded_limits(plain["limits"])
        return self._with_digests(plain, workload)

    @cached_property
    def oracle_specification(self) -> dict[str, Any]:
        """Everything that decides what the oracle answers; objectives and limits do not."""
        return self._with_digests(self._plain({*_OF_THE_ORACLE, "seed"}), self.workload)

    @cached_property
    def contents(self) -> dict[str, Any]:
        """What the names in the study file stand for: identity of the oracle, which is built for it."""
        with self.beside():
            return identity(self.oracle)

    @cached_property
    def oracle_sources(self) -> Sources:
        """Sources of the plug-ins that decide what the oracle answers."""
        asked = self._plain({*_OF_THE_ORACLE})
        kind = str(asked["oracle"].get("kind", USUAL_ORACLE))
        return named_sources(asked, self.folder) | plugin_sources("oracles", kind, self.folder)

    def sources(self, plan: SearchPlan) -> dict[str, Sources]:
        """Sources of the plug-ins that decide the results of one search; a record is tied to them."""
        return {
            "oracle": self.oracle_sources,
            "cost model": plugin_sources("cost_models", self.system.family, self.folder),
            "strategy": {
                **named_sources(plan.arguments, self.folder),
                **plugin_sources("strategies", plan.strategy_name, self.folder),
            },
        }

    def specification(self, plan: SearchPlan) -> dict[str, Any]:
        """Everything that decides the results of one search; a record is tied to it."""
        return {**self.question, "strategy": plan.specification}

    def _plain(self, keys: set[str]) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(self.table.model_dump_json(include=keys))
        return {**plain, "oracle": recorded_settings(plain["oracle"])}

    def _with_digests(self, plain: dict[str, Any], of: Workload) -> dict[str, Any]:
        digests = {"workload": of.with_batch(1).digest, "system": self.system.digest}
        return {**plain, **digests}

    def plans(self, only: Sequence[str] = ()) -> list[SearchPlan]:
        """Every search that the file asks for, or those of the runs in `only`.

        Args:
            only: Labels of runs, or names of searches (`LABEL/seedN`).

        Raises:
            InputError: A label does not exist.
        """
        plans = [each for run in self.table.run for each in plans_of(run, self.table.budget)]
        return chosen(plans, only, "run", str(self.path))

    def strategy(self, plan: SearchPlan) -> Strategy:
        """The strategy of a search, with its arguments.

        Raises:
            InputError: There is no such strategy or argument.
        """
        where = self._place(plan)
        with self.beside():
            try:
                return plan.build(where)
            except InputError as error:  # what the strategy itself refuses does not know its place
                if str(error).startswith(where):
                    raise
                raise InputError(f"{where}: {error}") from error

    def _place(self, plan: SearchPlan) -> str:
        return f"{self.path}: run {plan.label!r}"

    def openings(
        self, problem: Problem, oracle: AccuracyOracle | None, wrong: Collected
    ) -> list[Opening]:
        """How each run begins; see `openings`."""
        with self.beside():
            return openings(problem, oracle, self.plans(), self.strategy, self._place, wrong)

    def check_strategies(self) -> None:
        """Build every strategy and take its first proposals, so that a mistake shows at once.

        Raises:
            InputError: An argument does not exist, or does not fit the problem or the oracle.
        """
        self.problem.check_limit()
        wrong = Collected()
        self.openings(self.problem, self.oracle, wrong)
        wrong.refuse()

    @property
    def outcomes(self) -> OutcomeStore:
        """Where records keep which examples are right."""
        from lionheart_opt.artifacts import OutcomeStore

        return OutcomeStore(self.artifacts)

    @property
    def artifacts(self) -> str | Path:
        """Where artifacts are kept; see `place_of`."""
        return place_of(self.table.artifacts, self.folder)

    @cached_property
    def storage(self) -> optuna.storages.BaseStorage:
        """The study's storage, opened; created where it does not exist."""
        return open_storage(self.storage_url, self.folder)

    @property
    def storage_url(self) -> str:
        """URL of the storage."""
        return self.table.storage

    def stored_name(
        self, search: str, specification: dict[str, Any], storage: optuna.storages.BaseStorage
    ) -> str:
        """What the Optuna study of a search is called; see `names.stored_name`."""
        is_own = lies_in(self.folder, self.storage_url)
        return stored_name(storage, self.name, search, specification, is_own=is_own)

    def storage_to_read(self) -> optuna.storages.BaseStorage | None:
        """The storage, opened for reading only unless it is open; None where it has no records."""
        if "storage" in vars(self):
            return self.storage
        return storage_to_read(self.storage_url, self.folder)

    def search(self, plan: SearchPlan) -> Search:
        """A search, its record opened or created.

        Raises:
            InputError: The record was made with other settings.
        """
        from lionheart_opt.study.optuna_keeper import OptunaKeeper
        from lionheart_opt.study.search import Search

        specification = self.specification(plan)
        name = self.stored_name(plan.name, specification, self.storage)
        said = specification, self.contents, self.sources(plan), self.outcomes, self.question_text
        keeper = OptunaKeeper.open(self.problem, name, self.storage, *said, self.network)
        record = Record(self.problem, keeper)
        return Search(record, self.strategy(plan), seed=plan.seed, budget=plan.budget)

    def records(self) -> Iterator[tuple[SearchPlan, Record]]:
        """The searches that have a record; it creates and writes nothing.

        Raises:
            InputError: A record was made with other settings.
        """
        if (storage := self.storage_to_read()) is None:
            return
        from lionheart_opt.study.optuna_keeper import OptunaKeeper

        for plan in self.plans():
            specification = self.specification(plan)
            name = self.stored_name(plan.name, specification, storage)
            keeper = OptunaKeeper.existing(name, storage, specification, outcomes=self.outcomes)
            if keeper is not None:
                keeper.warn_of_other_sources(self.sources(plan))
                yield plan, Record(self.problem, keeper)

    def _studies_of_the_oracle(self) -> list[optuna.Study]:
        """Searches and profiles of the storage that asked this oracle."""
        from lionheart_opt.study.recorded_answers import studies_of

        if (storage := self.storage_to_read()) is None:
            return []
        return studies_of(storage, self.oracle_specification, self.contents, self.oracle_sources)

"""The oracle of studies on a table of accuracies, which a file holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.metric import Metric
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.questions import Answer, Question
from lionheart_opt.text import shown

if TYPE_CHECKING:
    from lionheart_opt.oracle_context import OracleContext


@dataclass(frozen=True, kw_only=True)
class TableOracle:
    """Answers from the table in a file.

    Args:
        file: A file written by `AccuracyTable.save`.
        relative: Whether drops are shares of the baseline.
    """

    file: Path
    relative: bool = False

    @cached_property
    def table(self) -> AccuracyTable:
        """The table, which is read once."""
        table = AccuracyTable.load(self.file)
        return replace(table, metric=replace(table.metric, relative=self.relative))

    @property
    def metric(self) -> Metric:
        """See `SaysMetric.metric`."""
        return self.table.metric

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """As `AccuracyTable.accuracy`."""
        return self.table.accuracy(candidate, fidelity, seed)

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """As `AccuracyTable.questions`."""
        return self.table.questions

    def consult(self, question: Question, seed: int) -> Answer:
        """As `AccuracyTable.consult`."""
        return self.table.consult(question, seed)

    @property
    def trainings(self) -> tuple[Training, ...]:
        """As `AccuracyTable.trainings`: the training of each row."""
        return self.table.trainings

    def mappings(self, training: Training) -> list[Mapping]:
        """As `AccuracyTable.mappings`."""
        return self.table.mappings(training)

    def final_checks(
        self, candidate: Candidate, fidelity: Fidelity, seed: int
    ) -> dict[str, Accuracy]:
        """As `AccuracyTable.final_checks`."""
        return self.table.final_checks(candidate, fidelity, seed)

    @property
    def identity(self) -> dict[str, Any]:
        """See `HasIdentity.identity`: digest of the table."""
        return {"table": self.table.digest}

    @classmethod
    def from_study(cls, context: OracleContext, settings: dict[str, Any]) -> TableOracle:
        """The oracle of a study's `[oracle]` table: `kind = "table"`, `file = "..."`.

        Raises:
            InputError: A setting is missing, unknown or of the wrong type, or the file is not a table
                of the study's units.
        """
        for key in sorted(settings.keys() - {"file"}):
            raise unknown("key", key, ["file"], context.where)
        file = settings.get("file")
        if not isinstance(file, str):
            raise InputError(f"{context.where} file: got {shown(file)}; must be a path")
        oracle = cls(file=context.folder / file, relative=context.relative)
        context.check_times(oracle.table.times_s)
        units = {unit.name for unit in context.workload.units}
        if units != set(oracle.table.units):
            raise InputError(
                f"{oracle.file}: the table is about units {', '.join(oracle.table.units)}; "
                f"the study has {', '.join(sorted(units))}"
            )
        return oracle

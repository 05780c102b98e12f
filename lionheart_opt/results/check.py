"""Everything that would stop a run, found in seconds and said at once: what `check` does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lionheart_opt.accuracy import Accuracy, AccuracyOracle, CountsExamples, Fidelity, SaysMetric
from lionheart_opt.buckets import check_place
from lionheart_opt.errors import CannotBeAnalog, Collected, InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.metric import ACCURACY
from lionheart_opt.own_errors import own_error
from lionheart_opt.problem import Problem
from lionheart_opt.results.report import plan
from lionheart_opt.space import analog_units
from lionheart_opt.statistics.bounds import examples_needed
from lionheart_opt.staying_digital import staying_digital
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.question import build_oracle
from lionheart_opt.study.record import Record
from lionheart_opt.study.rehearsal import rehearse
from lionheart_opt.study.script import StudyScript
from lionheart_opt.study.sources import REFERENCE
from lionheart_opt.study.storage import file_of

if TYPE_CHECKING:
    from lionheart_opt.oracle_context import OracleContext

#: A smaller limit needs as many examples as this one.
LEAST_DROP = 1e-4


@dataclass(kw_only=True)
class Checked:
    """What a check has found.

    Attributes:
        name: Name of the study.
        plan: The plan, see `plan`; None where it could not be made.
        wrong: What would stop a run.
        digital_before: Entries of `digital` that match units.
        digital: The same, with the units that cannot be analog; None where all can be.
        notes: What would not stop a run, but is worth knowing.
        tried: What was checked.
        not_tried: What could not be checked, and why.
        code: The study's own code, which was run.
        seconds: Seconds that the check took.
    """

    name: str
    plan: dict[str, Any] | None = None
    wrong: Collected = field(default_factory=Collected)
    digital_before: list[str] = field(default_factory=list)
    digital: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    not_tried: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """What `lionheart-opt check --json` prints: the plan, what was checked, and what is wrong."""
        return {
            **(self.plan or {"study": self.name}),
            "problems": [str(error) for error in self.wrong.errors],
            "digital": self.digital,
            "notes": self.notes,
            "checked": self.tried,
            "not_checked": self.not_tried,
            "code": self.code,
            "seconds": self.seconds,
        }

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Run a block that checks `what`; an error that it raises is wrong, and is kept."""
        self.tried.append(what)
        try:
            yield
        except InputError as error:
            self.wrong.add(error)
        except Exception as error:  # of the study's own code: a run would end with it
            self.wrong.add(own_error(error))


def check(source: StudyFile | StudyScript) -> Checked:
    """Load everything, price the extreme mappings, and rehearse a run; no search, and nothing is written.

    Each step goes on without what the steps before have refused, so that all of it is said at once.

    Args:
        source: The study.
    """
    started = perf_counter()
    checked = Checked(name=source.name)
    with source.beside():
        if isinstance(source, StudyFile):
            checked.code = named_code(source)
            problem, oracle = _built(source, checked)
        else:
            problem, oracle = source.problem, source.oracle
            checked.digital_before = list(problem.digital)
        if problem is not None:
            with checked.step("prices of all-digital and all-analog"):
                checked.plan = plan(source, problem)
            with checked.step("whether units fit on their targets"):
                _look_at_capacity(problem, checked)
            with checked.step("whether the limit fits what is measured"):
                if oracle is not None:
                    problem.check_limit()
            with checked.step("which weights stay on the host"):
                checked.notes += staying_digital(problem)
            with checked.step("whether the examples can decide the limit"):
                _look_at_examples(problem, oracle, checked)
            _check_runs(source, problem, oracle, checked)
        with checked.step("the storage"):
            _check_storage(source)
        if problem is not None and not checked.wrong.errors:
            _check_records(source, problem, checked)
    units = [
        unit
        for error in checked.wrong.errors
        if isinstance(error, CannotBeAnalog)
        for unit in error.units
    ]
    if units:
        checked.digital = list(dict.fromkeys((*checked.digital_before, *units)))
    checked.seconds = perf_counter() - started
    return checked


def named_code(file: StudyFile) -> list[str]:
    """Every `module:attr` that a study file and its system file name: opening the study runs them."""
    table = file.table
    texts: list[Any] = [table.model_dump(mode="json", include={"model", "data", "task", "oracle"})]
    texts += [[run.strategy, run.arguments] for run in table.run]
    with suppress(InputError):  # said elsewhere
        texts.append(file.system.family)
    return sorted(set(_references(texts)))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, str) and REFERENCE.fullmatch(value):
        yield value


def _built(file: StudyFile, checked: Checked) -> tuple[Problem | None, AccuracyOracle | None]:
    """The problem and the oracle itself of a study file, as far as they can be built."""
    known: list[Any] = []
    with checked.step("the system"):
        known.append(file.system)
    with checked.step("the network's operations"):
        known.append(file.workload)
    if len(known) < 2:
        return None, None
    for pattern in file.table.digital:
        with checked.wrong.collect():
            file.matching([pattern])
            checked.digital_before.append(pattern)
    context = file.context_with(file.matching(checked.digital_before))
    oracle = None
    with checked.step("the oracle: network, weights, data, hardware"):
        context, oracle = _built_oracle(file, context, checked)
    problem = None
    with checked.step("objectives and limits"):
        problem = file.problem_with(context, oracle or _NoOracle())
    return problem, oracle


class _NoOracle:
    """Stands for an oracle that cannot be built; nobody asks it."""

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        raise NotImplementedError


def _built_oracle(
    file: StudyFile, context: OracleContext, checked: Checked
) -> tuple[OracleContext, AccuracyOracle]:
    """The oracle, built without units that cannot be analog, and the context that it was built from.

    Raises:
        InputError: It cannot be built.
    """
    while True:
        try:
            return context, build_oracle(context, file.table.oracle)
        except InputError as error:
            wrong = Collected()
            wrong.add(error)
            refused = [each for each in wrong.errors if isinstance(each, CannotBeAnalog)]
            units = {unit for each in refused for unit in each.units} - set(context.digital)
            if not units or len(refused) < len(wrong.errors):
                raise
            checked.wrong.add(error)
            context = replace(context, digital=(*context.digital, *sorted(units)))


def _check_runs(
    source: StudyFile | StudyScript,
    problem: Problem,
    oracle: AccuracyOracle | None,
    checked: Checked,
) -> None:
    """Follow every strategy to its first proposals, and rehearse what a search asks the oracle."""
    begun = []
    with checked.step("the first proposals of every run"):
        begun = source.openings(problem, oracle, checked.wrong)
    if oracle is None:
        checked.not_tried.append("training and measuring: the oracle cannot be built")
        return
    where = str(source.path) if isinstance(source, StudyFile) else source.name
    rehearsal = rehearse(problem, oracle, begun, where)
    for error in rehearsal.wrong.errors:
        checked.wrong.add(error)
    checked.notes += rehearsal.notes
    checked.tried += rehearsal.tried
    checked.not_tried += rehearsal.not_tried


def _look_at_examples(problem: Problem, oracle: object, checked: Checked) -> None:
    """Note a limit that so many examples can hardly decide, even for a mapping without any drop."""
    limit = problem.accuracy_limit
    count = oracle.n_examples if isinstance(oracle, CountsExamples) else None
    metric = oracle.metric if isinstance(oracle, SaysMetric) else ACCURACY
    if count is None or limit.over == "examples" or not metric.counts or metric.relative:
        return
    needed = examples_needed(max(limit.max_drop, LEAST_DROP), limit.confidence)
    if count < needed:
        checked.notes.append(
            f"{count:,} validation examples cannot decide a limit of {metric.in_words(limit.max_drop)}; "
            f"about {_two_digits(needed):,} can (with a chance of 80 %, where 5 % of the examples are "
            "right in one of the two networks only; with fewer of them, fewer examples do)"
        )


def _two_digits(count: int) -> int:
    """A number, rounded up to two digits."""
    unit = int(10 ** max(len(str(count)) - 2, 0))
    return -(-count // unit) * unit


def _look_at_capacity(problem: Problem, checked: Checked) -> None:
    """Say which units fit no target, and whether all fit together.

    Raises:
        InputError: No unit fits.
    """
    system = problem.system

    def too_large(units: list[str]) -> str:
        cost = problem.cost(problem.analog(units))
        for target in system.targets:
            needed = cost.tiles.get(target.name, 0)
            if target.tiles is not None and needed > target.tiles:
                return f"{needed} crossbars on {target.name!r}, which has {target.tiles}"
        return ""

    units = list(analog_units(problem))
    if not units:
        checked.notes.append("no unit can run on an analog target: there is nothing to search")
        return
    together = too_large(units)
    batch = problem.workload.batch
    runs = f"batch of {batch} inferences" if batch > 1 else "inference"
    for target, what in problem.cost(problem.all_analog).rewriting.items():
        checked.notes.append(
            f"all-analog needs {what.needed} crossbars on {target!r}, so that each {runs} reprograms "
            f"{what.rewritten}"
        )
    if not together:
        return
    reasons = {unit: too_large([unit]) for unit in units}
    never = [unit for unit in units if reasons[unit]]
    if len(never) == len(units):
        raise InputError(
            f"{system.where}: no unit fits on an analog target; unit {never[0]!r} needs "
            f"{reasons[never[0]]}"
        )
    for unit in never:
        checked.notes.append(f"unit {unit!r} never fits: it needs {reasons[unit]}")
    if not never:
        checked.notes.append(f"all-analog does not fit: it needs {together}")


def _check_storage(source: StudyFile | StudyScript) -> None:
    """Refuse a storage that cannot be opened, or that lies where nothing can be written.

    Raises:
        InputError: A run could not keep its record.
    """
    check_place(source.artifacts)
    url = source.storage_url
    if url is None:
        return
    _ = source.storage_to_read()
    file = file_of(url, source.folder)
    if file is not None:
        for path in (file.parent, file):
            if path.exists() and not os.access(path, os.W_OK):
                raise InputError(f"storage: {path} is read-only: a run could not keep its record")


def _check_records(source: StudyFile | StudyScript, problem: Problem, checked: Checked) -> None:
    """Refuse records that were made with other settings, weights, data or costs."""
    storage = source.storage_to_read()
    if storage is None:
        return
    from lionheart_opt.study.optuna_keeper import OptunaKeeper

    contents = source.contents if isinstance(source, StudyFile) else None
    for search in source.plans():
        with checked.step(f"the record of {search.name}"):
            specification = source.specification(search)
            name = source.stored_name(search.name, specification, storage)
            keeper = OptunaKeeper.existing(name, storage, specification)
            if keeper is None:
                continue
            Record(problem, keeper)
            try:
                OptunaKeeper.existing(name, storage, specification, contents)
            except InputError as error:
                if keeper.has_contents:
                    raise
                checked.notes.append(str(error))  # an old record, which is there to be read

"""From records to a table of accuracies that others can search on: `lionheart-opt table`."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.accuracy import Accuracy, SaysProvenance
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.oracle.table_file import packed
from lionheart_opt.questions import Answer, Proxies, consult
from lionheart_opt.results.profiling import check_proxies
from lionheart_opt.study.recorded_oracle import RecordedOracle
from lionheart_opt.text_files import reported

if TYPE_CHECKING:
    from lionheart_opt.study.file import StudyFile

#: What decides the numbers of a simulation, beside the study.
PACKAGES = ("lionheart_opt", "torch", "aihwkit", "numpy")


def tabulate(file: StudyFile, *, proxies: bool = False) -> tuple[AccuracyTable, int]:
    """The table of all mappings that a study has measured, and how many it leaves out.

    A row is a mapping with a training that started from the floating-point network. All rows have the
    same number of draws and of examples, the largest ones recorded: mappings that were decided with fewer
    are left out, and so are those that started from another candidate's weights.

    Args:
        file: The study; its oracle is asked for proxies only.
        proxies: Whether to compute proxies of sensitivity, which `hilal` needs.

    Raises:
        InputError: Nothing has been measured, or proxies are asked for and the oracle has none.
    """
    measured = _measured(file)
    draws = max((len(accuracy.samples) for accuracy in measured.values()), default=0)
    most = max((accuracy.n_examples or 0 for accuracy in measured.values()), default=0)
    rows = {
        candidate: accuracy
        for candidate, accuracy in measured.items()
        if candidate.parent is None
        and len(accuracy.samples) == draws
        and accuracy.n_examples in (None, most)
    }
    if not rows:
        raise InputError(f"{file.path}: nothing has been measured; run `lionheart-opt run` first")
    units = tuple(unit.name for unit in file.workload.units)
    targets = tuple(sorted({target for candidate in rows for target in candidate.mapping.values()}))
    predictors = Answer(values={}, oracle_s=0.0)
    if proxies:
        check_proxies(file.oracle, "table")
        movable = tuple(unit.name for unit in file.workload.crossbar_units)
        predictors = consult(file.oracle, Proxies(units=movable), file.table.seed)
    first = next(iter(rows.values()))
    right, baseline = packed([_with_outcomes(file, *row) for row in rows.items()])
    table = AccuracyTable(
        units=units,
        targets=targets,
        times_s=first.times_s,
        baseline=first.baseline,
        trainings=tuple(candidate.trained_by for candidate in rows),
        assignments=np.array(
            [[targets.index(candidate.mapping[unit]) for unit in units] for candidate in rows],
            np.uint8,
        ),
        samples=np.stack([accuracy.samples for accuracy in rows.values()]),
        training_s=np.array([accuracy.training_s for accuracy in rows.values()]),
        draw_s=np.array([accuracy.evaluation_s / draws for accuracy in rows.values()]),
        provenance=json.dumps(_provenance(file), indent=1),
        n_examples=max((accuracy.n_examples or 0 for accuracy in rows.values()), default=0) or None,
        proxies={
            name: np.array([values.get(unit, np.nan) for unit in units])
            for name, values in predictors.values.items()
        },
        proxies_s=predictors.oracle_s,
        shared_s=max(accuracy.shared_s for accuracy in rows.values()),
        right=right,
        right_at_baseline=baseline,
        metric=first.metric,
    )
    return table, len(measured) - len(rows)


def write_table(
    file: StudyFile, out: str | Path | None, *, proxies: bool = False
) -> dict[str, Any]:
    """Write the table of `tabulate`; its folder is created.

    Args:
        file: The study.
        out: The `.npz` file; None is `table.npz` in the study's folder.
        proxies: As for `tabulate`.

    Returns:
        `file`, `rows` (mappings), `left_out`, `draws`.

    Raises:
        InputError: As for `tabulate`, or the folder cannot be written to.
    """
    table, left_out = tabulate(file, proxies=proxies)
    path = file.folder / "table.npz" if out is None else Path(out)
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    table.save(path)
    rows, draws = table.samples.shape[:2]
    return {"file": str(path), "rows": rows, "left_out": left_out, "draws": draws}


def _measured(file: StudyFile) -> dict[Candidate, Accuracy]:
    """Resolved candidate -> recorded accuracy with the most draws, over all searches of the study."""
    measured: dict[Candidate, Accuracy] = {}
    for _, record in file.records():
        for evaluation in record.evaluations():
            accuracy = evaluation.accuracy
            candidate = file.problem.resolved(evaluation.candidate)
            if (
                candidate.parent is not None
                and candidate.parent.mapping == file.problem.all_digital
            ):
                candidate = replace(candidate, parent=None)  # nothing was trained for it
            before = measured.get(candidate)
            if (
                accuracy is not None
                and evaluation.measured
                and (before is None or len(before.samples) < len(accuracy.samples))
            ):
                measured[candidate] = accuracy
    return measured


def _with_outcomes(file: StudyFile, candidate: Candidate, accuracy: Accuracy) -> Accuracy:
    """The accuracy, and which examples are right, where the records keep that."""
    oracle = file.problem.oracle
    if not isinstance(oracle, RecordedOracle):
        return accuracy
    return oracle.with_outcomes(candidate, accuracy)


def _provenance(file: StudyFile) -> dict[str, Any]:
    """What others must know to make the table again, or to cite it."""
    return {
        "question": file.table.question,
        "data": file.oracle.provenance if isinstance(file.oracle, SaysProvenance) else "",
        "versions": {name: version(name) for name in PACKAGES},
        "study": file.question,
    }

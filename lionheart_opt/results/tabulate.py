"""From records to a table of accuracies that others can search on: `lionheart-opt table`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.accuracy import Accuracy, consult, questions_of
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.questions import Proxies

if TYPE_CHECKING:
    from lionheart_opt.study.file import StudyFile

#: What decides the numbers of a simulation, beside the study.
PACKAGES = ("lionheart_opt", "torch", "aihwkit", "numpy")


def tabulate(file: StudyFile) -> tuple[AccuracyTable, int]:
    """The table of all mappings that a study has measured, and how many it leaves out.

    A row is a mapping with a training, started from the floating-point network. Rows of a table have
    equally many draws: mappings whose decision took fewer than the most are left out, and so are those
    that started from another candidate's weights. Proxies of sensitivity come along where the
    study's oracle has them.

    Args:
        file: the study; its oracle is asked for proxies only.

    Raises:
        InputError: nothing has been measured.
    """
    measured = _measured(file)
    draws = max((len(one.samples) for one in measured.values()), default=0)
    rows = {
        key: one
        for key, one in measured.items()
        if key.parent is None and len(one.samples) == draws
    }
    if not rows:
        raise InputError(f"{file.path}: nothing has been measured; run `lionheart-opt run` first")
    units = tuple(unit.name for unit in file.workload.units)
    targets = tuple(sorted({target for key in rows for _, target in key.mapping.assignments}))
    proxies: dict[str, dict[str, float]] = {}
    proxies_s = 0.0
    movable = tuple(unit.name for unit in file.workload.crossbar_units)
    if Proxies in questions_of(file.oracle):
        answer = consult(file.oracle, Proxies(units=movable), file.table.seed)
        proxies, proxies_s = answer.values, answer.oracle_s
    first = next(iter(rows.values()))
    table = AccuracyTable(
        units=units,
        targets=targets,
        times_s=first.times_s,
        baseline=first.baseline,
        trainings=tuple(key.training or file.table.training for key in rows),
        assignments=np.array(
            [[targets.index(key.mapping[unit]) for unit in units] for key in rows], np.uint8
        ),
        samples=_packed(rows.values()),
        training_s=np.array([one.training_s for one in rows.values()]),
        draw_s=np.array([one.evaluation_s / draws for one in rows.values()]),
        provenance=json.dumps(_provenance(file), indent=1),
        n_examples=max((one.n_examples or 0 for one in rows.values()), default=0) or None,
        proxies={
            name: np.array([values.get(unit, np.nan) for unit in units])
            for name, values in proxies.items()
        },
        proxies_s=proxies_s,
        shared_s=max(one.shared_s for one in rows.values()),
    )
    return table, len(measured) - len(rows)


def _measured(file: StudyFile) -> dict[Candidate, Accuracy]:
    """Every candidate of the study's searches, with the most draws that one of them took."""
    measured: dict[Candidate, Accuracy] = {}
    for _, _, record in file.records():
        for one in record.evaluations():
            key = one.candidate.resolved(file.table.training)
            if key.parent is not None and key.parent.mapping == file.problem.all_digital:
                key = replace(key, parent=None)  # nothing was trained for it
            known = measured.get(key)
            if one.accuracy is not None and (
                known is None or len(known.samples) < len(one.accuracy.samples)
            ):
                measured[key] = one.accuracy
    return measured


def _packed(answers: Iterable[Accuracy]) -> np.ndarray:
    return np.stack([one.samples for one in answers])


def _provenance(file: StudyFile) -> dict[str, Any]:
    """What a stranger must know to make the table again, or to cite it."""
    data = getattr(file.oracle, "provenance", "")
    return {
        "question": file.table.question,
        "data": data,
        "versions": {name: version(name) for name in PACKAGES},
        "study": file.question,
    }

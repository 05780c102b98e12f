"""What optuna-dashboard shows beside what Optuna's own studies and trials hold."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

#: System attributes of a study with its note: the version, and then the text in pieces.
NOTE_VERSION, NOTE_PART = "dashboard:note_ver", "dashboard:note_str:"
#: Characters of a piece of a note at most.
NOTE_LENGTH = 2045
#: System attribute of a trial by which the dashboard tells whether it is feasible: a list of numbers,
#: none of them above 0. Optuna 5 has one attribute for each constraint, which the dashboard (0.21) does
#: not read.
CONSTRAINTS = "constraints"


def note(text: str) -> dict[str, Any]:
    """System attributes of a study that show a text, in Markdown, as its note; none for no text."""
    parts = [text[start : start + NOTE_LENGTH] for start in range(0, len(text), NOTE_LENGTH)]
    if not parts:
        return {}
    return {NOTE_VERSION: 1} | {f"{NOTE_PART}{k}": part for k, part in enumerate(parts)}


def write_note(study: optuna.Study, text: str) -> None:
    """Have the dashboard show a text as the note of a study."""
    storage = study._storage
    number = storage.get_study_id_from_name(study.study_name)
    for name, value in note(text).items():
        storage.set_study_system_attr(number, name, value)


def feasibility(violations: dict[str, float]) -> dict[str, list[float]]:
    """System attribute of a trial that says by how much it breaks the limit that it breaks most.

    One number, because Optuna takes the numbers of this list for further constraints. It is finite: the
    dashboard's pages could not read another one.
    """
    finite = [
        each if isfinite(each) else -1.0 if each <= 0 else 1.0 for each in violations.values()
    ]
    return {CONSTRAINTS: [max(finite)]} if finite else {}

"""What the Optuna study of a search is called, so that one database serves many studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lionheart_opt.study.same_question import SPECIFICATION, answers_same
from lionheart_opt.study.storage import file_of, reading

if TYPE_CHECKING:
    import optuna


def stored_name(
    storage: optuna.storages.BaseStorage,
    study: str,
    search: str,
    specification: dict[str, Any],
    *,
    is_own: bool,
) -> str:
    """Name of the Optuna study that keeps, or will keep, the record of a search: `STUDY/SEARCH`.

    Version 0.1.0 called it `SEARCH`. Such a record goes on under its name if it answers the same
    question. So does that of a folder with another name in a storage that lies in the study's own
    folder: the folder was copied or renamed.

    Args:
        storage: Any Optuna storage; nothing is written.
        study: Name of the study.
        search: Name of the search in it (`LABEL/seedN`).
        specification: What decides its results.
        is_own: Whether the storage belongs to this study alone, see `lies_in`. An older record in it is
            that of this search whatever it answers: opening it says what differs.

    Raises:
        InputError: The storage cannot be read.
    """
    import optuna

    name = f"{study}/{search}"
    with reading("storage: its records cannot be read"):
        names = optuna.get_all_study_names(storage)
        for each in possible_names(names, study, search, is_own=is_own):
            if each == name:
                return name
            number = storage.get_study_id_from_name(each)
            recorded = storage.get_study_user_attrs(number).get(SPECIFICATION)
            if recorded is not None and answers_same(recorded, specification):
                return each
    return search if is_own and search in names else name


def possible_names(names: list[str], study: str, search: str, *, is_own: bool) -> list[str]:
    """Which of these names of Optuna studies may be that of a search; see `stored_name`."""
    if f"{study}/{search}" in names:
        return [f"{study}/{search}"]
    moved = [each for each in names if is_own and each.partition("/")[2] == search]
    return [each for each in [search, *moved] if each in names]


def lies_in(folder: Path, url: str) -> bool:
    """Whether a storage is a file in a study's folder, and so holds the records of no other study."""
    file = file_of(url, folder)
    return file is not None and file.resolve().is_relative_to(folder.resolve())

"""What verbs share: their arguments, how a study is loaded, JSON and files that they write."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from lionheart_opt.study.file import StudyFile

StudyPath = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A folder with a study.toml, or the file itself.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def load_study(study: Path) -> StudyFile:
    """The study of a folder or file; what lies beside it can be imported from then on."""
    import optuna

    from lionheart_opt.study.file import StudyFile

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # our own progress says more
    file = StudyFile.load(study)
    sys.path.insert(0, str(file.folder.resolve()))  # `module:attr` may lie beside the study file
    return file


def print_json(data: Any) -> None:
    """Write plain data to standard output."""
    typer.echo(json.dumps(data, indent=2))


def say_written(paths: list[Path]) -> None:
    """Name the files that were written, on standard error."""
    for path in paths:
        typer.echo(f"wrote {path}", err=True)

"""What verbs share: their arguments, how a study is loaded, JSON and files that they write."""

from __future__ import annotations

import atexit
import gc
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lionheart_opt.results.wording import json_text, results_stream
from lionheart_opt.signals import exit_code
from lionheart_opt.text import printable

if TYPE_CHECKING:
    from lionheart_opt.studies import Study

StudyPath = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A folder with a study.toml, or the file itself.")
]
#: Thresholds of Python's garbage collection (`gc.set_threshold`) for verbs that only read.
LARGE_THRESHOLDS = (100_000, 50, 100)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def load_study(path: Path) -> Study:
    """The study of a folder or file."""
    import optuna

    from lionheart_opt.api import load

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # our own progress says more
    return load(path)


def read_study(path: Path) -> Study:
    """As `load_study`, for verbs that read records, print and end.

    They make many objects and leave few behind, for which Python would look a hundred times, and once
    more at the end.
    """
    gc.set_threshold(*LARGE_THRESHOLDS)
    atexit.register(gc.freeze)
    from lionheart_opt.studies import Study
    from lionheart_opt.study.read_file import ReadFile

    file = load_study(path).file
    return Study(ReadFile(file.path, file.table))


def usual_workers(study: Study, scheduler: str | None) -> int:
    """Most worker processes of a run that names none: with their threads, they use each core once.

    `LOKY_MAX_CPU_COUNT` may say that there are fewer cores. Where a cluster works, where an oracle
    answers from a table, at once, or where it computes on a GPU, which processes would have to share,
    there are none beside this process.
    """
    oracle = study.file.table.oracle
    if scheduler is not None or study.file.is_on_a_table or _is_on_a_gpu(oracle):
        return 1
    from loky import cpu_count

    threads = oracle.get("threads", 1)
    is_count = isinstance(threads, int) and threads > 0  # what it may be otherwise is refused later
    return max(1, int(cpu_count()) // (threads if is_count else 1))


def _is_on_a_gpu(oracle: dict[str, Any]) -> bool:
    """Whether the built-in oracle computes on a GPU with these settings."""
    if oracle.get("kind", "hat") != "hat" or oracle.get("device", "auto") == "cpu":
        return False
    from lionheart_opt.oracle.threads import device_named

    return device_named("auto").type == "cuda"


@contextmanager
def undocumented_matplotlib() -> Iterator[None]:
    """Load Matplotlib in the block without lists of properties in its docstrings.

    To make them takes longer than to draw a figure, and the command line shows no docstrings.
    """
    import matplotlib.artist

    usual = matplotlib.artist.kwdoc
    matplotlib.artist.kwdoc = lambda artist: ""  # noqa: ARG005
    try:
        yield
    finally:
        matplotlib.artist.kwdoc = usual


@contextmanager
def resumable() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end the block with the line that resumes, for a shell.

    The exit code is 130, or 143 after SIGTERM.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        again = printable(shlex.join(sys.argv[1:]))
        print(f"\nStopped; nothing is lost. Resume: lionheart-opt {again}", file=sys.stderr)
        raise typer.Exit(exit_code(stop)) from None


@contextmanager
def without_export_warnings() -> Iterator[None]:
    """Leave to the caller what an export says of a trial; other warnings are shown as ever."""
    import warnings

    from lionheart_opt.results.export import ExportWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExportWarning)
        yield


def print_json(data: Any) -> None:
    """Write plain data to standard output."""
    print(json_text(data), file=results_stream())


def say_written(paths: list[Path], as_json: bool = False) -> None:
    """Name the files that were written: on standard error, or as JSON on standard output."""
    if as_json:
        print_json([str(path) for path in paths])
        return
    for path in paths:
        print(f"wrote {printable(str(path))}", file=sys.stderr)

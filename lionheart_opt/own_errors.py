"""Errors that a user's own code raises: a network, a loss, a strategy, anything that a study names."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from sysconfig import get_paths
from traceback import walk_stack, walk_tb
from types import FrameType

from lionheart_opt.errors import InputError

#: Set to anything, the command line shows the whole traceback of an error.
TRACEBACK = "LIONHEART_OPT_TRACEBACK"
_OURS = f"{Path(__file__).parent}/"
#: Where Python and installed packages lie; `<` begins what is in no file.
_LIBRARIES = (
    "<",
    *(f"{get_paths()[name]}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)
#: What torch calls for each function and operator, in the middle of a user's code.
_CALLED_BY_TORCH = ("__torch_function__", "__torch_dispatch__")
#: How a note begins that says where an error was raised, in another process.
_RAISED = "raised in "


def place_of(error: BaseException) -> str:
    """File and line of a user's code that raised an error, maybe through a library; empty if none did."""
    if isinstance(error, SyntaxError) and error.filename and _is_own(error.filename):
        return f"{error.filename}, line {error.lineno}"
    if place := _own_place(reversed(list(walk_tb(error.__traceback__)))):
        return place
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith(_RAISED)]
    return notes[0].removeprefix(_RAISED) if notes else ""


def place_now() -> str:
    """File and line of a user's code that has called the caller, maybe through a library; or empty."""
    return _own_place(walk_stack(sys._getframe(2)))


def _own_place(frames: Iterable[tuple[FrameType, int]]) -> str:
    """The first place in a user's code, from the innermost frame on, unless code of ours comes before."""
    for number, (frame, line) in enumerate(frames):
        file, module = frame.f_code.co_filename, str(frame.f_globals.get("__name__"))
        # strategies and cost models lie beside the package in a checkout
        if file.startswith(_OURS) or module.startswith("lionheart_opt."):
            if frame.f_code.co_name in _CALLED_BY_TORCH and number:  # raised in what they call
                continue
            return ""
        if _is_own(file):
            return f"{file}, line {line}"
    return ""


def note_place(error: BaseException) -> None:
    """Have an error say where it was raised: its traceback does not reach other processes."""
    if place := place_of(error):
        error.add_note(f"{_RAISED}{place}")


def own_error(error: BaseException, what: str = "") -> InputError:
    """One line for an error of a user's own code, with its place.

    Args:
        error: Any error.
        what: What the message calls the code.
    """
    place = place_of(error)
    message = error.msg if isinstance(error, SyntaxError) else str(error)  # without its place
    first = message.strip().partition("\n")[0] or "no message"
    prefix, suffix = f"{what}: " if what else "", f" ({place})" if place else ""
    return InputError(f"{prefix}{type(error).__name__}: {first}{suffix}")


def _is_own(filename: str) -> bool:
    if filename.startswith((_OURS, *_LIBRARIES)):
        return False
    return not {"site-packages", "dist-packages"} & set(Path(filename).parts)

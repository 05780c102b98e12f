"""Where the command line begins and ends: cleanly, while everything is imported or cleaned up, too."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from lionheart_opt.signals import EXIT_CODES, end_at_once


def main() -> None:
    """Entry point of `lionheart-opt`."""
    _keep_apart()
    _end_at_once()
    from lionheart_opt.cli.main import main as run

    try:
        run()
    finally:
        with suppress(AttributeError, OSError, ValueError):  # it is closed
            sys.stdout.flush()
        _end_at_once()  # libraries that clean up take a second


def _end_at_once() -> None:
    """Let signals that are not ignored end the process."""
    for number in EXIT_CODES:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end_at_once)


def _keep_apart() -> None:
    """Send what C libraries print to standard error, where it does not spoil tables and JSON.

    The solver HiGHS prints to standard output now and then, whatever its options say.
    """
    out = sys.stdout
    try:
        if (out.fileno(), sys.stderr.fileno()) != (1, 2):
            return  # a test or a program calls this, and has its own order
    except (AttributeError, OSError):
        return  # one of them is closed
    out.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(own, "w", buffering=1, encoding=out.encoding, errors=out.errors)


if __name__ == "__main__":
    main()

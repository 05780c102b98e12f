"""SIGTERM and SIGHUP, which clusters send, end a run as cleanly as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: Signals that act as Ctrl-C.
SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal asks the process to end.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(stop: KeyboardInterrupt) -> int:
    """The exit code of the command line: 143 after SIGTERM, otherwise 130."""
    is_term = isinstance(stop, Stopped) and stop.number == signal.SIGTERM
    return 143 if is_term else 130


@contextmanager
def stopped_by_signals(*, is_exit_ours: bool = False) -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP raise `Stopped`.

    Signals that are ignored (`nohup`) or that the program handles itself are left alone, and so are
    all of them outside the main thread.

    Args:
        is_exit_ours: Let the caller end the process. Otherwise the signal ends it after the block.
    """
    is_main = threading.current_thread() is threading.main_thread()
    ours = [each for each in SIGNALS if is_main and signal.getsignal(each) == signal.SIG_DFL]
    for each in ours:
        signal.signal(each, _stop)
    try:
        yield
    except Stopped as stop:
        if stop.number in ours and not is_exit_ours:
            signal.signal(stop.number, signal.SIG_DFL)
            signal.raise_signal(stop.number)
        raise
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


def _stop(number: int, _: FrameType | None) -> None:
    for each in SIGNALS:
        if signal.getsignal(each) is _stop:
            signal.signal(each, signal.SIG_IGN)  # a second one must not stop the cleaning-up
    raise Stopped(number)

"""Ctrl-C, SIGTERM and SIGHUP, which clusters send, end a run cleanly, whenever they come.

A handler can only raise an exception wherever the main thread happens to be. Python drops what is raised
in a destructor or a weak reference's callback: then it is raised again, a moment later. Libraries may
drop it, too, so the signal is also remembered (`check_stopped`). An exception in the middle of a step
that must be whole does harm: such steps hold it back (`held_back`). One that comes out of a C++ library
while that is loaded ends the process: it waits, too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

#: Signals that act as Ctrl-C.
SIGNALS = (signal.SIGTERM, signal.SIGHUP)
#: What each signal does where nobody has changed that.
_DEFAULTS: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    **dict.fromkeys(SIGNALS, signal.SIG_DFL),
}

#: Exit codes of the command line, where a signal ends it.
EXIT_CODES = {signal.SIGINT: 130, signal.SIGHUP: 130, signal.SIGTERM: 143}
#: What loads a library of C or C++.
_LOADERS = ("ExtensionFileLoader.create_module", "ExtensionFileLoader.exec_module")

#: Seconds after which an exception is raised again that Python has dropped.
AGAIN_S = 0.1

#: Set while searches that run side by side are being stopped: nobody waits for a storage any more.
GIVEN_UP = threading.Event()
#: A second signal must not stop the cleaning-up: only Ctrl-C is heard again, after so many seconds.
CLEANING_S = 5.0
#: The signal that has asked the block of `stopped_by_signals` to end.
_asked: int | None = None
_asked_at_s = 0.0
#: Whether it is to be raised later.
_is_held = _is_due = False
#: Whether somebody has been told of it by `check_stopped`.
_is_noticed = False


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
    number = stop.number if isinstance(stop, Stopped) else signal.SIGINT
    return EXIT_CODES[signal.Signals(number)]


def end_at_once(number: int, _: FrameType | None) -> None:
    """A handler for the start and the end of the command line, where nothing is to be cleaned up.

    An exception could get lost there, in the library that it comes out of.
    """
    print("\nStopped.", file=sys.stderr, flush=True)
    os._exit(EXIT_CODES[signal.Signals(number)])


@contextmanager
def stopped_by_signals(*, is_exit_ours: bool = False) -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP raise `Stopped`, and Ctrl-C a `KeyboardInterrupt`.

    Signals that are ignored (`nohup`) or that the program handles itself, other than by `end_at_once`,
    are left alone, and so are all of them outside the main thread.

    Args:
        is_exit_ours: Let the caller end the process, which further signals do not disturb. Otherwise the
            signal ends it after the block.
    """
    global _asked, _is_due
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {each: signal.getsignal(each) for each in _DEFAULTS}
    ours = [each for each, it in handlers.items() if it in (_DEFAULTS[each], end_at_once)]
    if ours:
        _asked, _is_due = None, False
    for each in ours:
        signal.signal(each, _stop)
    unraisable, sys.unraisablehook = sys.unraisablehook, partial(_dropped, sys.unraisablehook)
    try:
        yield
        if ours:
            check_stopped()
    except Stopped as stop:
        if stop.number in ours and not is_exit_ours:
            signal.signal(stop.number, signal.SIG_DFL)
            signal.raise_signal(stop.number)
        raise
    finally:
        is_ending = is_exit_ours and _asked is not None
        for each in ours:
            signal.signal(each, signal.SIG_IGN if is_ending else handlers[each])
        sys.unraisablehook = unraisable
        if ours:
            _asked = None


def check_stopped() -> None:
    """End the block of `stopped_by_signals` that a signal has asked to end, if it has not noticed.

    Raises:
        KeyboardInterrupt: It was Ctrl-C.
        Stopped: It was another signal.
    """
    global _is_noticed
    if _asked is not None:
        _is_noticed = True
        raise _interruption(_asked)


@contextmanager
def held_back() -> Iterator[None]:
    """Let the block be done as a whole: signals are raised at its end. Blocks may be nested."""
    with _holding(True):
        yield


@contextmanager
def let_through() -> Iterator[None]:
    """Let signals end a wait within a block that holds them back."""
    with _holding(False):
        yield


@contextmanager
def _holding(is_held: bool) -> Iterator[None]:
    global _is_held
    if threading.current_thread() is not threading.main_thread():  # signals are not raised there
        yield
        return
    before, _is_held = _is_held, is_held
    try:
        _raise_due()
        yield
    finally:
        _is_held = before
        _raise_due()


def _raise_due() -> None:
    global _is_due
    if _is_due and not _is_held:
        _is_due = False
        check_stopped()


def _stop(number: int, frame: FrameType | None) -> None:
    global _asked, _asked_at_s, _is_due, _is_noticed
    if _asked is not None and time.monotonic() - _asked_at_s < CLEANING_S:
        return
    for each in SIGNALS:
        if signal.getsignal(each) is _stop:
            signal.signal(each, signal.SIG_IGN)
    _asked, _asked_at_s = number, time.monotonic()
    _is_due, _is_noticed = _is_held, False
    _raise(number, frame)


def _dropped(say: Callable[[Any], object], dropped: Any) -> None:
    """Stands for `sys.unraisablehook`, and raises interruptions again that Python drops."""
    if not isinstance(dropped.exc_value, KeyboardInterrupt):
        say(dropped)
    elif _asked is not None and threading.current_thread() is threading.main_thread():
        _raise_later(_asked)


def _raise_later(number: int) -> None:
    signal.signal(number, _again)
    timer = threading.Timer(AGAIN_S, _call_again, (number,))
    timer.daemon = True
    timer.start()


def _call_again(number: int) -> None:
    if _asked == number and not _is_noticed:
        signal.pthread_kill(threading.main_thread().ident or 0, number)


def _again(number: int, frame: FrameType | None) -> None:
    global _is_due
    signal.signal(number, signal.SIG_IGN if number in SIGNALS else _stop)
    if _asked == number and not _is_noticed:
        _is_due = _is_held
        _raise(number, frame)


def _raise(number: int, frame: FrameType | None) -> None:
    """Raise the exception of a signal, now, later, or at the end of a step that holds it back."""
    if _is_held:
        return
    while frame is not None:
        if frame.f_code.co_qualname in _LOADERS:
            _raise_later(number)
            return
        frame = frame.f_back
    raise _interruption(number)


def _interruption(number: int) -> KeyboardInterrupt:
    return KeyboardInterrupt() if number == signal.SIGINT else Stopped(number)

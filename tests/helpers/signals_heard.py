"""Signals of the processes that tests start."""

import signal


def hear_signals() -> None:
    """Let signals end a new process: in the background, a shell has Ctrl-C ignored, `nohup` SIGHUP."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)

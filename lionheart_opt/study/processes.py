"""Who a process is, and whether one of this machine has ended."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Literal

#: `ended` and `stopped` (by SIGSTOP) are certain; nothing is known of processes of other machines.
State = Literal["runs", "stopped", "ended", "unknown"]


def this_process() -> dict[str, Any]:
    """What tells this process from all others of this machine, and from those of other machines.

    Process numbers are used again, and containers share them, so it takes more: the boot, the
    namespaces that numbers and times are counted in, and when the process started.
    """
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _stat(os.getpid())[1],
        "machine": _machine(),
    }


def state_of(process: dict[str, Any]) -> State:
    """What is known of a process that `this_process` has described, maybe on another machine."""
    if not process.get("started") or not _machine() or process.get("machine") != _machine():
        return "unknown"
    letter, started = _stat(int(process["pid"]))
    if started != process["started"] or letter in "ZX":
        return "ended"
    return "stopped" if letter in "Tt" else "runs"


def named(process: object) -> str:
    """What messages call it."""
    if not isinstance(process, dict):
        return "another process"
    return f"process {process.get('pid')} on {process.get('host')}"


def _machine() -> str:
    """The boot of this machine and the namespaces of this process; empty where nothing says it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        spaces = [str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("pid", "time")]
        return " ".join([boot, *spaces])
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, str]:
    """State and starting time (in ticks since the boot) of a process; empty where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return "", ""
    return fields[0], fields[19]

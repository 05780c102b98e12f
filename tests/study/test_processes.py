"""Processes are told apart by more than their number, which containers share."""

import os
import signal
import subprocess
import sys

import pytest

from lionheart_opt.study import processes
from lionheart_opt.study.processes import named, state_of, this_process

SELF = (
    "import json; from lionheart_opt.study.processes import this_process; "
    "print(json.dumps(this_process()), flush=True); input()"
)


def test_a_process_is_seen_to_run_stop_and_end():
    process = subprocess.Popen(
        [sys.executable, "-c", SELF], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    import json

    other = json.loads(process.stdout.readline())
    assert other["pid"] == process.pid and other["machine"] == this_process()["machine"]
    assert state_of(other) == "runs"
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert state_of(other) == "stopped"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert state_of(other) == "ended", "nobody has waited for it yet"
    process.wait()
    assert state_of(other) == "ended"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "runs"),
        ({"started": "1"}, "ended"),
        ({"machine": "another boot pid:[1] time:[1]"}, "unknown"),
        ({"machine": ""}, "unknown"),
        ({"started": ""}, "unknown"),
    ],
)
def test_what_is_known_of_a_process(change, state):
    assert state_of({**this_process(), **change}) == state
    assert state_of({"host": "h", "pid": 1, "beat": 1.7e9}) == "unknown"


def test_where_nothing_says_the_boot_nothing_is_known(monkeypatch):
    monkeypatch.setattr(processes, "_machine", lambda: "")
    assert state_of({**this_process(), "started": "1"}) == "unknown"


def test_messages_name_it():
    assert named({"host": "h", "pid": 3}) == "process 3 on h"
    assert named(None) == "another process"

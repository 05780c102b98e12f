"""Ctrl-C, SIGTERM and SIGHUP at any moment of the start: one line, and the right exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest
from cli_setup import make_study
from front_door import python

from lionheart_opt import signals
from lionheart_opt.cli import main, start
from lionheart_opt.signals import Stopped

#: A verb that reads a study waits here for a signal, as if it took long.
CODE = """
import sys
import lionheart_opt.cli.start as start
if sys.argv[1] == "import":
    class Slow:
        def find_spec(self, name, *_):
            if name == "typer":
                print("here", flush=True)
                try:
                    sys.stdin.readline()
                except BaseException:
                    pass  # imports of others do such things
    sys.meta_path.insert(0, Slow())
else:
    from lionheart_opt.cli import main
    from lionheart_opt.results.wording import results_stream
    def read_study(_):
        print("here", file=results_stream(), flush=True)
        sys.stdin.readline()
    main.read_study = read_study
sys.argv = ["lionheart-opt", "show", "."]
start.main()
"""


@pytest.mark.parametrize("where", ["import", "verb"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_is_one_line_and_an_exit_code(where, number, code, tmp_path):
    process = python(tmp_path, "-c", CODE, where)
    assert process.stdout.readline() == "here\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "\nStopped.\n")


@pytest.mark.slow
def test_ctrl_c_at_any_moment_of_the_start(tmp_path):
    folder = make_study(tmp_path / "study")
    code = "import lionheart_opt.cli.start as start; print('here', flush=True); start.main()"
    for tenths in range(30):
        process = python(tmp_path, "-c", code, "run", folder, "--no-checks")
        assert process.stdout.readline() == "here\n"
        time.sleep(tenths / 10)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        if process.returncode != 0:  # it had ended before
            assert process.returncode == 130 and "Traceback" not in err, err
            assert "\nStopped" in err, err


def test_signals_end_what_is_around_a_verb_and_ignored_ones_stay_ignored(monkeypatch):
    seen = {}
    before = {number: signal.getsignal(number) for number in signals.EXIT_CODES}
    monkeypatch.setattr(main, "main", lambda: seen.update(int=signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        start.main()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == signals.end_at_once == seen["int"]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


CLEANED_UP = """
import atexit, sys
import lionheart_opt.cli.start as start
@atexit.register
def clean_up():
    print("here", file=sys.stderr, flush=True)
    sys.stdin.readline()
sys.argv = ["lionheart-opt", *sys.argv[1:]]
start.main()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_while_libraries_clean_up_is_one_line_and_an_exit_code(number, code, tmp_path):
    process = python(tmp_path, "-c", CLEANED_UP, "list", "strategies", "--json")
    assert process.stderr.readline() == "here\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "\nStopped.\n")
    assert json.loads(out), "nothing of what was printed is lost"


def test_a_signal_in_a_verb_says_so_with_its_own_exit_code(monkeypatch, capsys):
    def stop(_) -> None:
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(main, "read_study", stop)
    monkeypatch.setattr(sys, "argv", ["lionheart-opt", "show", "."])
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 143 and capsys.readouterr().err == "\nStopped.\n"


NOISY = """
import ctypes, sys
import lionheart_opt.cli.start as start
from lionheart_opt.cli import main
libc = ctypes.CDLL(None)
run = main.main
def noisy():
    libc.puts(b"noise before")
    libc.fflush(None)
    try:
        run()
    finally:
        libc.puts(b"noise behind")  # flushed when the process ends
main.main = noisy
sys.argv = ["lionheart-opt", "list", "strategies", "--json"]
start.main()
"""


def test_what_c_libraries_print_does_not_spoil_json(tmp_path):
    """The solver HiGHS prints to standard output now and then, whatever its options say."""
    out, err = python(tmp_path, "-c", NOISY).communicate(timeout=60)
    assert json.loads(out), "nothing else is in it"
    assert "noise before" in err and "noise behind" in err


@pytest.mark.parametrize("closed", ["", ">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_output_is_no_error(closed, tmp_path):
    code = "import sys; import lionheart_opt.cli.start as s; sys.argv=['x', '--version']; s.main()"
    ended = subprocess.run(
        ["bash", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0 and "Traceback" not in ended.stderr


def test_the_version_is_that_of_the_package(tmp_path):
    code = "import sys; import lionheart_opt.cli.start as s; sys.argv=['x', '--version']; s.main()"
    out, _ = python(tmp_path, "-c", code).communicate(timeout=60)
    assert out == f"lionheart-opt {version('lionheart_opt')}\n"

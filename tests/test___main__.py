"""`python -m lionheart_opt` is the command line."""

from __future__ import annotations

import subprocess
import sys

from lionheart_opt import __version__


def test_the_package_can_be_run() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lionheart_opt", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert __version__ in run("--version").stdout
    refused = run("check", "no-such-folder")
    assert refused.returncode == 2 and refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1

"""The command line in this process or another, and a tiny study of one's own for it."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from signals_heard import hear_signals

from lionheart_opt.cli.main import main

STUDY = """
question = "Does everything work?"
system = "lionheart"
[model]
name = "own_plugins:network"
input_shape = [1, 4, 4]
[data]
name = "own_plugins:data"
validation_fraction = 0.25
[oracle]
rpu_config = "own_plugins:noisy_tiles"
times_s = [1.0, 86400.0]
[oracle.pretrain]
epochs = 4
batch_size = 16
[oracle.hat]
epochs = 1
batch_size = 16
[limits]
max_drop = 0.9
draws = [2, 3]
[budget]
trials = 3
[[run]]
strategy = "mac_greedy"
[[run]]
strategy = "optuna"
label = "tpe"
seeds = [0, 1]
[[run]]
strategy = "own_plugins:LargestOnly"
label = "own"
"""


def make_study(folder: Path, text: str = STUDY) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "study.toml").write_text(text)
    return folder


def call(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command line, in this process."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["lionheart-opt", *map(str, arguments)]
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def in_a_process(*arguments: object, **options) -> subprocess.Popen:
    path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "OMP_NUM_THREADS": "1",
        "PATIENCE_S": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "lionheart_opt.cli.main", *map(str, arguments)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_signals,
        **options,
    )


def rows(*arguments: object) -> Any:
    code, out, err = call(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)

"""Kernels are compiled by one process, however many start at once with an empty cache."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from lionheart_opt.oracle.fast import compiling
from lionheart_opt.oracle.fast.compiling import LOCK, compiled_alone, digest_of_sources

#: A pass forward and backward; prints the results and how often each kernel was compiled.
PASS = """
import json, torch
from torch import nn
from lionheart_opt.oracle.fast.engine import FastEngine
from lionheart_opt.oracle.fast.backward import backward
from lionheart_opt.oracle.fast.kernels import forward
from lionheart_opt.oracle.rpu import lionheart
torch.manual_seed(0)
network = FastEngine().analog(nn.Sequential(nn.Linear(7, 3)), ["0"], lionheart())
x = torch.arange(14.0).reshape(2, 7).requires_grad_()
network(x).sum().backward()
compiled = {kernel.py_func.__name__: sum(kernel.stats.cache_misses.values())
            for kernel in (forward, backward)}
print(json.dumps([compiled, x.grad.tolist()]))
"""


@pytest.mark.slow
def test_processes_that_start_at_once_compile_once(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PASS], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes)
    for kernel in ("forward", "backward"):
        assert sum(compiled[kernel] for compiled, _ in answers) == 1
    assert len({str(gradients) for _, gradients in answers}) == 1


def test_a_kernel_waits_while_another_process_compiles(tmp_path: Path) -> None:
    """Until the other one's lock is released, and only if it is not compiled yet."""
    kernel = SimpleNamespace(signatures=[], stats=SimpleNamespace(cache_path=str(tmp_path)))
    called = Event()

    def call() -> None:
        with compiled_alone(kernel):
            called.set()

    with (tmp_path / LOCK).open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        thread = Thread(target=call)
        thread.start()
        assert not called.wait(0.3)
    assert called.wait(10)
    thread.join()


def test_what_is_compiled_or_cannot_be_locked_is_just_called(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    no_folder = SimpleNamespace(
        signatures=[], stats=SimpleNamespace(cache_path=str(tmp_path / "file"))
    )
    ready = SimpleNamespace(signatures=["()"])
    for kernel in (no_folder, ready, len):
        with compiled_alone(kernel):
            pass
    assert not list(tmp_path.glob(f"**/{LOCK}"))


def test_a_change_of_any_source_is_another_kernel_in_the_cache(tmp_path: Path) -> None:
    """numba itself would take the machine code of the old sources."""
    digests = []
    for text in ("one = 1", "one = 2"):
        folder = tmp_path / str(len(digests))
        folder.mkdir()
        (folder / "a.py").write_text("two = 2")
        (folder / "b.py").write_text(text)
        digests.append(digest_of_sources(folder))
    assert digests[0] != digests[1]

    def nothing() -> None:
        return

    made: Any = compiling.kernel(nothing)
    ours = digest_of_sources(Path(compiling.__file__).parent)
    assert ours in made._cache._impl.filename_base

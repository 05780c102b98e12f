"""Whether the workers of a cluster run the code of the driver: who computes must not change a result."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cloudpickle

from lionheart_opt.study.worker import Job, SentProblem, work_for

#: Packages that decide numbers.
PACKAGES = ("numpy", "scipy", "numba", "torch", "aihwkit")
#: Name of a package, or of Python -> its version, or a digest of its files.
Code = dict[str, str]


@lru_cache
def code_here() -> Code:
    """The code of this process. Builds of a package for a CPU and for a GPU count as the same."""
    package = Path(__file__).parents[1]
    folders = package, package / "strategies", package / "cost_models"  # they may be links
    paths = sorted({path for folder in folders for path in folder.rglob("*.py")})
    files = hashlib.sha256()
    for path in paths:
        files.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    code = {"Python": "{}.{}".format(*sys.version_info), "lionheart_opt": files.hexdigest()[:8]}
    for name in PACKAGES:
        try:
            code[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            code[name] = "none"
    return code


def differences(here: Code, there: Code) -> str:
    """What differs in a worker, in words: `torch 2.12.0 instead of 2.13.0`; empty if nothing does."""
    return ", ".join(
        f"{name} {there.get(name, 'none')} instead of {here[name]}"
        for name in here
        if there.get(name) != here[name]
    )


def carrier() -> Callable[[bytes, bytes, Code], tuple[str, Any]]:
    """What a worker calls with a problem, a job and the code of the driver.

    It travels as a whole, and problem and job as bytes, so that a worker without lionheart_opt, or with
    an older one, can say so. Dask would end that worker, and the driver wait for ever. Its answer is what
    is wrong with the worker, which then did nothing, and otherwise empty; and the answer to the job.
    """

    def carry(problem: bytes, job: bytes, code: Code) -> tuple[str, Any]:
        from distributed import get_worker

        worker = get_worker()
        try:
            from lionheart_opt.study import same_code
        except ImportError as error:
            return f"the worker {worker.address} has another lionheart_opt, or none: {error}", None
        if other := same_code.differences(code, same_code.code_here()):
            return f"the worker {worker.address} has {other}", None
        return "", same_code.carried(problem, job, worker.state.nthreads)

    return carry


def packed(sent: SentProblem, job: Job[Any]) -> bytes:
    """A job, with what is to be known of its problem beside the problem itself."""
    packed: bytes = cloudpickle.dumps((sent.folder, sent.token, job))
    return packed


def carried(problem: bytes, job: bytes, threads: int) -> Any:
    """What a job gives in this process.

    Args:
        problem: `SentProblem.pickled`.
        job: What `packed` gave.
        threads: Threads that torch and numba may use.
    """
    folder, token, work = cloudpickle.loads(job)
    return work_for(SentProblem(problem, folder, token), work, threads)

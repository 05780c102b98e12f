"""What is compared between a driver and the workers of a cluster."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import cloudpickle
import torch
from deadly import toy

from lionheart_opt.study import same_code
from lionheart_opt.study.same_code import carried, carrier, code_here, differences, packed
from lionheart_opt.study.worker import Evaluate, SentProblem


def test_equal_code_is_equal():
    assert differences(code_here(), dict(code_here())) == ""


def test_what_differs_is_named():
    here = {"torch": "2.13.0", "numpy": "2.4"}
    assert (
        differences(here, {"torch": "2.12.0", "numpy": "2.4"}) == "torch 2.12.0 instead of 2.13.0"
    )
    assert differences(here, {"torch": "2.13.0"}) == "numpy none instead of 2.4"


def test_every_file_counts(tmp_path, monkeypatch):
    package = tmp_path / "lionheart_opt"
    for name in ("study/same_code.py", "strategies/random.py"):
        (package / name).parent.mkdir(parents=True)
        (package / name).write_text("x = 1\n")
    monkeypatch.setattr(same_code, "__file__", str(package / "study" / "same_code.py"))

    def digest() -> str:
        return code_here.__wrapped__()["lionheart_opt"]

    first = digest()
    assert digest() == first
    (package / "strategies" / "random.py").write_text("x = 2\n")
    second = digest()
    (package / "strategies" / "random.py").rename(package / "strategies" / "other.py")
    assert len({first, second, digest()}) == 3


def test_builds_for_a_gpu_count_as_the_same_and_missing_packages_as_none(monkeypatch):
    def version(name: str) -> str:
        if name == "aihwkit":
            raise PackageNotFoundError
        return "2.13.0+cu130"

    monkeypatch.setattr(same_code, "version", version)
    code = code_here.__wrapped__()
    assert (code["torch"], code["aihwkit"]) == ("2.13.0", "none")


def test_what_workers_call_needs_nothing_of_ours(tmp_path):
    """It is pickled as a whole."""
    (tmp_path / "carry").write_bytes(cloudpickle.dumps(carrier()))
    code = "import pickle, sys; pickle.load(open('carry', 'rb')); print('lionheart_opt' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_a_job_is_the_same_on_the_other_side():
    problem = toy()
    sent = SentProblem.of(problem)
    candidate = problem.pretrained(problem.all_analog)
    answer = carried(sent.pickled, packed(sent, Evaluate(candidate)), torch.get_num_threads())
    assert answer.objectives == problem.evaluate(candidate).objectives

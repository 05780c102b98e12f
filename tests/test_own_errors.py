"""Errors of a user's own code: one line with its place, and exit code 2."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from cli_setup import call
from in_workers import Picky

from lionheart_opt import own_modules
from lionheart_opt.errors import InputError
from lionheart_opt.own_errors import TRACEBACK, note_place, own_error, place_of
from lionheart_opt.plugins import attribute
from lionheart_opt.study.worker import _sendable
from lionheart_opt.system import System
from lionheart_opt.tracing import trace

MINE = """
import json

def network():
    raise ValueError("no weights")

def leave():
    raise SystemExit(0)

def read():
    return open("/nowhere/weights.pt")

def parse():
    return json.loads("{")

def nothing():
    raise KeyError
"""


def raised(function) -> BaseException:
    with pytest.raises(BaseException) as caught:
        function()
    return caught.value


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    with own_modules.beside(tmp_path):
        yield lambda name: attribute(f"mine:{name}")


def test_an_error_has_its_place_also_where_a_library_raised_it(mine, tmp_path):
    file = tmp_path / "mine.py"
    assert place_of(raised(mine("network"))) == f"{file}, line 5"
    assert place_of(raised(mine("parse"))) == f"{file}, line 14"
    assert place_of(raised(lambda: System.load(Path("/nowhere.toml")))) == ""  # ours raised it
    assert str(own_error(raised(mine("nothing")))) == f"KeyError: no message ({file}, line 17)"
    assert str(own_error(RuntimeError("broken"), "loss")) == "loss: RuntimeError: broken"


def test_a_fault_of_ours_is_not_passed_off_as_the_users():
    """Strategies and cost models lie beside the package in a checkout."""
    names = {"__name__": "lionheart_opt.strategies.greedy"}
    exec(compile("def fail():\n    1 / 0", "/checkout/strategies/greedy.py", "exec"), names)
    assert place_of(raised(names["fail"])) == ""


def test_code_that_cannot_be_read_has_its_place(tmp_path):
    (tmp_path / "typo.py").write_text("x = 1\ndef f(:\n")
    with own_modules.beside(tmp_path):
        error = raised(lambda: attribute("typo:f"))
    assert place_of(error) == f"{tmp_path / 'typo.py'}, line 2"
    assert str(own_error(error)) == f"SyntaxError: invalid syntax ({tmp_path / 'typo.py'}, line 2)"


def test_the_place_of_an_error_reaches_other_processes(mine, tmp_path):
    error = raised(mine("network"))
    note_place(error)
    there = pickle.loads(pickle.dumps(error))
    assert place_of(there) == f"{tmp_path / 'mine.py'}, line 5"
    picky = Picky("broken", "unit 3")
    picky.add_note("raised in mine.py, line 5")
    assert place_of(pickle.loads(pickle.dumps(_sendable(picky)))) == "mine.py, line 5"


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("network", 5, "ValueError: no weights"),
        ("leave", 8, "SystemExit: 0"),
        (
            "read",
            11,
            r"FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/weights.pt'",
        ),
    ],
)
def test_own_code_that_raises_is_one_line_and_exit_code_2(
    name, line, message, tmp_path, monkeypatch
):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    arguments = "cost", "--model", f"mine:{name}", "--system", "lionheart", "--input", "8"
    code, out, err = call(*arguments)
    place = tmp_path / "mine.py"
    said = f"error: {message} ({place}, line {line}); {TRACEBACK}=1 shows the traceback\n"
    assert (code, out, err) == (2, "", said)
    monkeypatch.setenv(TRACEBACK, "1")
    code, _, err = call(*arguments)
    assert code == 2 and err.startswith("Traceback") and err.endswith(said)


def test_bad_input_shows_a_traceback_where_it_is_asked_for(monkeypatch):
    monkeypatch.setenv(TRACEBACK, "1")
    code, _, err = call("cost", "--model", "nothing", "--system", "lionheart")
    assert code == 2 and err.startswith("Traceback") and "\nerror: unknown model 'nothing'" in err


def test_an_operator_that_fails_in_a_users_code_has_its_place_while_it_is_traced(tmp_path):
    """Torch calls the tracer in the middle of the code that it traces."""
    (tmp_path / "wide.py").write_text(
        "from torch.nn import Linear, Module\n"
        "class Net(Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = Linear(4, 4)\n"
        "    def forward(self, x):\n"
        "        return self.layer(x[:, :2])\n"
    )
    with own_modules.beside(tmp_path), pytest.raises(InputError) as caught:
        trace(attribute("wide:Net")(), torch.zeros(1, 4), "net")
    assert f"({tmp_path / 'wide.py'}, line 7)" in str(caught.value)

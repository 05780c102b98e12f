"""Modules beside a study: found by path, kept apart, and never in the way of installed ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cli_setup import call, make_study, rows
from front_door import outcome

import lionheart_opt as lo
from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.own_modules import beside, current_folder, find_module, own_modules

STUDY = """
question = "Whose modules are these?"
system = "lionheart"
storage = "journal:///study.log"
[model]
name = "MODULE:network"
input_shape = [8]
[oracle]
kind = "MODULE:Oracle"
[limits]
max_drop = 0.5
draws = [2, 3]
[budget]
trials = 3
[[run]]
strategy = "MODULE:Own"
"""

#: A network, an oracle and a strategy; `WIDTH` comes from a helper beside it.
MINE = """
from dataclasses import dataclass
import json, numpy, torch
from torch import nn
from lionheart_opt.accuracy import Accuracy
from lionheart_opt.strategies.random import Random
import helper

def network():
    return nn.Sequential(nn.Linear(8, helper.WIDTH), nn.ReLU(), nn.Linear(helper.WIDTH, 3))

@dataclass(frozen=True)
class Oracle:
    @classmethod
    def from_study(cls, context, settings):
        return cls()

    def accuracy(self, candidate, fidelity, seed):
        from lazily import drop  # when the study may not be current any more
        n = len(candidate.mapping.units_on("tile"))
        draws = range(*fidelity.draws)
        samples = numpy.array([[0.9 - drop(n) - 0.001 * k] for k in draws])
        return Accuracy(samples=samples, times_s=(86400.0,), baseline=0.9)

@dataclass(frozen=True)
class Own:
    def search(self, problem, rng):
        json.dumps({})
        for unit in problem.units:
            yield [problem.pretrained(problem.mapping({unit.name: "tile"}))]
"""


def own_study(folder: Path, module: str = "mine", width: int = 5) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(MINE)
    (folder / "helper.py").write_text(f"WIDTH = {width}\n")
    (folder / "lazily.py").write_text(f"def drop(n):\n    return 0.01 * n * {width}\n")
    return make_study(folder, STUDY.replace("MODULE", module))


@pytest.fixture(autouse=True)
def nothing_is_left_on_the_path():
    before = list(sys.path)
    yield
    assert sys.path == before


@pytest.mark.parametrize("workers", [1, 2])
def test_a_study_with_modules_of_its_own_runs(tmp_path, workers):
    folder = own_study(tmp_path / "study")
    code, _, err = call("run", folder, "--workers", workers)
    assert code == 0, err
    [row] = rows("show", folder)
    assert row["trials"] == 2
    drops = lo.load(folder).to_frame()["drop"]
    assert drops.to_list() == pytest.approx([0.05 + 0.001] * 2, abs=1e-3)
    assert {path.name for path in folder.iterdir()} >= {"study.log", "mine.py"}


@pytest.mark.parametrize("taken", ["torch", "json", "numpy", "data", "strategies", "helper2"])
def test_a_file_beside_a_study_shadows_nothing(tmp_path, taken):
    folder = own_study(tmp_path / "study")
    (folder / f"{taken}.py").write_text("raise RuntimeError('this file is not asked for')\n")
    code, _, err = call("run", folder)
    assert code == 0, err


def test_a_file_that_an_installed_package_looks_for_is_not_run(tmp_path):
    """Packages try to import others, which may be missing; a study's file of that name is not meant."""
    code = """
def look():
    import of_the_study
    return of_the_study
"""
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "package_that_looks.py").write_text(code)
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "of_the_study.py").write_text("RUN = True\n")
    (folder / "named.py").write_text("import of_the_study\n")
    sys.path.append(str(tmp_path / "installed"))
    try:
        import package_that_looks

        with beside(folder):
            with pytest.raises(ModuleNotFoundError):
                package_that_looks.look()
            assert find_module("named").of_the_study.RUN
    finally:
        sys.path.pop()
        sys.modules.pop("package_that_looks", None)


def test_entry_points_that_a_study_does_not_name_are_not_loaded(tmp_path, monkeypatch):
    """Installed plug-ins are listed by their metadata; only the one that is named is imported."""
    info = tmp_path / "site" / "stray-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stray\nVersion: 1.0\n")
    groups = ("strategies", "cost_models", "oracles")
    points = [f"[lionheart_opt.{group}]\nstray = stray_plugin:Thing\n" for group in groups]
    (info / "entry_points.txt").write_text("\n".join(points))
    (tmp_path / "site" / "stray_plugin.py").write_text("raise RuntimeError('nobody named it')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert "stray" in plugins.available("strategies")
    folder = own_study(tmp_path / "study")
    for verb in ("check", "run", "show", "compare"):
        code, _, err = call(verb, folder)
        assert code == 0, err
    assert "stray_plugin" not in sys.modules
    monkeypatch.undo()


@pytest.mark.parametrize("verb", ["check", "run", "show"])
def test_nothing_is_compiled_beside_a_study(tmp_path, monkeypatch, verb):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    folder = own_study(tmp_path / "study")
    package = folder / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "part.py").write_text("WIDTH = 6\n")
    (folder / "helper.py").write_text("from package.part import WIDTH\n")
    call(verb, folder)
    assert not list(folder.rglob("__pycache__"))


@pytest.mark.parametrize("taken", ["torch", "json", "numpy", "data", "strategies"])
def test_a_file_with_a_name_that_is_taken_can_be_named(tmp_path, taken):
    folder = own_study(tmp_path / "study", taken, width=7)
    code, _, err = call("run", folder, "--workers", 2 if taken == "torch" else 1)
    assert code == 0, err
    assert lo.load(folder).problem.workload.unit("0") is not None
    import numpy
    import torch

    assert torch.nn and numpy.array, "the real ones"


def test_two_studies_with_modules_of_the_same_name_are_kept_apart(tmp_path):
    a, b = own_study(tmp_path / "a", width=4), own_study(tmp_path / "b", width=6)
    for folder in (a, b, a):
        assert call("run", folder)[0] == 0
    studies = [lo.load(a), lo.load(b)]
    for _ in range(2):  # in turns, in one process
        widths = [study.problem.workload.layers[0].output_shape for study in studies]
        assert widths == [(1, 4), (1, 6)]
        drops = [study.results()[0].to_frame()["drop"].tolist() for study in studies]
        assert drops[0] == pytest.approx([0.041, 0.041], abs=1e-3)
        assert drops[1] == pytest.approx([0.061, 0.061], abs=1e-3)
    code, _, err = call("compare", a, b)
    assert code == 2 and "answer different questions" in err
    same = own_study(tmp_path / "c", width=4)
    assert call("run", same)[0] == 0
    names = [row["strategy"] for row in rows("compare", a, same)["strategies"]]
    assert names == ["a: mine:Own", "c: mine:Own"]


def test_workers_answer_from_the_right_study(tmp_path):
    for name, width in (("a", 4), ("b", 6)):
        folder = own_study(tmp_path / name, width=width)
        [together] = lo.load(folder).run(workers=2)
        (folder / "study.log").unlink()
        [alone] = lo.load(folder).run()
        assert outcome(alone) == outcome(together)


def test_parts_of_packages(tmp_path):
    for name in ("with_init", "without_init"):
        package = tmp_path / name / "inner"
        package.mkdir(parents=True)
        (package / "mod.py").write_text(f"from {name}.inner import other\nvalue = other.value\n")
        (package / "other.py").write_text(f"value = {name!r}\n")
        (tmp_path / name / "top.py").write_text("value = 'top'\n")
    (tmp_path / "with_init" / "__init__.py").write_text("")
    (tmp_path / "with_init" / "inner" / "__init__.py").write_text("from . import other\n")
    with beside(tmp_path):
        for name in ("with_init", "without_init"):
            assert plugins.attribute(f"{name}.inner.mod:value") == name
            assert plugins.attribute(f"{name}.top:value") == "top"
        assert {"with_init.inner.mod", "without_init.inner.mod"} <= {
            module.__name__ for module in own_modules()
        }


def test_a_package_under_a_name_that_is_taken(tmp_path):
    package = tmp_path / "json"
    package.mkdir()
    (package / "__init__.py").write_text("from . import part\n")
    (package / "part.py").write_text("value = 3\n")
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml" / "part.py").write_text("value = 3\n")
    with beside(tmp_path):
        assert plugins.attribute("json.part:value") == 3
        with pytest.raises(InputError, match="another package is called 'xml'; rename"):
            plugins.attribute("xml.part:value")
    import json

    assert json.loads("3") == 3


def test_a_folder_without_modules_is_no_package(tmp_path):
    (tmp_path / "figures").mkdir()
    with beside(tmp_path), pytest.raises(ModuleNotFoundError):
        __import__("figures")


def test_the_working_folder_comes_last(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "study"
    for folder in (here, there):
        folder.mkdir()
        (folder / "both_have_it.py").write_text(f"value = {folder.name!r}\n")
    (here / "only_here.py").write_text("from both_have_it import value\n")
    monkeypatch.chdir(here)
    assert plugins.attribute("both_have_it:value") == "here"
    with beside(there):
        assert plugins.attribute("both_have_it:value") == "study"
        assert plugins.attribute("only_here:value") == "here"
        assert plugins.attribute("both_have_it:value") == "study"
    assert current_folder() is None


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_module:x", "no module 'no_such_module'"),
        ("mine.part:x", "no module 'mine.part'"),
        (":x", "no module ''"),
        (".mine:x", "no module '.mine'"),
        ("..mine:x", "no module '..mine'"),
        ("a..b:x", "no module 'a..b'"),
        ("mine:netwrok", r"unknown attribute 'netwrok' \(did you mean 'network'"),
        ("mine:Own.nosuch", "unknown attribute 'nosuch'"),
        ("mine:", "unknown attribute ''"),
    ],
)
def test_what_does_not_exist_is_one_clear_line(tmp_path, reference, message):
    folder = own_study(tmp_path / "study")
    with beside(folder), pytest.raises(InputError, match=message) as error:
        plugins.attribute(reference, "run 'own'")
    assert str(error.value).startswith("run 'own': ") and "\n" not in str(error.value)


def test_a_module_that_lacks_something_says_what(tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    (tmp_path / "json.py").write_text("raise ValueError('while loading')\n")
    with beside(tmp_path):
        for _ in range(2):  # not half loaded the second time
            with pytest.raises(ModuleNotFoundError, match="no_such_package"):
                plugins.attribute("broken:x")
            with pytest.raises(ValueError, match="while loading"):
                plugins.attribute("json:x")


def test_a_changed_folder_is_another_one(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "unit_of.py").write_text(f"value = {name!r}\n")
    with beside(tmp_path / "a"):
        first = find_module("unit_of")
        with beside(tmp_path / "b"):
            assert find_module("unit_of").value == "b"
        assert find_module("unit_of") is first and sys.modules["unit_of"] is first
    with beside(tmp_path / "b"):
        assert sys.modules["unit_of"].value == "b"

"""Records are tied to the source of what a study names; how code is written down does not matter."""

import shutil
import sys
import warnings
from pathlib import Path

import optuna
import pytest
from cli_setup import call, make_study, rows

import lionheart_opt as lo
from lionheart_opt.study import sources
from lionheart_opt.study.sources import (
    check_sources,
    named_sources,
    object_sources,
    plugin_sources,
    source_changes,
)
from lionheart_opt.testing import tiny_problem

OLD = Path(__file__).parents[1] / "old_records"

STRATEGY = '''
"""Says what to do."""
from dataclasses import dataclass
import helper

@dataclass(frozen=True)
class Mine:
    def search(self, problem, rng):
        """All of it."""
        yield [problem.pretrained(helper.choose(problem))]
'''
HELPER = """
from parts import first

def choose(problem):
    return first.choose(problem)
"""
PART = """
def choose(problem):
    return problem.all_analog
"""
STUDY = """
question = "Is it still the same?"
system = "lionheart"
storage = "journal:///study.log"
[model]
name = "counting_oracle:deep"
input_shape = [8]
[oracle]
kind = "counting_oracle:Counting"
[limits]
max_drop = 0.5
draws = [2, 4]
[budget]
trials = 4
[[run]]
strategy = "mine:Mine"
[[run]]
strategy = "random"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study with a strategy that imports a module, which imports a part of a package."""
    study = make_study(tmp_path / "study", STUDY)
    (study / "parts").mkdir()
    for name, text in {
        "mine.py": STRATEGY,
        "helper.py": HELPER,
        "parts/__init__.py": "",
        "parts/first.py": PART,
        "unused.py": "x = 1",
    }.items():
        (study / name).write_text(text)
    shutil.copy(Path(__file__).parents[1] / "helpers" / "counting_oracle.py", study)
    return study


def test_modules_are_followed_through_their_imports(folder: Path) -> None:
    found = named_sources({"run": [{"strategy": "mine:Mine"}]}, folder)
    assert list(found) == ["helper.py", "mine.py", "parts/__init__.py", "parts/first.py"]
    assert named_sources(
        {"a": "numpy:array", "b": "sqlite:///x", "c": "no.such:thing"}, folder
    ).keys() == {"numpy"}
    assert named_sources("lionheart_opt.strategies.random:Random", folder) == {}


@pytest.mark.parametrize(
    "line",
    [
        "import parts.first",
        "from parts import first as other",
        "from parts.first import choose",
        "def f():\n    import parts.first",
        "import importlib\nx = importlib.import_module('parts.first')",
    ],
)
def test_every_way_to_import_counts(folder: Path, line: str) -> None:
    (folder / "mine.py").write_text(line)
    assert "parts/first.py" in named_sources("mine:x", folder)
    (folder / "parts" / "second.py").write_text("from .first import choose\nfrom . import third")
    (folder / "parts" / "third.py").write_text("from .. import nothing")
    (folder / "mine.py").write_text("import parts.second, json, torch")
    assert set(named_sources("mine:x", folder)) == {
        *("mine.py", "parts/__init__.py", "parts/first.py", "parts/second.py", "parts/third.py"),
    }


def test_formatting_comments_and_docstrings_do_not_count(folder: Path) -> None:
    before = named_sources("mine:Mine", folder)
    text = STRATEGY.replace("All of it.", "Some of it.").replace("    def", "    # now\n\n    def")
    (folder / "mine.py").write_text(text.replace("(frozen=True)", "( frozen = True )"))
    assert named_sources("mine:Mine", folder) == before
    for old, new in (("frozen=True", "frozen=False"), ("helper.choose", "helper.chose")):
        (folder / "mine.py").write_text(STRATEGY.replace(old, new))
        changed = named_sources("mine:Mine", folder)
        assert [name for name in before if changed[name] != before[name]] == ["mine.py"]
    (folder / "mine.py").write_text("this is ( no Python")
    assert named_sources("mine:Mine", folder).keys() == {"mine.py"}


def test_every_version_of_python_knows_the_same_source(folder: Path) -> None:
    """Python 3.12.1 ends a format with an empty text if something is computed in it."""
    (folder / "mine.py").write_text("def mine(a, b):\n    return f'{a:>{b}} {b!r}'\n")
    assert named_sources("mine:mine", folder) == {"mine.py": "fca34fdcbebc767d"}


def test_what_is_installed_comes_first_and_is_known_by_its_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "json.py").write_text("x = 1")
    (folder / "mine.py").write_text("import json, numpy")
    assert named_sources("mine:x", folder).keys() == {"mine.py"}
    origin = sources.plugins.Origin("their-package", "2.0", "theirs:Search")
    monkeypatch.setattr(sources.plugins, "available", lambda kind: {"theirs": origin})
    assert plugin_sources("strategies", "theirs", folder) == {"their-package": "2.0"}
    assert plugin_sources("strategies", "nosuch", folder) == {}


def test_a_changed_plugin_is_not_resumed_but_read(folder: Path) -> None:
    """A change anywhere in what the strategy imports; searches that do not use it go on."""
    assert call("run", folder)[0] == 0
    before = rows("show", folder)
    assert call("run", folder)[0] == 0, "nothing has changed"
    (folder / "unused.py").write_text("x = 2")
    assert call("run", folder)[0] == 0, "nobody imports it"
    (folder / "parts" / "first.py").write_text(PART.replace("all_analog", "all_digital"))
    code, _, err = call("run", folder)
    assert (
        code == 2 and "was recorded with other plug-ins: parts/first.py has changed. Change" in err
    )
    with pytest.warns(UserWarning, match="since it was recorded, parts/first.py has changed"):
        assert call("show", folder)[0] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert rows("show", folder) == before
    assert call("run", folder, "--only", "random")[0] == 0
    (folder / "counting_oracle.py").open("a").write("\nx = 1\n")
    code, _, err = call("run", folder, "--only", "random")
    assert code == 2 and "counting_oracle.py has changed" in err


def test_answers_of_another_oracle_are_not_copied(folder: Path) -> None:
    """A second study file on the same storage; the oracle's source has changed in between."""
    assert call("run", folder, "--only", "random")[0] == 0

    def copied() -> int:
        file = lo.load(folder).file
        return len(file._studies_of_the_oracle())

    assert copied() == 1
    (folder / "counting_oracle.py").open("a").write("\nx = 1\n")
    assert copied() == 0


def test_records_without_sources_are_resumed_with_a_note(folder: Path) -> None:
    assert call("run", folder, "--only", "mine:Mine")[0] == 0
    study = optuna.load_study(
        study_name=f"{folder.name}/mine:Mine/seed0", storage=lo.load(folder).file.storage
    )
    study.set_user_attr("sources", None)  # as if an older version had made it
    with pytest.warns(UserWarning, match="whether .*mine.py, .* changed since is not known"):
        assert call("run", folder, "--only", "mine:Mine")[0] == 0
    assert call("show", folder)[0] == 0
    with pytest.warns(UserWarning, match="without the sources of its plug-ins: whether mine.py"):
        check_sources("s", None, {"strategy": {"mine.py": "1"}})
    check_sources("s", None, {"strategy": {}, "oracle": {}})


def test_changes_are_named() -> None:
    old = {"oracle": {"a.py": "1", "b.py": "1", "numpy": "1.0"}}
    new = {"oracle": {"a.py": "2", "c.py": "1", "numpy": "2.0"}}
    words = ["a.py has changed", "b.py is gone", "c.py is new", "numpy is 2.0, was 1.0"]
    assert source_changes(old, new) == words and source_changes(old, old) == []


def test_objects_are_known_by_the_modules_of_their_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strategy that is imported in Python; what a script or notebook defines is not looked up."""
    for name, text in {"mine_too.py": STRATEGY}.items():
        (tmp_path / name).write_text(text.replace("import helper", "import helper_too as helper"))
    (tmp_path / "helper_too.py").write_text("def choose(problem):\n    return problem.all_analog\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import mine_too

    assert list(object_sources([mine_too.Mine()])) == ["helper_too.py", "mine_too.py"]
    assert object_sources([tiny_problem().oracle, 3]) == {}
    lo.search(tiny_problem(), mine_too.Mine(), storage="sqlite:///k.db")
    lo.search(tiny_problem(), mine_too.Mine(), storage="sqlite:///k.db")
    (tmp_path / "helper_too.py").write_text(
        "def choose(problem):\n    return problem.all_digital\n"
    )
    with pytest.raises(lo.InputError, match=r"other plug-ins: helper_too.py has changed"):
        lo.search(tiny_problem(), mine_too.Mine(), storage="sqlite:///k.db")
    monkeypatch.setattr(mine_too.Mine, "__module__", "__main__")
    assert object_sources([mine_too.Mine()]) == {}
    sys.modules.pop("mine_too")
    [study] = optuna.get_all_study_summaries("sqlite:///k.db")
    assert study.user_attrs["sources"]["strategy"].keys() == {"helper_too.py", "mine_too.py"}

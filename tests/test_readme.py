"""README.md and CONTRIBUTING.md say what is true: their code runs as it is printed.

A block whose first line is a comment with a file name (`# mine.py`) is that file. All other blocks of
Python run one after the other in one namespace.
"""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import typer.main

import lionheart_opt as lo
from lionheart_opt.cli.main import app

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
TEXTS = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "studies").glob("*/README.md")),
]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"lionheart-opt +([a-z]+)((?: +[^\s`#|,)]+)*)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a text."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is, if it says so."""
        named = re.match(r"# (\S+\.(?:py|toml))\n", self.text)
        return named[1] if named else None


def blocks(path: Path) -> list[Block]:
    return [Block(match[2], dedent(match[3])) for match in BLOCK.finditer(path.read_text())]


def write(folder: Path, block: Block) -> Path:
    assert block.file is not None
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text)
    return path


class TestReadme:
    def test_its_code_runs_as_printed(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        namespace: dict[str, Any] = {"__name__": "__main__"}
        printed: list[str] = []
        files = []
        for block in blocks(README):
            if block.file is not None:
                files.append(write(tmp_path, block).name)
            elif block.language == "python":
                exec(compile(block.text, "README.md", "exec"), namespace)
                printed += capsys.readouterr().out.splitlines()
            else:
                assert block.language == "", "a file that is not named"
        assert files == ["study.toml", "mine.py"]
        self.check_output(printed)
        study = lo.load(tmp_path)
        assert study.check()["units"]
        results = study.run(checks=False)
        assert [len(result) for result in results] == [2, 4, 4]
        frame = study.to_frame()
        assert len(frame) == 10 and frame["drop"].notna().all()

    def check_output(self, printed: list[str]) -> None:
        """Columns and costs are those in the text; accuracies depend on the machine."""
        [text] = [block.text for block in blocks(README) if "drop_high " in block.text]
        shown = text.splitlines()
        assert printed[0].split() == shown[0].split()
        assert len(printed) == len(shown) == 10
        for ours, theirs in zip(printed[1:9], shown[1:9], strict=True):
            assert ours.split()[:3] == theirs.split()[:3]
        assert printed[9].startswith("Mapping(") and shown[9].startswith("Mapping(")

    def test_it_lists_every_strategy(self) -> None:
        rows = [line for line in README.read_text().splitlines() if line.startswith("| `")]
        named = {name for line in rows for name in re.findall(r"`(\w+)`", line.split("|")[1])}
        assert set(PYPROJECT["project"]["entry-points"]["lionheart_opt.strategies"]) <= named


#: What stands for copying the files into the checkout: packages that find the printed files, too.
CONFTEST = """
import sys
from pathlib import Path
import pytest
import lionheart_opt.cost_models, lionheart_opt.oracle, lionheart_opt.strategies
root = Path(__file__).parents[1]
sys.path.insert(0, str(root))
lionheart_opt.cost_models.__path__.append(str(root / "cost_models"))
lionheart_opt.oracle.__path__.append(str(root / "lionheart_opt" / "oracle"))
lionheart_opt.strategies.__path__.append(str(root / "strategies"))
pytest.register_assert_rewrite("lionheart_opt.testing")
"""
#: The contract that the tests run over every installed system and oracle, and what is registered.
CONTRACTS = """
from dataclasses import replace
from importlib import import_module
from pathlib import Path
import pytest
import lionheart_opt as lo
from lionheart_opt.plugins import load_system
from lionheart_opt.testing import CostModelContract
from lionheart_opt.cost_models.per_operation import PerOperation

@pytest.mark.parametrize("reference", {references})
def test_registered(reference):
    module, _, attribute = reference.partition(":")
    assert getattr(import_module(module), attribute)

class TestSystem(CostModelContract):
    @pytest.fixture
    def system(self):
        folder = Path(__file__).parents[1] / "cost_models" / "systems"
        return load_system("my-system.toml", folder=folder)

    @pytest.fixture
    def cost_model(self, system):
        assert system.family == "per_operation"
        return PerOperation(system)

    def test_an_oracle_and_a_strategy_in_a_search(self, system):
        own = replace_family(system)
        oracle = {{"kind": "lionheart_opt.oracle.fixed_losses:FixedLosses", "loss": 0.004}}
        problem = lo.problem("digits_cnn", system=own, max_drop=0.013, oracle=oracle)
        result = lo.search(problem, "lionheart_opt.strategies.cheapest_first:CheapestFirst")
        assert result.best is not None
        assert len(result.best.mapping.units_on("crossbar")) == 3

def replace_family(system):
    return system.model_copy(
        update={{"family": "lionheart_opt.cost_models.per_operation:PerOperation"}}
    )
"""


class TestContributing:
    def test_its_recipes_keep_the_contracts(self, tmp_path: Path) -> None:
        files, references = [], []
        for block in blocks(CONTRIBUTING):
            if block.file is not None:
                files.append(write(tmp_path, block))
            elif block.language == "toml":
                references += self.registered(block)
            else:
                assert block.language == "", "a file that is not named"
        tests = [path for path in files if path.parent.name == "tests"]
        assert len(tests) == 3 and len(files) == 8 and len(references) == 3
        (tmp_path / "tests" / "conftest.py").write_text(CONFTEST)
        (tmp_path / "tests" / "test_systems.py").write_text(CONTRACTS.format(references=references))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
        result = subprocess.run(
            command, cwd=tmp_path / "tests", env=environment(), capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr

    def registered(self, block: Block) -> list[str]:
        """What a block for `pyproject.toml` registers, of what the text prints as a file."""
        groups = tomllib.loads(block.text)["project"]["entry-points"]
        assert set(groups) <= set(PYPROJECT["project"]["entry-points"])
        [(group, points)] = groups.items()
        if group in ("lionheart_opt.systems", "lionheart_opt.validations"):
            return []
        for name, reference in points.items():
            assert reference.partition(":")[0].endswith(f".{name}")
        return list(points.values())


def environment() -> dict[str, str]:
    """This interpreter's modules, one thread."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


@cache
def verbs() -> dict[str, set[str]]:
    """Verb -> its options."""
    group = typer.main.get_command(app)
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        | {option for parameter in command.params for option in parameter.secondary_opts}
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
class TestTexts:
    def test_commands_exist(self, path: Path) -> None:
        for verb, rest in COMMAND.findall(path.read_text()):
            assert verb in verbs(), f"lionheart-opt {verb}"
            for option in re.findall(r"--[a-z-]+", rest):
                assert option in verbs()[verb], f"lionheart-opt {verb} {option}"

    def test_make_targets_exist(self, path: Path) -> None:
        makefile = (ROOT / "Makefile").read_text()
        for target in re.findall(r"(?:^ *|`)make ([a-z-]+)", path.read_text(), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"

    def test_links_lead_somewhere(self, path: Path) -> None:
        for link in re.findall(r"\]\(([^)#]+)", path.read_text()):
            if "://" not in link:
                assert (path.parent / link).exists(), link

    def test_modules_exist(self, path: Path) -> None:
        """`lionheart_opt.x.y`, and names in it; the changelog names what is gone."""
        if path.name == "CHANGELOG.md":
            pytest.skip("names old modules, too")
        printed = {block.file for block in blocks(path)}
        for name in re.findall(r"`(lionheart_opt(?:\.\w+)+)`", path.read_text()):
            if f"{name.replace('.', '/')}.py" not in printed:
                assert importable(name), name


def importable(name: str) -> bool:
    """Whether it is a module, or an attribute of one."""
    try:
        import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        groups = PYPROJECT["project"]["entry-points"]
        return name in groups or hasattr(import_module(module), attribute)
    return True


def test_commands_are_found() -> None:
    """The patterns above see commands with and without options."""
    commands = COMMAND.findall("`lionheart-opt run STUDY --workers 4` and lionheart-opt list")
    assert commands == [("run", " STUDY --workers 4"), ("list", "")]

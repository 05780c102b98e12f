"""The shape of the code base: who may import whom, what is installed, how large a file may be."""

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("lionheart_opt", "strategies", "cost_models")
#: The only places of the core that may import torch or aihwkit.
TORCH_PLACES = (
    "lionheart_opt/tracing/",
    "lionheart_opt/datasets",
    "lionheart_opt/oracle/",
    "lionheart_opt/models/",
)
#: The folders at the top are imported as parts of `lionheart_opt`, never by their own names.
TOP_LEVEL = {"strategies", "cost_models"}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path, *, for_types: bool = True) -> Iterator[str]:
    """Full names of the modules that a file imports, inside functions too.

    `for_types`: also those that only type checkers see.
    """
    tree = ast.parse(path.read_text())
    if not for_types:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def packages(name: str) -> list[str]:
    """`a.b.c` -> `a`, `a.b`, `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[: k + 1]) for k in range(len(parts))]


def forbidden(path: Path) -> set[str]:
    """Packages that a file must not import."""
    where = path.relative_to(ROOT).as_posix()
    plugins = {"lionheart_opt.strategies", "lionheart_opt.cost_models"}
    for name in ("strategies", "cost_models"):
        if where.startswith(f"{name}/"):
            return {"torch", "aihwkit", *plugins - {f"lionheart_opt.{name}"}, *TOP_LEVEL}
    torch = set() if where.startswith(TORCH_PLACES) else {"torch", "aihwkit"}
    return torch | plugins | TOP_LEVEL


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_import_rules(path: Path) -> None:
    found = {name for full in imports(path, for_types=False) for name in packages(full)}
    assert not found & forbidden(path)


def test_the_import_rules_see_imports_inside_functions(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text("def f():\n    import torch.nn\n    from aihwkit.nn import AnalogLinear\n")
    assert set(imports(path)) == {"torch.nn", "aihwkit.nn"}


@pytest.mark.parametrize(
    "module", ["lionheart_opt", "lionheart_opt.plugins", "lionheart_opt.cost_models"]
)
def test_imports_are_light(module: str) -> None:
    heavy = ["torch", "aihwkit", "optuna", "matplotlib", "sklearn", "numba", "typer"]
    code = f"import sys, {module}; print(*(set({heavy}) & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


def test_strategies_and_cost_models_load_without_torch() -> None:
    code = (
        "import sys\n"
        "from lionheart_opt import plugins\n"
        "for kind in ('strategies', 'cost_models'):\n"
        "    for name in plugins.available(kind):\n"
        "        plugins.load(kind, name)\n"
        "print(*({'torch', 'aihwkit', 'optuna'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


def test_registered_plugins_are_the_installed_ones() -> None:
    for group, declared in PYPROJECT["project"]["entry-points"].items():
        installed = {
            point.name: point.value
            for point in entry_points(group=group)
            if point.dist is not None and point.dist.name == "lionheart_opt"
        }
        assert installed == declared, "stale metadata: run `pip install --no-deps -e .` again"


def test_plugins_are_named_after_their_files() -> None:
    for group in ("strategies", "cost_models"):
        for name, value in PYPROJECT["project"]["entry-points"][f"lionheart_opt.{group}"].items():
            module, _, attribute = value.partition(":")
            assert module == f"lionheart_opt.{group}.{name}"
            assert attribute.lower() == name.replace("_", "")


def test_every_package_is_listed() -> None:
    there = {
        ".".join(("lionheart_opt", *folder.parts[folder.parts[0] == "lionheart_opt" :]))
        for folder in (path.parent.relative_to(ROOT) for path in sources(*PACKAGES))
    }
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == there


def test_the_wheel_holds_one_package_and_nothing_else(tmp_path: Path) -> None:
    copy = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=ignore, symlinks=True)
    for name in ("studies", "tests", "benchmarks"):
        (copy / name).mkdir()
        (copy / name / "stray.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    code = (
        "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    )
    built = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=copy, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        ("lionheart_opt" / path.relative_to(copy)).as_posix()
        if name != "lionheart_opt"
        else path.relative_to(copy).as_posix()
        for name in PACKAGES
        for path in (copy / name).rglob("*")
        if path.is_file() and path.suffix != ".md"
    }
    assert found == wanted


@pytest.mark.parametrize(
    "path",
    sources(*PACKAGES, "tests", "benchmarks"),
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_files_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400, "ask what it is really two of"


def test_no_dumping_grounds() -> None:
    names = {path.stem for path in sources(*PACKAGES)} | {
        path.parent.name for path in sources(*PACKAGES)
    }
    assert not names & {"utils", "util", "helpers", "common", "base", "misc", "core"}

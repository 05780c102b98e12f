"""The shape of the code base: who may import whom, what is installed, how large a file may be."""

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("lionheart_opt", "strategies", "cost_models")
#: The only places of the core that may import torch or aihwkit.
TORCH_PLACES = (
    "lionheart_opt/tracing/",
    "lionheart_opt/datasets",
    "lionheart_opt/tasks/",
    "lionheart_opt/testing/tasks.py",
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


#: Rooms from the lowest to the highest. Arrows run down: a module imports its own room and lower ones.
ROOMS = (
    ("nouns",),
    ("tasks",),
    ("strategies", "cost_models", "models", "datasets"),
    ("tracing",),
    ("oracle", "published numbers"),
    ("study",),
    ("results",),
    ("plots",),
    ("front door", "testing"),
    ("cli",),
)
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}
FOLDERS_OF_NOUNS = ("aging", "fitting", "hardware", "statistics")
#: Modules at the top of `lionheart_opt` that are no nouns.
ELSEWHERE = {
    "__main__": "cli",
    "analyses": "front door",
    "api": "front door",
    "api_fit": "front door",
    "api_hardware": "front door",
    "api_networks": "front door",
    "explorations": "front door",
    "studies": "front door",
    "synthetic": "testing",
    "testing": "testing",
}
#: They trace the networks of papers and price them.
CHECKS_OF_COST_MODELS = (
    "lionheart_opt.cost_models.validation",
    "lionheart_opt.cost_models.calibration",
)
#: Strategies and cost models import nouns only, and nobody imports them: they are plug-ins.
PLUGINS = ("strategies", "cost_models")


def module_of(path: Path) -> str:
    """`lionheart_opt.study.search` of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "lionheart_opt" else ("lionheart_opt", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sources(*PACKAGES)}


def room_of(module: str) -> str:
    """Room of a module of ours."""
    _, *rest = module.split(".")
    if not rest:
        return "front door"
    if module.startswith(CHECKS_OF_COST_MODELS):
        return "published numbers"
    is_room = f"lionheart_opt.{rest[0]}" in MODULES and len(rest) > 1
    is_package = MODULES.get(module, Path()).name == "__init__.py"
    if rest[0] in FOLDERS_OF_NOUNS:
        return "nouns"
    return rest[0] if is_room or is_package else ELSEWHERE.get(rest[0], "nouns")


def our_imports(module: str, *, at_import: bool = False) -> set[str]:
    """Modules of ours that a module imports; inside functions and for types only, too.

    `at_import`: only those that are loaded when the module is.
    """
    tree = ast.parse(MODULES[module].read_text())
    if at_import:
        nodes: list[ast.AST] = []
        for node in tree.body:
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                continue
            nodes.append(node)
    else:
        nodes = list(ast.walk(tree))
    imported = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                imported.add(full if full in MODULES else node.module)
    return {name for name in imported if name in MODULES and name != module}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_arrows_run_down(module: str) -> None:
    room = room_of(module)
    for other in our_imports(module):
        if other == "lionheart_opt":
            continue  # `from lionheart_opt import plugins` names the package
        theirs = room_of(other)
        if room in PLUGINS:
            assert theirs in ("nouns", room), f"{module} imports {other}"
        elif theirs in PLUGINS and room != "published numbers":
            raise AssertionError(f"{module} imports the plug-in {other}")
        else:
            lower = RANK[theirs] < RANK[room] or theirs == room
            assert lower, f"{module} ({room}) imports {other} ({theirs})"


def test_there_is_no_circle_of_imports() -> None:
    """Not even of imports inside functions: circles are not broken by hiding them."""
    graph = {module: our_imports(module) - {"lionheart_opt"} for module in MODULES}
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        raise AssertionError(f"a circle: {' -> '.join(error.args[1])}") from error


def test_a_circle_is_noticed() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"c"}, "c": {"a"}}).prepare()


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_some_places_load_torch(path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    imported = {name for full in imports(path, for_types=False) for name in packages(full)}
    assert not imported & TOP_LEVEL, "import it as a part of lionheart_opt"
    if not where.startswith(TORCH_PLACES):
        assert not imported & {"torch", "aihwkit"}


def test_the_import_rules_see_imports_inside_functions(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text("def f():\n    import torch.nn\n    from aihwkit.nn import AnalogLinear\n")
    assert set(imports(path)) == {"torch.nn", "aihwkit.nn"}


HEAVY = ["torch", "aihwkit", "optuna", "matplotlib", "sklearn", "numba"]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("lionheart_opt", [*HEAVY, "typer"]),
        ("lionheart_opt.plugins", [*HEAVY, "typer"]),
        ("lionheart_opt.cost_models", [*HEAVY, "typer"]),
        ("lionheart_opt.cli.main", [*HEAVY, "numpy", "scipy", "pydantic"]),  # `--help`, completions
    ],
)
def test_imports_are_light(module: str, heavy: list[str]) -> None:
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
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        ("lionheart_opt" / path.relative_to(copy)).as_posix()
        if name != "lionheart_opt"
        else path.relative_to(copy).as_posix()
        for name in PACKAGES
        for path in (copy / name).rglob("*")
        if path.is_file() and path.suffix != ".md"
    }
    assert shipped == wanted


@pytest.mark.parametrize(
    "path",
    sources(*PACKAGES, "tests", "benchmarks"),
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_files_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400, "ask what it is really two of"


#: Modules that hold nothing to run.
NOTHING_TO_TEST = {
    "lionheart_opt.strategy": "a protocol only",
    "lionheart_opt.oracle.fast.structures": "named tuples only",
    "lionheart_opt.study.pending": "a protocol and two errors only",
}


def its_test_file(module: str) -> Path:
    """`lionheart_opt.study.search` -> `tests/study/test_search.py`; of a package, a file in it."""
    _, *folders = module.split(".")
    is_package = MODULES[module].name == "__init__.py"
    name = module.split(".")[-1]
    return ROOT.joinpath("tests", *(folders if is_package else folders[:-1]), f"test_{name}.py")


def defines_something(path: Path) -> bool:
    """Whether a file defines functions or classes, rather than naming those of others."""
    definitions = (ast.FunctionDef, ast.ClassDef)
    return any(isinstance(node, definitions) for node in ast.parse(path.read_text()).body)


def test_every_module_has_its_test_file() -> None:
    """`tests/` mirrors the packages; a package needs a file only for what it defines itself."""
    assert MODULES.keys() >= NOTHING_TO_TEST.keys(), "an exception for what is no longer there"
    missing = {
        module: its_test_file(module).relative_to(ROOT).as_posix()
        for module, path in MODULES.items()
        if module not in NOTHING_TO_TEST
        and (path.name != "__init__.py" or defines_something(path))
        and not its_test_file(module).exists()
    }
    assert not missing


def test_no_dumping_grounds() -> None:
    names = {path.stem for path in sources(*PACKAGES)} | {
        path.parent.name for path in sources(*PACKAGES)
    }
    assert not names & {"utils", "util", "helpers", "common", "base", "misc", "core"}

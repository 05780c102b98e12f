"""Which small changes of a module do its tests not notice?

`make mutation` or `python tests/mutation/run.py [MODULE ...] [--sample N] [--list]`. Each mutant runs in
a forked process of its own: nothing is written into the source, and torch is imported once. Only the
fast tests of the module run, and they stop at the first failure. Results are kept in `.mutation/`, so
that the run can be stopped and goes on where it was. A mutant that was killed is tried again only if
its module has changed, one that survived also if the tests have.

Why not mutmut or cosmic-ray: mutmut leaves out decorated functions, thus all properties, and wants the
packages without links; cosmic-ray starts Python and torch anew for each mutant.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import random
import re
import resource
import signal
import sys
import time
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".mutation"
#: Mutants that change nothing that anybody can see: `module: name of the mutant  # why`.
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
#: Imported once, before the processes of the mutants are forked. Nothing of ours, and no threads.
PRELOADED = (
    "torch hypothesis hypothesis.extra.numpy _pytest.assertion.rewrite numba numba.core.cpu "
    "scipy.optimize scipy.stats optuna optuna.samplers pandas pydantic rich typer rectpack sklearn "
    "matplotlib.pyplot loky cloudpickle tomllib sqlalchemy scipy.sparse"
).split()
MEMORY_BYTES = 12 * 2**30
#: Tests that take longer are left out; most of them start processes, which run the unchanged code.
LONGEST_S = 2.0

_COST = [f"tests/cost_models/test_{name}.py" for name in ("ranges", "by_hand", "reuse")]
_STRATEGY = [f"tests/strategies/test_{name}.py" for name in ("defaults", "every_strategy")]
#: Start of a module's name -> its tests beside the files that mirror it.
MORE_TESTS = {
    "strategies/parts/": [
        f"tests/strategies/test_{name}.py"
        for name in ("defaults", "greedy", "knapsack", "quadratic")
    ],
    "strategies/": _STRATEGY,
    "cost_models/parts/": [*_COST, "tests/cost_models/test_alpine.py"],
    "cost_models/": _COST,
    "lionheart_opt/study/": [
        f"tests/study/test_{name}.py" for name in ("record", "search", "optuna_keeper")
    ],
    "lionheart_opt/problem.py": ["tests/test_synthetic.py"],
    "lionheart_opt/statistics/bounds.py": [
        f"tests/test_limits{name}.py" for name in ("", "_rounding", "_population")
    ],
    "lionheart_opt/limits.py": ["tests/statistics/test_bounds.py"],
    "lionheart_opt/oracle/hat.py": [
        f"tests/oracle/test_{name}.py" for name in ("grouping", "loading", "one_shot", "rehearsal")
    ],
    "lionheart_opt/oracle/passes.py": ["tests/oracle/test_purity.py"],
    "lionheart_opt/oracle/training.py": ["tests/oracle/test_optimisation.py"],
}
MODULES = (
    "lionheart_opt/limits.py",
    "lionheart_opt/statistics/bounds.py",
    "lionheart_opt/statistics/outcomes.py",
    "lionheart_opt/problem.py",
    "lionheart_opt/study/search.py",
    "lionheart_opt/study/plan.py",
    "lionheart_opt/study/record.py",
    *(
        str(path.relative_to(ROOT))
        for folder in (
            "lionheart_opt/oracle",
            "lionheart_opt/oracle/fast",
            "strategies",
            "strategies/parts",
            "cost_models",
            "cost_models/parts",
        )
        for path in sorted((ROOT / folder).glob("*.py"))
        if path.name not in ("__init__.py", "structures.py")  # nothing to change
    ),
)


def import_name(module: str) -> str:
    dotted = module.removesuffix(".py").replace("/", ".")
    return dotted if dotted.startswith("lionheart_opt.") else f"lionheart_opt.{dotted}"


def tests_of(module: str) -> list[str]:
    """The file that mirrors the module, those with a longer name, then further ones."""
    path = Path(module.removeprefix("lionheart_opt/"))
    folder = ROOT / "tests" / path.parent
    mirrored = [folder / f"test_{path.stem}.py", *sorted(folder.glob(f"test_{path.stem}_*.py"))]
    tests = [str(file.relative_to(ROOT)) for file in mirrored if file.exists()]
    further = next((files for start, files in MORE_TESTS.items() if module.startswith(start)), [])
    return list(dict.fromkeys(tests + further))


def digest(*paths: Path) -> str:
    total = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            total.update(file.read_bytes())
    return total.hexdigest()[:16]


class FastestFirst:
    """Runs the tests that take least first. Without known durations it measures and keeps them.

    Of tests of all plug-ins it leaves those of the module's own.
    """

    def __init__(self, file: Path, module: str) -> None:
        self.file = file
        self.own = re.compile(rf"\[{Path(module).stem}[-\]]")
        self.known: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
        self.measured: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.known.get(item.nodeid, 0.0))
        items[:] = [
            item
            for item in items
            if self.known.get(item.nodeid, 0.0) <= LONGEST_S
            and ("TestRegistered" not in item.nodeid or self.own.search(item.nodeid))
        ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.measured[report.nodeid] = self.measured.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        if not self.known:
            self.file.write_text(json.dumps(self.measured))


def run_tests(module: str, code: CodeType | None, limit_s: float) -> str:
    """`passed`, `failed` or `time` of the module's tests in a process of its own."""
    process = os.fork()
    if process == 0:
        os.setsid()
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        status = 99
        try:
            status = _pytest(module, code)
        finally:
            os._exit(int(status))
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return "passed" if status == 0 else "failed"
        time.sleep(0.01)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return "time"


def _pytest(module: str, code: CodeType | None) -> int:
    from hypothesis import Phase, settings

    order = FastestFirst(RESULTS / f"{import_name(module)}.durations", module)
    if code is not None:
        name, original = import_name(module), SourceFileLoader.get_code

        def get_code(loader: SourceFileLoader, fullname: str) -> CodeType | None:
            return code if fullname == name else original(loader, fullname)

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutation", database=None, derandomize=True, phases=phases)
    settings.load_profile("mutation")
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark", "--no-header"]
    return pytest.main([*options, *tests_of(module)], plugins=[order])


def equivalent(module: str) -> set[str]:
    lines = EQUIVALENT.read_text().splitlines() if EQUIVALENT.exists() else []
    start = f"{module}: "
    return {line.split("  # ")[0].removeprefix(start) for line in lines if line.startswith(start)}


def mutate(module: str, sample: int | None, *, only_list: bool) -> None:
    """Try the mutants of a module, or a sample with a fixed seed, and print its score."""
    from mutants import mutants_of

    path = ROOT / module
    known_equivalent = equivalent(module)
    all_mutants = mutants_of(path.read_text())
    unknown = known_equivalent - {mutant.name for mutant in all_mutants}
    mutants = [mutant for mutant in all_mutants if mutant.name not in known_equivalent]
    if sample is not None and sample < len(mutants):
        random.Random(0).shuffle(mutants)  # a larger sample contains a smaller one
        mutants = sorted(mutants[:sample], key=lambda mutant: mutant.line)
    file = RESULTS / f"{import_name(module)}.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    state = {"source": digest(path), "tests": digest(*(ROOT / test for test in tests_of(module)))}
    results: dict[str, str] = {}
    if kept.get("source") == state["source"]:
        fresh = kept.get("tests") == state["tests"]
        results = {k: v for k, v in kept["results"].items() if fresh or v != "passed"}
    missing = [mutant for mutant in mutants if mutant.name not in results]
    if missing and not only_list:
        (RESULTS / f"{import_name(module)}.durations").unlink(missing_ok=True)
        start = time.monotonic()
        if (outcome := run_tests(module, None, 600.0)) != "passed":
            raise SystemExit(f"{module}: its tests {outcome} without a change: {tests_of(module)}")
        limit_s = 5.0 + 2.0 * (time.monotonic() - start)
        for mutant in missing:
            results[mutant.name] = run_tests(module, mutant.compile(str(path)), limit_s)
            file.write_text(json.dumps({**state, "results": results}, indent=1))
    done = [mutant for mutant in mutants if mutant.name in results]
    survivors = [mutant for mutant in done if results[mutant.name] == "passed"]
    for mutant in survivors:
        print(f"  {module}:{mutant.line}: {mutant.name}")
    for name in sorted(unknown):
        print(f"  {EQUIVALENT.name}: {module} has no mutant {name!r}")
    killed = len(done) - len(survivors)
    share = f"{100 * killed / len(done):.1f} %" if done else "-"
    print(
        f"{module}: {killed} of {len(done)} killed ({share}); {len(all_mutants)} mutants, "
        f"{len(known_equivalent)} equivalent",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", help="files or starts of their names; all by default")
    parser.add_argument(
        "--sample", type=int, help="most mutants of a module, drawn with a fixed seed"
    )
    parser.add_argument("--list", action="store_true", help="only print what is known")
    options = parser.parse_args(arguments)
    modules = [
        module
        for module in MODULES
        if not options.modules or any(module.startswith(start) for start in options.modules)
    ]
    if not modules:
        raise SystemExit(f"no such module; known: {', '.join(MODULES)}")
    os.chdir(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"
    RESULTS.mkdir(exist_ok=True)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers"), str(Path(__file__).parent)]
    if not options.list:
        for name in PRELOADED:
            importlib.import_module(name)
    for module in modules:
        mutate(module, options.sample, only_list=options.list)


if __name__ == "__main__":
    main()

"""The mutation tool changes one thing at a time, and only what tests can notice."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load(name: str) -> ModuleType:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


mutants, run = load("mutants"), load("run")


def changes(source: str) -> set[str]:
    return {mutant.name.split(": ", 1)[1] for mutant in mutants.mutants_of(source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", {"a < b -> a <= b", "a < b -> a >= b"}),
        ("a + b", {"a + b -> a - b", "a + b -> a", "a + b -> b"}),
        ("a and b", {"a and b -> a or b", "a and b -> a", "a and b -> b"}),
        ("not a", {"not a -> a"}),
        ("2", set()),  # nobody sees it
        ("x = 2", {"2 -> 3"}),
        ("x = 0.5", {"0.5 -> 1.0"}),
        ("x = sorted(y)", {"sorted(y) -> y"}),
        ("x = min(y)", {"min(y) -> max(y)"}),
        ("x = f(y, z=a)", {"f(y, z=a) -> f(y)"}),
        ("x = np.abs(y)", {"np.abs(y) -> y"}),
        ("x = y.clamp(z)", {"y.clamp(z) -> y"}),
        ("x = y[1:z]", {"1 -> 2", "1:z -> :z", "1:z -> 1:"}),
        ("f(x)", {"f(x) -> pass"}),
        ("x += y", {"x += y -> x -= y", "x += y -> pass"}),
        ("x = [y for y in z if y]", {"for y in z if y -> for y in z"}),
        ("x = y if a else z", {"y if a else z -> y", "y if a else z -> z"}),
    ],
)
def test_what_is_changed(source: str, expected: set[str]) -> None:
    assert {change.strip() for change in changes(source)} == expected


def test_texts_types_and_messages_are_left_alone() -> None:
    source = '''
from typing import Literal
Kind = Literal["a", "b"] | None
class A:
    """Text."""
    def __repr__(self):
        return f"{1 + 1}"
def f(x: tuple[int, ...] = ()) -> dict[str, int]:
    """Text."""
    if x:
        raise ValueError("a" + "b")
'''
    names = changes(source)
    assert all(name.startswith("if x") for name in names) and len(names) == 3


def test_mutants_are_compiled_one_at_a_time() -> None:
    source = "x = 1 + 2\n"
    values = set()
    for mutant in mutants.mutants_of(source):
        scope: dict[str, int] = {}
        exec(mutant.compile("x.py"), scope)
        values.add(scope["x"])
    assert values == {-1, 1, 2, 4}
    again = mutants.mutants_of("\n\n" + source)
    assert [each.name for each in again] == [each.name for each in mutants.mutants_of(source)]
    names = [each.name for each in mutants.mutants_of("x = 1 - a\ny = 1 - a\n")]
    assert len(set(names)) == len(names)


def test_every_module_and_every_test_file_is_there() -> None:
    for module in run.MODULES:
        assert (run.ROOT / module).exists(), module
        tests = run.tests_of(module)
        assert tests and all((run.ROOT / test).exists() for test in tests), module
    assert run.import_name("strategies/parts/nested.py") == "lionheart_opt.strategies.parts.nested"
    assert "tests/test_limits_rounding.py" in run.tests_of("lionheart_opt/limits.py")
    assert "tests/statistics/test_bounds_crossed.py" in run.tests_of(
        "lionheart_opt/statistics/bounds.py"
    )


def test_equivalent_mutants_exist() -> None:
    for module in run.MODULES:
        names = {mutant.name for mutant in mutants.mutants_of((run.ROOT / module).read_text())}
        assert run.equivalent(module) <= names, module

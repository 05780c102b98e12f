"""Plug-ins: found by name or by `module:attr`, built with arguments of the right type, or refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest

from lionheart_opt import plugins
from lionheart_opt.cost_models.imc_cluster import ImcCluster
from lionheart_opt.errors import InputError
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.random import Random


@dataclass(frozen=True)
class Settings:
    """A plug-in with settings of several types."""

    sizes: Sequence[int]
    how: Literal["fast", "slow"] = "fast"
    share: float | None = None
    anything: object = None


def add(first: int, second: int = 1) -> int:
    """A plug-in may be a function."""
    return first + second


def takes_all(**arguments: object) -> dict[str, object]:
    """A factory whose signature says nothing about names."""
    return arguments


HERE = __name__


# --- finding ------------------------------------------------------------------------------------------


def test_everything_registered_has_an_origin():
    strategies = plugins.available("strategies")
    assert list(strategies) == sorted(strategies)
    origin = strategies["mac_greedy"]
    assert origin.distribution == "lionheart_opt" and origin.version
    assert origin.reference == "lionheart_opt.strategies.mac_greedy:MacGreedy"


def test_a_name_and_a_reference_give_the_same_object():
    assert plugins.load("strategies", "mac_greedy") is MacGreedy
    assert plugins.load("strategies", "lionheart_opt.strategies.mac_greedy:MacGreedy") is MacGreedy
    assert plugins.attribute("pathlib:Path.home") == Path.home


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("strategies", "mac_gredy", r"run 'a': unknown strategy 'mac_gredy' \(did you mean 'mac_g"),
        ("cost_models", "alpin", "run 'a': unknown cost model 'alpin' .*'alpine'"),
        ("oracles", "hatt", r"run 'a': unknown oracle 'hatt' \(did you mean 'hat'\?\)"),
        ("strategies", "no_such:A", r"run 'a': no module 'no_such' \(in 'no_such:A'\)"),
        ("strategies", "math:nosuch", "run 'a': math: unknown attribute 'nosuch'"),
        ("strategies", "pathlib:Path.homer", "unknown attribute 'homer' .*'home'"),
    ],
)
def test_what_does_not_exist_is_one_clear_line(kind, name, message):
    with pytest.raises(InputError, match=message) as error:
        plugins.load(kind, name, "run 'a'")
    assert "\n" not in str(error.value)


def test_a_module_that_lacks_something_is_broken_not_unknown(tmp_path, monkeypatch):
    (tmp_path / "broken_plugin.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        plugins.attribute("broken_plugin:Strategy")


def registers(monkeypatch, *points: EntryPoint) -> None:
    """Let these be all entry points that are installed."""
    monkeypatch.setattr(
        plugins, "entry_points", lambda group: [p for p in points if p.group == group]
    )


def point(name: str, value: str, kind: str = "strategies") -> EntryPoint:
    return EntryPoint(name=name, value=value, group=f"lionheart_opt.{kind}")


def test_one_name_for_two_plugins_is_refused(monkeypatch):
    registers(monkeypatch, point("mine", "a:A"), point("mine", "b:B"))
    message = "two distributions register 'mine' in lionheart_opt.strategies: a:A and b:B"
    with pytest.raises(InputError, match=message):
        plugins.available("strategies")


def test_the_same_plugin_may_be_registered_twice(monkeypatch):
    """As an editable installation and its metadata beside it do."""
    registers(monkeypatch, point("mine", "a:A"), point("mine", "a:A"))
    assert plugins.available("strategies") == {"mine": plugins.Origin("?", "?", "a:A")}


# --- building -----------------------------------------------------------------------------------------


def test_arguments_reach_the_plugin():
    assert plugins.build("strategies", "random", {"training": "none"}) == Random("none")
    assert plugins.build("strategies", f"{HERE}:add", {"first": 2}) == 3
    built = plugins.build("strategies", f"{HERE}:Settings", {"sizes": [1, 2], "share": 1})
    assert built == Settings(sizes=[1, 2], share=1)
    assert plugins.call(takes_all, {"any": 1}, "mine") == {"any": 1}


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "Settings",
            {"size": [1]},
            r"Settings: unknown argument 'size' \(did you mean 'sizes'\?\)",
        ),
        ("Settings", {}, "Settings: missing a required argument: 'sizes'"),
        ("Settings", {"sizes": 3}, "Settings: sizes: got 3; must be a valid "),
        ("Settings", {"sizes": [1, "2"]}, r"Settings: sizes\.1: got '2'; must be a valid integer"),
        ("Settings", {"sizes": [], "how": "fats"}, "how: got 'fats'; must be 'fast' or 'slow'"),
        ("Settings", {"sizes": [], "share": "half"}, "got 'half'; must be a valid number"),
        ("add", {"first": 1.5}, "add: first: got 1.5; must be a valid integer"),
        ("add", {"first": True}, "add: first: got True; must be a valid integer"),
    ],
)
def test_arguments_that_do_not_fit_the_signature_are_refused(name, arguments, message):
    with pytest.raises(InputError, match=message):
        plugins.build("strategies", f"{HERE}:{name}", arguments)


def test_objects_are_the_plugins_own_business():
    """A study made in Python may hand over what no file can hold."""
    sizes = range(3)
    assert plugins.call(Settings, {"sizes": sizes}, "mine").sizes is sizes


def test_annotations_that_only_type_checkers_see_are_not_checked():
    module = ModuleType("annotated")
    exec("def strategy(size: 'Unknown'):\n    return size", module.__dict__)
    assert plugins.call(module.strategy, {"size": "x"}, "mine") == "x"


def test_a_type_error_of_the_plugin_names_it():
    def broken() -> None:
        return None + 1

    sys.modules[HERE].broken = broken
    with pytest.raises(InputError, match=f"run 'a': {HERE}:broken: unsupported operand"):
        plugins.build("strategies", f"{HERE}:broken", {}, "run 'a'")


# --- systems ------------------------------------------------------------------------------------------


def test_systems_are_found_by_name_and_by_file(tmp_path):
    names = plugins.system_names()
    assert list(names) == sorted(names) and {"lionheart", "diana"} <= set(names)
    system = plugins.load_system("lionheart")
    assert system.name == "lionheart"
    assert system.origin == "lionheart_opt.cost_models.systems/lionheart.toml"
    text = (Path(plugins.__file__).parent / "cost_models/systems/lionheart.toml").read_text()
    (tmp_path / "mine.toml").write_text(text)
    mine = plugins.load_system("mine.toml", folder=tmp_path)
    assert mine.name == "mine" and mine.targets == system.targets


def test_a_system_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--system: unknown system 'lionhart' \(did you mean"):
        plugins.load_system("lionhart", "--system")
    with pytest.raises(InputError, match=r"mine\.toml"):
        plugins.load_system("mine.toml", folder=tmp_path)


def test_a_name_in_two_packages_of_systems_is_refused(tmp_path, monkeypatch):
    for package in ("systems_a", "systems_b"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "chip.toml").touch()
    monkeypatch.syspath_prepend(tmp_path)
    registers(monkeypatch, *(point(name, name, "systems") for name in ("systems_a", "systems_b")))
    with pytest.raises(InputError, match="system 'chip' is in both systems_a and systems_b"):
        plugins.system_names()


def test_the_cost_model_is_that_of_the_family():
    model = plugins.cost_model(plugins.load_system("imc-cluster"))
    assert isinstance(model, ImcCluster)
    odd = plugins.load_system("imc-cluster").model_copy(update={"family": "imc_clustr"})
    with pytest.raises(
        InputError, match=r"imc-cluster\.toml: family: unknown cost model 'imc_clustr'"
    ):
        plugins.cost_model(odd)


@pytest.mark.parametrize(
    "name",
    [
        ":a",
        "..:x",
        "a:",
        "a.b:",
        "json:",
        "json:.",
        ":",
        "a/b:c",
        "x" * 5000 + ":y",
        "a b:c",
        "json:\x1b",
    ],
)
def test_a_reference_that_leads_nowhere_is_one_short_line(name):
    with pytest.raises(InputError) as error:
        plugins.attribute(name, "study.toml: system")
    assert len(str(error.value)) <= 300 and str(error.value).isprintable()


def test_the_attributes_that_are_proposed_are_public():
    with pytest.raises(InputError, match=r"allowed: JSONDecodeError, JSONDecoder") as error:
        plugins.attribute("json:loadz")
    assert "__" not in str(error.value) and "did you mean 'load'" in str(error.value)

"""A record is tied to everything that decides its results: contents, not names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from front_door import small

from lionheart_opt import own_modules
from lionheart_opt.errors import InputError
from lionheart_opt.plugins import attribute
from lionheart_opt.study.specification import (
    differences,
    identity,
    problem_specification,
    reference,
    remedy,
    versions,
    warn_of_other_versions,
)
from lionheart_opt.testing import tiny_problem


@dataclass(frozen=True)
class Own:
    value: Any = None
    notes: list[str] = field(default_factory=list, compare=False)
    cache: dict[str, int] = field(default_factory=dict, init=False)


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value
        self._cache = object()


def double(x: float) -> float:
    return 2 * x


def triple(x: float) -> float:
    return 3 * x


@pytest.mark.parametrize("kind", [Own, Plain])
@pytest.mark.parametrize(
    ("value", "other"),
    [
        (1, 2),
        ("a", "b"),
        ((1, 2), (1, 3)),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}),
        (np.arange(3), np.arange(3) + 1),
        (np.arange(3), np.arange(3.0)),
        (np.float64(0.5), np.float64(0.25)),
        ({"a": np.zeros(2)}, {"a": np.ones(2)}),
        (Path("a"), Path("b")),
        (double, triple),
        (dict, list),
        (Own(1), Own(2)),
        (Plain(1), Plain(2)),
        (torch.zeros(2), torch.ones(2)),
        (small(0), small(1)),
    ],
)
def test_settings_are_told_apart_by_their_contents(kind, value, other):
    assert identity(kind(value)) == identity(kind(value))
    assert identity(kind(value)) != identity(kind(other))


def test_equal_contents_have_equal_identities():
    assert identity(Own(np.arange(3))) == identity(Own(np.arange(3)))
    assert identity(Own(small(0))) == identity(Own(small(0)))
    assert identity(Own((1, 2))) == identity(Own([1, 2])), "a record has no tuples"
    first, second = Own(1), Own(1, notes=["read once"])
    second.cache["x"] = 1
    assert identity(first) == identity(second), "caches and notes decide nothing"
    assert reference(first) == f"{__name__}:Own"


def test_the_source_of_a_class_takes_part():
    assert identity(Own())["source"] != identity(Plain(None))["source"] != ""
    assert identity(1)["source"] == "", "a built-in type has none"


def test_an_object_that_holds_itself_is_refused():
    endless = Plain(None)
    endless.value = endless
    with pytest.raises(InputError, match="give it a property `identity`"):
        identity(endless)


def test_an_identity_of_its_own_comes_first():
    class Named:
        identity: dict[str, Any] = {"table": "abc"}  # noqa: RUF012

    assert identity(Named()) == {"table": "abc"}
    assert identity(Own(Named()))["settings"]["value"] == {"table": "abc"}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"objectives": ("energy_j",)}, "objectives"),
        ({"training": "none"}, "training"),
        ({"seed": 1}, "seed"),
        ({"digital": ("fc0",)}, "digital"),
        ({"cost_limits": {"latency_s": 1.0}}, "limits.latency_s"),
        ({"oracle": Own(3)}, "oracle.class"),
    ],
)
def test_everything_of_a_problem_that_decides_results(changes, key):
    problem = tiny_problem()
    before = problem_specification(problem)
    assert before == problem_specification(tiny_problem())
    lines = differences(before, problem_specification(replace(problem, **changes)))
    assert any(line.startswith(f"{key}: recorded ") for line in lines)
    other = replace(problem, accuracy_limit=replace(problem.accuracy_limit, confidence=0.9))
    assert differences(before, problem_specification(other)) == [
        "limits.confidence: recorded 0.95, now 0.9"
    ]


def test_differences_name_every_leaf_with_its_path():
    recorded = {"a": {"b": 1, "c": [1]}, "d": 2, "e": None}
    now = {"a": {"b": 1, "c": [2]}, "d": {"x": 1}}
    assert differences(recorded, now) == [
        "a.c: recorded [1], now [2]",
        "d: recorded 2, now {'x': 1}",
    ]
    assert differences({"a": 1}, {"a": 2}, names=("here", "there")) == ["a: here 1, there 2"]


def test_what_to_do_about_a_difference():
    assert "another label" in remedy(["seed: recorded 0, now 1"])
    assert "manual_seed" not in remedy(["oracle.data: recorded 'a', now 'b'"])
    weights = remedy(["oracle.weights: recorded 'a', now 'b'", "seed: recorded 0, now 1"])
    assert "torch.manual_seed" in weights and "another label" in weights


def test_versions_of_what_is_installed():
    assert {"python", "lionheart_opt", "optuna", "torch", "numpy"} <= set(versions())


def test_a_warning_of_other_versions():
    recorded = versions() | {"aihwkit": "1.0.0", "numpy": "1.0.0"}
    message = (
        r"^study 'k' was recorded with aihwkit 1\.0\.0 \(now 1\.[\d.]+\): "
        "new trials may differ in their last digits from recorded ones$"
    )
    with pytest.warns(UserWarning, match=message) as said:
        warn_of_other_versions("k", recorded)
    assert len(said) == 1


@pytest.mark.filterwarnings("error")
def test_no_warning_of_the_same_versions():
    warn_of_other_versions("k", versions() | {"numpy": "1.0.0"})
    warn_of_other_versions("k", {})  # records of version 0.1.0 do not say it


def test_own_classes_are_the_same_in_another_folder_whatever_their_module_is_called(tmp_path):
    """A module whose name is taken, such as `colorsys` of Python, has its folder in its name."""
    said = []
    for name in ("before", "after"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "colorsys.py").write_text("class Net:\n    pass\n\ndef loss():\n    pass\n")
        with own_modules.beside(folder):
            net, loss = attribute("colorsys:Net"), attribute("colorsys:loss")
            assert "@" in net.__module__
            said.append({"net": identity(net()), "loss": identity(Own(loss))["settings"]})
    assert said[0] == said[1] and said[0]["net"]["class"] == "colorsys:Net"
    older = {"net": {**said[0]["net"], "class": "colorsys@0123456789abcdef:Net"}}
    assert not differences(older, {"net": said[1]["net"]})
    assert differences({"a": "x@0123456789abcdef:Net"}, {"a": "y:Net"})

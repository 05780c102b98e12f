"""A workload is consistent, finds its parts by name, and survives JSON, grouping and bad input."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lionheart_opt import InputError, Layer, Mvm, Unit, Workload
from lionheart_opt.workload import INPUT


def layer(name: str, *inputs: str, weights: int = 0, tokens: int = 1, **more: Any) -> Layer:
    """A linear layer of `weights` rows and one column, or an activation function."""
    mvm = Mvm(rows=weights, columns=1, count=tokens) if weights else None
    return Layer(
        name=name,
        kind="linear" if weights else "relu",
        inputs=inputs or (INPUT,),
        input_shapes=((1, tokens, max(weights, 1)),) * max(len(inputs), 1),
        output_shape=(1, tokens, 1),
        macs=weights * tokens,
        weight_count=weights,
        mvm=mvm,
        **{"module": name, **more},
    )


def small() -> Workload:
    """a (called twice) -> b (grouped, no crossbar) -> c, with an activation and a skip between."""
    layers = (
        layer("a", weights=4),
        layer("relu", "a"),
        layer("a_2", "relu", weights=4, module="a"),
        replace(
            layer("b", "a_2", weights=6, tokens=2), kind="grouped_conv2d", mvm=None, bias_count=1
        ),
        layer("c", "b", "relu", weights=8),
    )
    units = (
        Unit(name="a", layers=("a", "a_2")),
        Unit(name="b", layers=("b",)),
        Unit(name="c", layers=("c",)),
    )
    return Workload(name="small", layers=layers, units=units)


def test_sums() -> None:
    workload = small()
    assert workload.macs == 4 + 4 + 12 + 8
    assert workload.weight_count == 4 + 6 + 8, "a module called twice holds its weights once"
    assert workload.unit_macs(workload.unit("a")) == 8
    assert workload.layer("b").weight_bytes == 4 * (6 + 1)
    assert workload.layer("c").input_bytes == 2 * 4 * 8
    assert workload.layer("b").output_bytes == 4 * 2


def test_only_units_of_matrix_products_are_for_crossbars() -> None:
    assert [unit.name for unit in small().crossbar_units] == ["a", "c"]


def test_parts_by_name() -> None:
    workload = small()
    assert workload.unit_of == {"a": "a", "a_2": "a", "b": "b", "c": "c"}
    assert workload.modules_of(workload.unit("a")) == ("a",)
    assert list(workload.edges())[-2:] == [
        ("b", workload.layer("c")),
        ("relu", workload.layer("c")),
    ]
    with pytest.raises(InputError, match=r"unknown layer 'rely'.*did you mean 'relu'"):
        workload.layer("rely")
    with pytest.raises(InputError, match=r"unknown unit 'relu'.*allowed: a, b, c"):
        workload.unit("relu")


def test_grouping_moves_units_together() -> None:
    grouped = small().grouped({"ends": ["c", "a"]})
    assert [(unit.name, unit.layers) for unit in grouped.units] == [
        ("ends", ("a", "a_2", "c")),
        ("b", ("b",)),
    ]
    assert grouped.modules_of(grouped.unit("ends")) == ("a", "c")
    assert (grouped.macs, grouped.weight_count) == (small().macs, small().weight_count)
    assert grouped.digest != small().digest
    assert small().grouped({}) == small()


@pytest.mark.parametrize(
    "groups, message",
    [
        ({"g": ["a", "d"]}, "unknown unit 'd'"),
        ({"g": ["a"], "h": ["a"]}, "unit 'a' is in groups 'g' and 'h'"),
        ({"b": ["a", "c"]}, "group 'b': that is the name of a unit outside the group"),
    ],
)
def test_bad_groups(groups: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small().grouped(groups)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layers": (layer("a"), layer("a"))}, "layer names used twice: a"),
        ({"layers": (layer("a", "b"),)}, "unknown layer 'b'"),
        ({"units": (Unit(name="u", layers=("z",)),)}, "unknown layer 'z'"),
        ({"units": (Unit(name="u", layers=(INPUT,)),)}, "unknown layer 'input'"),
        (
            {"units": (Unit(name="u", layers=("a",)), Unit(name="v", layers=("a",)))},
            "layer 'a' is in units 'u' and 'v'",
        ),
        (
            {"units": (Unit(name="u", layers=("a",)), Unit(name="u", layers=("b",)))},
            "unit name is used twice",
        ),
    ],
)
def test_contradictions_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(small(), **({"units": ()} | change))


def test_json_round_trip(tmp_path: Path) -> None:
    small().save(tmp_path / "small.json")
    again = Workload.load(tmp_path / "small.json")
    assert again == small() and again.digest == small().digest


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"name": "x", "layers": [{}], "units": []}', '{"name": "x", "layers": 3}'],
)
def test_files_that_are_no_workload(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.json: "):
        Workload.load(path)
    with pytest.raises(InputError, match=r"none\.json: "):
        Workload.load(tmp_path / "none.json")


names = st.lists(
    st.text(min_size=1, max_size=8).filter(lambda s: s != INPUT), unique=True, max_size=6
)
sizes = st.integers(0, 2**40)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Chains and fans of layers with arbitrary names and sizes."""
    layers: list[Layer] = []
    for name in draw(names):
        inputs = tuple(
            draw(st.lists(st.sampled_from([INPUT, *(one.name for one in layers)]), max_size=3))
        )
        shape = tuple(draw(st.lists(st.integers(1, 9), max_size=4)))
        mvm = draw(st.none() | st.builds(Mvm, rows=sizes, columns=sizes, count=sizes))
        layers.append(
            Layer(
                name=name,
                kind=draw(st.sampled_from(["conv2d", "linear", "add"])),
                module=draw(st.text(max_size=4)),
                inputs=inputs,
                input_shapes=(shape,) * len(inputs),
                output_shape=shape,
                macs=draw(sizes),
                weight_count=draw(sizes),
                mvm=mvm,
                kernel=shape[:2],
            )
        )
    in_units = [one.name for one in layers if draw(st.booleans())]
    units = tuple(Unit(name=name, layers=(name,)) for name in in_units)
    return Workload(name=draw(st.text(max_size=5)), layers=tuple(layers), units=units)


@given(workloads())
def test_any_workload_survives_json(workload: Workload) -> None:
    again = Workload.from_json(json.loads(json.dumps(workload.to_json())))
    assert again == workload and again.digest == workload.digest


@given(workloads(), st.data())
def test_any_grouping_keeps_layers_and_membership(workload: Workload, data: st.DataObject) -> None:
    units = [unit.name for unit in workload.units]
    members = data.draw(st.lists(st.sampled_from(units), unique=True) if units else st.just([]))
    grouped = workload.grouped({"\0group": members} if members else {})
    assert grouped.layers == workload.layers and set(grouped.unit_of) == set(workload.unit_of)
    assert sum(map(grouped.unit_macs, grouped.units)) == sum(
        map(workload.unit_macs, workload.units)
    )
    assert len(grouped.units) == len(units) - max(len(members) - 1, 0)

"""A workload is consistent, finds its parts by name, and survives JSON, grouping and bad input."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lionheart_opt import InputError, Layer, Mvm, Unit, Workload
from lionheart_opt.text import shown
from lionheart_opt.workload import INPUT


def layer(name: str, *inputs: str, weights: int = 0, tokens: int = 1, **fields: Any) -> Layer:
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
        **{"module": name, **fields},
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
    assert workload.layer("c").input_count == 2 * 8
    assert workload.layer("b").output_count == 2


def test_a_matrix_counts_once_however_often_it_is_used() -> None:
    workload = small().grouped({"both": ["a", "b"]})
    names = {
        unit.name: [matrix.name for matrix in workload.matrices_of(unit)] for unit in workload.units
    }
    assert names == {"both": ["a", "b"], "c": ["c"]}
    # a module that multiplies by two parts of its weight has two matrices
    parts = replace(small().layers[2], weight_count=3, macs=3, mvm=Mvm(rows=3, columns=1, count=1))
    layers = (*small().layers[:2], parts, *small().layers[3:])
    workload = replace(small(), layers=layers)
    assert [matrix.name for matrix in workload.matrices_of(workload.unit("a"))] == ["a", "a_2"]
    assert workload.weight_count == 4 + 3 + 6 + 8


def test_only_units_of_matrix_products_are_for_crossbars() -> None:
    assert [unit.name for unit in small().crossbar_units] == ["a", "c"]


def test_parts_by_name() -> None:
    workload = small()
    assert workload.unit_of == {"a": "a", "a_2": "a", "b": "b", "c": "c"}
    assert workload.paths_of(workload.unit("a")) == ("a",)
    with pytest.raises(InputError, match=r"unknown layer 'rely'.*did you mean 'relu'"):
        workload.layer("rely")
    with pytest.raises(InputError, match=r"unknown unit 'relu'.*allowed: a, b, c"):
        workload.unit("relu")


def test_edges_say_who_reads_how_much_of_whom() -> None:
    workload = small()
    assert [(source, layer.name, shape) for source, layer, shape in workload.edges] == [
        (INPUT, "a", (1, 1, 4)),
        ("a", "relu", (1, 1, 1)),
        ("relu", "a_2", (1, 1, 4)),
        ("a_2", "b", (1, 2, 6)),
        ("b", "c", (1, 1, 8)),
        ("relu", "c", (1, 1, 8)),
    ]
    assert workload.edges[3].element_count == 12
    assert workload.layer("c").edges == workload.edges[-2:]


def test_every_object_says_in_a_line_what_it_is() -> None:
    workload = small()
    assert repr(workload) == "Workload('small': 5 layers, 3 units, 28 MACs, 18 weights)"
    assert repr(workload.layer("b")) == (
        "Layer('b': grouped_conv2d of (1, 2, 6) -> (1, 2, 1), 12 MACs, 6 weights)"
    )
    assert repr(workload.layer("relu")) == "Layer('relu': relu of (1, 1, 1) -> (1, 1, 1))"
    assert repr(workload.unit("a")) == "Unit('a': a, a_2)"
    assert repr(Unit(name="all", layers=tuple("abcdef"))) == "Unit('all': a, b, c, ... 6 layers)"


def test_a_notebook_shows_a_table_of_layers() -> None:
    workload = replace(small(), name="<small>")
    html = workload._repr_html_()
    assert "Workload(&#x27;&lt;small&gt;&#x27;: 5 layers" in html
    assert html.count("<tr") == 1 + 5


def test_a_frame_has_a_row_for_each_layer() -> None:
    frame = small().to_frame()
    assert list(frame.columns) == [
        *("name", "kind", "unit", "macs", "weights", "inputs", "input_shapes", "output_shape")
    ]
    assert frame["name"].tolist() == ["a", "relu", "a_2", "b", "c"]
    assert frame["unit"].isna().tolist() == [False, True, False, False, False]
    assert frame["unit"].dropna().tolist() == ["a", "a", "b", "c"]
    assert frame["macs"].sum() == small().macs
    last = frame.iloc[-1]
    assert last["inputs"] == ("b", "relu") and last["input_shapes"] == ((1, 1, 8),) * 2
    assert (last["kind"], last["weights"], last["output_shape"]) == ("linear", 8, (1, 1, 1))


def test_a_workload_without_layers_is_refused() -> None:
    with pytest.raises(InputError, match=r"^workload 'empty': has no layers$"):
        Workload(name="empty", layers=(), units=())


def test_pickles_keep_value_and_digest() -> None:
    workload = small()
    assert workload.edges and workload.digest  # computed once and kept
    again = pickle.loads(pickle.dumps(workload))
    assert again == workload and hash(again) == hash(workload)
    assert again.edges == workload.edges and again.digest == small().digest


def test_grouping_moves_units_together() -> None:
    grouped = small().grouped({"ends": ["c", "a"]})
    assert [(unit.name, unit.layers) for unit in grouped.units] == [
        ("ends", ("a", "a_2", "c")),
        ("b", ("b",)),
    ]
    assert grouped.paths_of(grouped.unit("ends")) == ("a", "c")
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
        ({"layers": (layer("a", "b"), layer("b"))}, "small', a: reads 'b', which runs later"),
        (
            {"layers": (replace(layer("a"), inputs=(INPUT, INPUT)),)},
            "small', a: 2 inputs, but 1 input_shapes",
        ),
        (
            {"layers": (replace(layer("a"), output_shape=(1, 0)),)},
            r"small', a: output_shape: got \(1, 0\); has no elements",
        ),
        (
            {"layers": (replace(layer("a", weights=4), mvm=Mvm(rows=2, columns=1, count=1)),)},
            r"a: mvm: 2 rows and 1 columns do not hold the layer's 4 weights \(weight_count\)",
        ),
        (
            {"layers": (replace(layer("a", weights=4), mvm=Mvm(rows=4, columns=1, count=0)),)},
            "a: got Mvm.*count=0.; rows, columns and count must be 1 or more",
        ),
        *(
            (
                {"layers": (replace(layer("a", weights=4, tokens=3), macs=macs),)},
                "a: mvm: 3 products of 4 rows and 1 columns are not the layer's "
                rf"{macs} MACs \(macs\)",
            )
            for macs in (2, 13)
        ),
        (
            {"layers": (replace(layer("a", weights=4), groups=2),)},
            "4 rows and 1 columns do not hold the layer's 4 weights in 2 groups",
        ),
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


texts = st.text(max_size=8).filter(str.isprintable)
names = st.lists(texts.filter(lambda s: s not in ("", INPUT)), unique=True, min_size=1, max_size=6)
sizes, some = st.integers(0, 2**40), st.integers(1, 2**40)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\u202ea", 3, None, ["x"], "\ud800"])
@pytest.mark.parametrize("place", ["name", "layer", "kind", "module", "input", "unit"])
def test_names_are_texts_that_can_be_shown(name: Any, place: str) -> None:
    said = {"name": "w", "layer": "a", "kind": "linear", "module": "a", "input": INPUT, "unit": "u"}
    said[place] = name
    with pytest.raises(InputError) as error:
        layer = Layer(
            name=said["layer"],
            kind=said["kind"],
            module=said["module"],
            inputs=(said["input"],),
            input_shapes=((1,),),
            output_shape=(1,),
        )
        units = (Unit(name=said["unit"], layers=(said["layer"],)),)
        Workload(name=said["name"], layers=(layer,), units=units)
    assert str(error.value).isprintable() and shown(name) in str(error.value)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Chains and fans of layers with arbitrary names and sizes."""
    layers: list[Layer] = []
    for name in draw(names):
        inputs = tuple(
            draw(st.lists(st.sampled_from([INPUT, *(layer.name for layer in layers)]), max_size=3))
        )
        shape = tuple(draw(st.lists(st.integers(1, 9), max_size=4)))
        mvm = draw(st.none() | st.builds(Mvm, rows=some, columns=some, count=some))
        cells, products = (mvm.rows * mvm.columns, mvm.count) if mvm else (draw(sizes), draw(some))
        layers.append(
            Layer(
                name=name,
                kind=draw(st.sampled_from(["conv2d", "linear", "add"])),
                module=draw(texts),
                inputs=inputs,
                input_shapes=(shape,) * len(inputs),
                output_shape=shape,
                macs=cells * products,
                weight_count=cells,
                mvm=mvm,
                kernel=shape[:2],
            )
        )
    in_units = [layer.name for layer in layers if draw(st.booleans())]
    units = tuple(Unit(name=name, layers=(name,)) for name in in_units)
    return Workload(name=draw(texts), layers=tuple(layers), units=units)


@given(workloads())
def test_any_workload_survives_json(workload: Workload) -> None:
    again = Workload.from_json(json.loads(json.dumps(workload.to_json())))
    assert again == workload and again.digest == workload.digest


@given(workloads(), st.data())
def test_any_grouping_keeps_layers_and_membership(workload: Workload, data: st.DataObject) -> None:
    units = [unit.name for unit in workload.units]
    members = data.draw(st.lists(st.sampled_from(units), unique=True) if units else st.just([]))
    grouped = workload.grouped({"group: new": members} if members else {})
    assert grouped.layers == workload.layers and set(grouped.unit_of) == set(workload.unit_of)
    assert sum(map(grouped.unit_macs, grouped.units)) == sum(
        map(workload.unit_macs, workload.units)
    )
    assert len(grouped.units) == len(units) - max(len(members) - 1, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 1.5, "7", True, None])
@pytest.mark.parametrize("key", ["macs", "weight_count", "kernel", "output_shape", "mvm"])
def test_counts_of_a_file_are_whole_numbers(key: str, value: object) -> None:
    data = json.loads(json.dumps(small().to_json()))
    entry = data["layers"][0]
    if key == "mvm":
        entry["mvm"]["rows"] = value
    else:
        entry[key] = [value] if isinstance(entry[key], list) else value
    with pytest.raises(InputError, match=rf"layer 'a': {key}: got .*; must be a whole number"):
        Workload.from_json(data)

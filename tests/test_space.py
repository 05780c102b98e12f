"""The search space: units with an analog target, and pairs of units that exchange data."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt import plugins
from lionheart_opt.errors import InputErrors
from lionheart_opt.space import (
    Space,
    analog_moves,
    analog_units,
    by_macs_descending,
    matching_units,
    neighbours,
)
from lionheart_opt.synthetic import (
    convolutional_workload,
    synthetic_problem,
    synthetic_workload,
)
from lionheart_opt.testing import tiny_problem
from lionheart_opt.tracing import trace_model

FOUR = ("cpu", "tile", "sram", "npu")


def lionheart(workload=None) -> Space:
    system = plugins.load_system("lionheart")
    return Space(workload=workload or convolutional_workload(), system=system)


def test_neighbours_share_data_flow_through_additions() -> None:
    expected = [("conv1", "conv2"), ("conv1", "shortcut"), ("conv2", "fc"), ("shortcut", "fc")]
    assert neighbours(lionheart()) == expected


def test_data_flow_passes_units_that_have_no_choice() -> None:
    workload = convolutional_workload()
    grouped = replace(workload.layer("conv2"), kind="depthwise_conv2d", mvm=None)
    layers = tuple(grouped if layer.name == "conv2" else layer for layer in workload.layers)
    space = lionheart(replace(workload, layers=layers))
    assert "conv2" not in {unit.name for unit in space.units}
    expected = [("conv1", "shortcut"), ("conv1", "fc"), ("shortcut", "fc")]
    assert neighbours(space) == expected
    digital = replace(lionheart(), digital=("conv2",))
    assert neighbours(digital) == expected


def test_the_units_to_pair_may_be_given() -> None:
    assert neighbours(lionheart(), ["conv1", "fc"]) == [("conv1", "fc")]
    assert neighbours(lionheart(), []) == []


def test_a_unit_that_reads_itself_is_no_pair_and_a_pair_is_listed_once() -> None:
    workload = convolutional_workload().grouped({"ends": ["conv1", "fc"]})
    assert neighbours(lionheart(workload)) == [("ends", "conv2"), ("ends", "shortcut")]


@settings(deadline=None)
@given(st.integers(1, 9), st.data())
def test_neighbours_are_those_that_reach_each_other_without_a_third(
    n_units: int, data: st.DataObject
) -> None:
    """Against a search along every path of the graph."""
    workload = synthetic_workload([100] * n_units)
    names = [unit.name for unit in workload.units]
    units = data.draw(st.sets(st.sampled_from(names)))
    space = replace(synthetic_problem(n_units=n_units), workload=workload)

    def producers(layer: str) -> set[str]:
        reached = set()
        for source in workload.layer(layer).inputs:
            if source in units:
                reached.add(source)
            elif source != "input":
                reached |= producers(source)
        return reached

    expected = {(producer, unit) for unit in units for producer in producers(unit)}
    pairs = neighbours(space, units)
    assert set(pairs) == expected
    assert len(pairs) == len(expected)


def test_analog_units_are_those_with_an_analog_target() -> None:
    problem = tiny_problem(targets=FOUR)
    assert analog_units(problem) == tuple(unit.name for unit in problem.units)
    assert analog_units(replace(problem, digital=("fc1",))) == ("fc0", "fc2", "fc3", "fc4")
    assert analog_units(tiny_problem(targets=("cpu", "npu"))) == ()


def test_the_mapping_with_given_units_analog() -> None:
    problem = tiny_problem(targets=FOUR)
    assert problem.analog([]) == problem.all_digital
    assert problem.analog(["fc3"]) == problem.mapping({"fc3": "tile"})
    assert replace(problem, digital=("fc3",)).analog(["fc3"]) == problem.all_digital
    with pytest.raises(ValueError, match="unknown unit 'fc9'"):
        problem.analog(["fc9"])


def test_patterns_keep_units_on_the_host() -> None:
    """`conv*` is conv1 and conv2; each unit counts once, in the order of the patterns."""
    workload = convolutional_workload()
    names = [unit.name for unit in workload.units]
    assert names == ["conv1", "conv2", "shortcut", "fc"]
    cases = {
        ("fc",): ("fc",),
        ("conv*",): ("conv1", "conv2"),
        ("fc", "conv?", "conv1"): ("fc", "conv1", "conv2"),
        ("conv[2-9]",): ("conv2",),
        ("*",): tuple(names),
        (): (),
    }
    for patterns, units in cases.items():
        assert matching_units(workload, patterns, "digital") == units
    space = Space(
        workload=workload, system=plugins.load_system("lionheart"), digital=("c*", "shortcut")
    )
    assert space.digital == ("conv1", "conv2", "shortcut")
    assert [unit.name for unit in space.units] == ["fc"]


def test_a_name_that_looks_like_a_pattern_is_taken_as_it_is() -> None:
    workload = convolutional_workload()
    layers = [layer for layer in workload.layers if layer.name in ("conv1", "conv2")]
    units = tuple(
        replace(workload.unit(layer.name), name=name)
        for layer, name in zip(layers, ("w[0:8]", "w0"), strict=True)
    )
    workload = replace(workload, units=units)
    assert matching_units(workload, ["w[0:8]"], "digital") == ("w[0:8]",)
    assert matching_units(workload, ["w[0-8]"], "digital") == ("w0",)


def test_patterns_that_match_nothing_are_all_named_with_the_nearest_units() -> None:
    with pytest.raises(InputErrors) as error:
        matching_units(convolutional_workload(), ["conv9*", "fc", "Fc", 3], "digital")  # type: ignore[list-item]
    first, second, third = map(str, error.value.errors)
    assert first.startswith("digital: unknown unit 'conv9*' (did you mean 'conv")
    assert second.startswith("digital: unknown unit 'Fc'") and "got 3" in third


def test_most_macs_come_first_and_of_equal_ones_the_earlier() -> None:
    workload = synthetic_workload([100, 400, 100, 400, 200])
    macs = [workload.unit_macs(unit) for unit in workload.units]
    assert macs[0] == macs[2] and macs[1] == macs[3], "the workload has ties"
    order = [unit.name for unit in by_macs_descending(workload, workload.units)]
    assert order == ["fc1", "fc3", "fc4", "fc0", "fc2"]
    some = [unit.name for unit in by_macs_descending(workload, workload.units[1:3])]
    assert some == ["fc1", "fc2"]


def test_moves_come_unit_by_unit_in_the_order_of_the_system() -> None:
    problem = replace(tiny_problem(targets=FOUR), digital=("fc1", "fc3", "fc4"))
    assert analog_moves(problem) == [
        ("fc0", "tile"),
        ("fc0", "sram"),
        ("fc2", "tile"),
        ("fc2", "sram"),
    ]


def test_all_analog_leaves_to_an_engine_what_no_tile_can_run() -> None:
    """Garofalo et al. 2022, section VI: depthwise convolutions are on the engine, in 10.28 ms."""
    workload = trace_model("mobilenet_v2")
    system = plugins.load_system("imc-cluster")
    space = Space(workload=workload, system=system)
    kinds: dict[str, set[str]] = {}
    for layer in workload.layers:
        if layer.name in workload.unit_of:
            target = space.all_analog[workload.unit_of[layer.name]]
            kinds.setdefault(target, set()).add(layer.kind)
    assert kinds == {"ima": {"conv2d", "linear"}, "dw-engine": {"depthwise_conv2d"}}
    cost = plugins.cost_model(system).cost(workload, space.all_analog)
    assert cost.latency_s == pytest.approx(10.28e-3, rel=1e-3)
    assert space.analog_target(workload.unit_of["features.1.conv.0.0"]) == system.host

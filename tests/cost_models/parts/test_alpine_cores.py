"""Several ALPINE cores: groups of layers, the critical path and the pace, by hand."""

from __future__ import annotations

import pytest

from lionheart_opt.cost_models.alpine import Alpine
from lionheart_opt.cost_models.parts.alpine_cores import pipelined, placed
from lionheart_opt.cost_models.parts.alpine_layers import Core, Run
from lionheart_opt.cost_models.parts.alpine_parameters import MachineParameters, SoftwareParameters
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system
from lionheart_opt.workload import INPUT, Layer, Unit, Workload


def core_of_two() -> Core:
    """Handing over takes 1 s; moving a byte takes nothing."""
    system = variant(load_system("alpine-high-power-8"), "machine", cores=2, frequency_hz=1e3)
    system = variant(system, "software", handoff_cycles=1e3, simple_cycles=0.0)
    return Core(
        machine=system.machine_as(MachineParameters),
        software=system.software_as(SoftwareParameters),
    )


def layer(name: str, *inputs: str) -> Layer:
    return Layer(
        name=name,
        kind="relu",
        module="",
        inputs=inputs,
        input_shapes=((1, 4),) * len(inputs),
        output_shape=(1, 4),
    )


def diamond() -> Workload:
    """`a` -> `b` and `c` -> `d`, each a unit, then `e` without weights."""
    layers = (
        layer("a", INPUT), layer("b", "a"), layer("c", "a"), layer("d", "b", "c"), layer("e", "d"),
    )  # fmt: skip
    units = tuple(Unit(name=name, layers=(name,)) for name in "abcd")
    return Workload(name="diamond", layers=layers, units=units)


def runs(dram_bytes: float = 0.0, **times_s: float) -> dict[str, Run]:
    return {
        name: Run(components={"compute": (time_s, 0.0)}, dram_bytes=dram_bytes)
        for name, time_s in times_s.items()
    }


TIMES = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 3.0, "e": 4.0}


def test_the_longer_branch_is_on_the_path() -> None:
    """`a` and its lock 2 s, then `b` 5 s beside `c` 2 s and its lock, then 7 s."""
    cores = {"a": "1", "b": "1", "c": "2", "d": "1", "e": "1"}
    network = pipelined(diamond(), runs(**TIMES), cores, core_of_two())
    assert network.path == {"a", "b", "d", "e"}
    latency_s = sum(network.runs[name].latency_s for name in network.path)
    assert latency_s == pytest.approx(1 + 1 + 5 + 3 + 4)
    assert network.busy_s == pytest.approx({"1": 14.0, "2": 3.0})
    assert network.interval_s == pytest.approx(14.0)


def test_layers_of_a_core_wait_for_each_other() -> None:
    cores = dict.fromkeys("abcde", "1")
    network = pipelined(diamond(), runs(**TIMES), cores, core_of_two())
    assert network.path == frozenset("abcde")
    assert "handoff" not in network.runs["a"].components


def test_the_memory_may_set_the_pace() -> None:
    network = pipelined(
        diamond(), runs(dram_bytes=19.2e9, **TIMES), dict.fromkeys("abcde", "1"), core_of_two()
    )
    assert network.memory_s == pytest.approx(5.0)
    network = pipelined(
        diamond(), runs(dram_bytes=192e9, **TIMES), dict.fromkeys("abcde", "1"), core_of_two()
    )
    assert network.interval_s == pytest.approx(50.0)


def test_layers_without_weights_stay_with_their_first_input() -> None:
    layers = placed(diamond(), runs(**TIMES), core_of_two())
    assert layers.core_of == {"a": 1, "b": 1, "c": 2, "d": 2, "e": 2}
    assert layers.bound_s == 7.5  # all 15 s, shared by two


def test_a_matrix_that_is_used_twice_stays_on_one_core() -> None:
    steps = (layer("first", INPUT), layer("middle", "first"), layer("again", "middle"))
    units = (
        Unit(name="shared", layers=("first", "again")),
        Unit(name="other", layers=("middle",)),
    )
    workload = Workload(name="steps", layers=steps, units=units)
    model = Alpine(load_system("alpine-high-power-8"))
    times = runs(first=1.0, middle=9.0, again=1.0)
    core_of = placed(workload, times, core_of_two()).core_of
    assert core_of["first"] == core_of["again"] != core_of["middle"]
    assert model.tables(workload) is None

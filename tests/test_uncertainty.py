"""Intervals of costs and gains, against what is known of sums and by drawing constants at random."""

import math
import pickle
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import lionheart_opt as lo
from lionheart_opt.cost import Cost, LayerCost
from lionheart_opt.estimates import Estimate
from lionheart_opt.hardware.constants import Interval, Uncertainty
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system, system_text
from lionheart_opt.space import Space
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System
from lionheart_opt.uncertainty import spread_of
from lionheart_opt.workload import Workload

WORKLOAD = convolutional_workload()
SYSTEM = load_system("lionheart")
SPACE = Space(workload=WORKLOAD, system=SYSTEM)


def known(system: System, mapping: str = "all-digital") -> Cost:
    return lo.cost(WORKLOAD, system, mapping)


def with_only(*names: str, uncertainty: Uncertainty | None = None) -> System:
    """LionHeart's system with intervals of these constants of its software only, a factor of 2 each."""
    assert SYSTEM.software is not None
    values = SYSTEM.software.parameters
    intervals = {name: Interval(low=values[name] / 2, high=values[name] * 2) for name in names}
    software = SYSTEM.software.model_copy(update={"intervals": intervals})
    return SYSTEM.model_copy(update={"software": software, "uncertainty": uncertainty})


def test_nothing_is_said_where_nothing_is_known() -> None:
    cost = known(with_only())
    assert cost.spread is None
    assert cost.estimate("latency_s") == Estimate(cost.latency_s, None, None)
    assert cost.gain_over(cost, "energy_j") == Estimate(1.0, None, None)
    assert "latency_low_s" not in cost.to_frame()
    assert replace(cost, find_spread=None).spread is None


def test_one_constant_moves_the_share_that_depends_on_it() -> None:
    """The interval is as wide as the costs at both ends of the constant's interval say."""
    system = with_only("convolution_efficiency")
    cost = known(system)
    name = "software.convolution_efficiency"
    value = system.constant(name)
    slow, fast = (
        known(system.with_constants({name: factor * value})).latency_s for factor in (0.5, 2.0)
    )
    assert slow > 1.1 * fast
    estimate = cost.estimate("latency_s")
    assert estimate.value == cost.latency_s
    assert estimate.high == pytest.approx(cost.latency_s * math.sqrt(slow / fast))
    assert estimate.low == pytest.approx(cost.latency_s / math.sqrt(slow / fast))


def test_steps_of_a_model_do_not_widen_an_interval() -> None:
    """The many-core counts whole copies of layers: at an end of an interval, as many more as fit."""
    system = load_system("manycore")
    cost = lo.cost("mobilenet", system, "all-analog")
    name = "targets.cores.depthwise_macs_per_cycle"
    ends = system.intervals[name]
    costs = [
        lo.cost("mobilenet", system.with_constants({name: value}), "all-analog").latency_s
        for value in (ends.low, ends.high)
    ]
    assert cost.spread is not None
    shift = cost.spread.shifts["latency_s"][cost.spread.errors.index(name)]
    assert shift == pytest.approx(math.log(costs[1] / costs[0]) / 2)
    assert abs(shift) < 0.1


def test_correlated_errors_add_up_or_cancel() -> None:
    names = ("convolution_efficiency", "linear_efficiency")
    widths = {}
    for correlation in (-1.0, 0.0, 1.0):
        table = Uncertainty(
            source="made up",
            constants=tuple(f"software.{name}" for name in names),
            correlations=((1.0, correlation), (correlation, 1.0)),
        )
        spread = known(with_only(*names, uncertainty=table)).spread
        assert spread is not None
        shift = spread.shifts["latency_s"]
        widths[correlation] = spread.half_width(shift)
        first, second = np.abs(shift)
    assert widths[0.0] == pytest.approx(math.hypot(first, second))
    assert widths[1.0] == pytest.approx(first + second)
    assert widths[-1.0] == pytest.approx(abs(first - second))


def test_intervals_are_those_of_constants_drawn_at_random() -> None:
    """500 systems whose constants lie as the file says: 95 % of their gains lie in the interval."""
    table = SYSTEM.uncertainty
    assert table is not None
    narrow = {name: 0.15 for name in table.constants}  # where the model is linear enough to compare
    assert SYSTEM.software is not None
    intervals = {
        name.removeprefix("software."): Interval(
            low=SYSTEM.constant(name) * math.exp(-width),
            high=SYSTEM.constant(name) * math.exp(width),
        )
        for name, width in narrow.items()
    }
    system = SYSTEM.model_copy(
        update={
            "software": SYSTEM.software.model_copy(update={"intervals": intervals}),
            "uncertainty": table.model_copy(update={"latency_factor": None, "energy_factor": None}),
        }
    )
    estimate = known(system, "all-analog").gain_over(known(system), "latency_s")
    rng = np.random.default_rng(0)
    sd = 0.15 / 1.96 * np.ones(len(narrow))
    covariance = np.array(table.correlations) * np.outer(sd, sd)
    gains = []
    for draw in rng.multivariate_normal(np.zeros(len(sd)), covariance, size=500):
        values = {
            name: SYSTEM.constant(name) * math.exp(step)
            for name, step in zip(narrow, draw, strict=True)
        }
        model = cost_model(system.with_constants(values))
        slow, fast = (
            model.cost(WORKLOAD, each).latency_s for each in (SPACE.all_digital, SPACE.all_analog)
        )
        gains.append(slow / fast)
    assert estimate.low is not None and estimate.high is not None
    inside = np.mean([estimate.low < gain < estimate.high for gain in gains])
    assert 0.92 < inside < 0.98


def test_a_gain_is_known_better_than_its_costs_and_over_itself_exactly() -> None:
    digital, analog = known(SYSTEM), known(SYSTEM, "all-analog")
    assert digital.gain_over(digital, "latency_s") == Estimate(1.0, 1.0, 1.0)
    gain = analog.gain_over(digital, "latency_s")
    assert gain.value == digital.latency_s / analog.latency_s
    widths = [
        math.log(each.high / each.low)  # type: ignore[operator]
        for each in (gain, digital.estimate("latency_s"), analog.estimate("latency_s"))
    ]
    assert widths[0] < math.hypot(*widths[1:])
    one_moved = lo.cost(WORKLOAD, SYSTEM, {"fc": "tile"})
    small = one_moved.gain_over(digital, "latency_s")
    assert math.log(small.high / small.low) < 0.1  # type: ignore[operator]


def test_what_no_constant_explains() -> None:
    """Each kind of work has the whole factor, and the time of all of it a little less."""
    table = Uncertainty(source="made up", latency_factor=1.5)
    system = with_only(uncertainty=table)
    cost = known(system)
    assert cost.spread is not None
    kinds = ("digital products", "other digital work", "analog products")
    assert cost.spread.errors == tuple(f"time of {kind}" for kind in kinds)
    for layer in cost.layers:
        if layer.latency_s:
            latency, energy = cost.layer_estimates(layer)
            assert latency.high == pytest.approx(1.5 * layer.latency_s)
            assert energy == Estimate(layer.energy_j, None, None)
    products_s = math.fsum(layer.latency_s for layer in cost.layers if layer.macs)
    others_s = cost.latency_s - products_s
    width = math.log(1.5) * math.hypot(products_s, others_s) / cost.latency_s
    estimate = cost.estimate("latency_s")
    assert estimate.high == pytest.approx(math.exp(width) * cost.latency_s)
    assert cost.estimate("energy_j") == Estimate(cost.energy_j, None, None)
    gain = known(system, "all-analog").gain_over(cost, "latency_s")
    assert gain.high == pytest.approx(gain.value * math.exp(math.log(1.5) * 2**0.5), rel=0.1)


def test_a_gain_that_leaves_digital_work_is_not_known_better_than_that_work() -> None:
    """Products and other work on a core are different software: their errors do not cancel."""
    system = with_only(uncertainty=Uncertainty(source="made up", latency_factor=1.5))
    digital, analog = known(system), known(system, "all-analog")
    assert digital.spread is not None and analog.spread is not None
    gain = analog.uncertain("latency_s").value / digital.uncertain("latency_s").value
    assert gain < 1
    shift = digital.spread.shifts["latency_s"] - analog.spread.shifts["latency_s"]
    assert shift[0] > 0 > shift[1], "fewer digital products, a larger share of other work"


def test_layers_have_intervals_of_their_own() -> None:
    frame = known(SYSTEM, "all-analog").to_frame()
    busy = frame[frame["latency_s"] > 0]
    assert len(busy) and (busy["latency_low_s"] < busy["latency_s"]).all()
    assert (busy["latency_s"] < busy["latency_high_s"]).all()
    assert (busy["energy_low_j"] < busy["energy_high_j"]).all()
    idle = frame[frame["latency_s"] == 0]
    assert (idle["latency_high_s"] == 0).all()


def test_costs_travel_with_what_is_known_of_them() -> None:
    cost = pickle.loads(pickle.dumps(known(SYSTEM)))
    assert cost.estimate("energy_j") == known(SYSTEM).estimate("energy_j")
    assert cost == known(SYSTEM)


def test_costs_of_different_systems_have_no_common_errors() -> None:
    gain = known(SYSTEM).gain_over(known(with_only("simple_cycles")), "latency_s")
    assert gain.low is None


def test_costs_of_other_networks_and_systems_share_nothing() -> None:
    """Their gain is a number, of which nobody can say how well it is known."""
    resnet8, mlp = (lo.cost(name, "lionheart") for name in ("resnet8", "mlp"))
    assert resnet8.gain_over(mlp, "latency_s").low is None
    other = lo.cost("resnet8", "alpine-high-power")
    assert other.spread is not None and resnet8.spread is not None
    assert other.spread.errors == resnet8.spread.errors, "constants of the same names"
    assert resnet8.gain_over(other, "latency_s").low is None
    assert resnet8.gain_over(resnet8, "latency_s") == (1.0, 1.0, 1.0)


def test_a_system_is_priced_twice_for_each_constant() -> None:
    calls = []

    def build(system: System):  # type: ignore[no-untyped-def]
        calls.append(system)
        return cost_model(system)

    spread_of(SYSTEM, WORKLOAD, SPACE.all_digital, build)
    assert len(calls) == 1 + 2 * len(SYSTEM.intervals)


def test_a_count_may_have_an_interval() -> None:
    """Its ends are whole numbers, as the cost model asks for."""
    system = load_system("hermes-64")
    cores = system.target("cores")
    rows = Interval(low=128, high=512)
    cores = cores.model_copy(update={"intervals": {"rows": rows}})
    targets = tuple(cores if each.name == "cores" else each for each in system.targets)
    system = system.model_copy(update={"targets": targets, "uncertainty": None})
    estimate = lo.cost("resnet8", system).estimate("latency_s")
    assert estimate.low is not None and estimate.low < estimate.value


@pytest.mark.parametrize(("low", "high"), [(0.25, 1.0), (1.0, 4.0), (0.25, 4.0)])
def test_an_interval_with_its_value_at_an_end_has_its_whole_width(low: float, high: float) -> None:
    """The time may be four times as long; half of the logarithm would say twice as long."""
    system = with_only("convolution_efficiency")
    assert system.software is not None
    value = system.constant("software.convolution_efficiency")
    ends = {"convolution_efficiency": Interval(low=value * low, high=value * high)}
    software = system.software.model_copy(update={"intervals": ends})
    cost = known(system.model_copy(update={"software": software}))
    [conv] = [layer for layer in cost.layers if layer.name == "conv2"]
    estimate, _ = cost.layer_estimates(conv)
    assert estimate.high is not None
    assert estimate.high / conv.latency_s == pytest.approx(4.0, rel=0.05)


def side_by_side(first_s: float, second_s: float) -> Cost:
    """Two convolutions of which the inference waits for the longer one; the other layers are free."""
    times = dict.fromkeys((layer.name for layer in WORKLOAD.layers), 0.0)
    times |= {"conv1": first_s, "conv2": second_s}
    longest = max(times, key=times.__getitem__)
    layers = tuple(
        LayerCost(
            name=name,
            kind="linear",
            target="core",
            macs=1,
            components={"compute": (time_s if name == longest else 0.0, 1.0)},
            aside_s=0.0 if name == longest else time_s,
        )
        for name, time_s in times.items()
    )
    return Cost(layers=layers)


@dataclass(frozen=True)
class SideBySide:
    """The first layer takes as many cycles as the system's constant says, the second one takes 60."""

    system: System

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        return side_by_side(self.system.constant("software.convert_cycles"), 60.0)


@pytest.mark.parametrize("value", [50.0, 100.0])
def test_a_layer_that_is_not_awaited_at_one_end_has_its_whole_interval(value: float) -> None:
    """The layer is not awaited at the lower end of the constant, with which its time rises."""
    assert SYSTEM.software is not None
    software = SYSTEM.software.model_copy(
        update={
            "parameters": {**SYSTEM.software.parameters, "convert_cycles": value},
            "intervals": {"convert_cycles": Interval(low=value / 2, high=value * 2)},
        }
    )
    system = SYSTEM.model_copy(update={"software": software, "uncertainty": None})
    spread = spread_of(system, WORKLOAD, SPACE.all_digital, SideBySide)
    assert spread is not None
    cost = SideBySide(system).cost(WORKLOAD, SPACE.all_digital)
    is_awaited = cost.layers[0].latency_s > 0
    assert is_awaited == (value > 60)
    factors = np.exp([spread.layers[name][0, 0] for name in ("conv1", "conv2")])
    assert factors == pytest.approx([2.0 if is_awaited else 1.0, 1.0])
    ends = [max(value * factor, 60.0) for factor in (0.5, 2.0)]
    assert np.exp(spread.shifts["latency_s"][0]) == pytest.approx(math.sqrt(ends[1] / ends[0]))


def test_a_constant_that_has_become_a_plain_number_is_exact(tmp_path: Path) -> None:
    """Who tries another value need not change `[uncertainty]`, too."""
    text = re.sub("(?m)^simple_cycles = .*$", "simple_cycles = 0.5", system_text("lionheart"))
    (tmp_path / "faster.toml").write_text(text)
    spread = lo.cost(WORKLOAD, tmp_path / "faster.toml").spread
    assert spread is not None
    assert "software.simple_cycles" not in spread.errors
    assert "software.linear_efficiency" in spread.errors
    assert spread.correlations.shape == (len(spread.errors), len(spread.errors))

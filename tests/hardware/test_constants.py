"""Numbers of a system file with their intervals."""

import pytest

from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.constants import Block, Interval
from lionheart_opt.plugins import cost_model
from lionheart_opt.system import System

FILE = """
family = "per_mac"
description = "two targets"
host = "cpu"

[machine]
source = "data sheet"
clock_hz = {clock_hz}

[targets.cpu]
source = "data sheet"
numerics = "fp32"
kinds = ["*"]
rate = 2
"""


def system_of(clock_hz: str) -> System:
    return System.from_toml(FILE.format(clock_hz=clock_hz), "mine", "mine.toml")


def test_a_number_with_an_interval_is_a_plain_number_for_the_cost_model() -> None:
    system = system_of('{ value = 2e9, low = 1e9, high = 3e9, source = "measured" }')
    assert system.machine is not None
    assert system.machine.parameters == {"clock_hz": 2e9}
    assert system.machine.intervals == {"clock_hz": Interval(low=1e9, high=3e9, source="measured")}
    assert system.target("cpu").parameters == {"rate": 2} and not system.target("cpu").intervals


def test_a_whole_number_stays_one() -> None:
    block = Block.model_validate({"source": "a", "size": {"value": 3, "low": 2, "high": 4.5}})
    assert block.parameters == {"size": 3} and type(block.parameters["size"]) is int


def test_intervals_decide_no_price_and_thus_no_digest() -> None:
    plain = system_of("2e9")
    assert system_of("{ value = 2e9, low = 1e9, high = 3e9 }").digest == plain.digest
    assert system_of("{ value = 2.5e9, low = 1e9, high = 3e9 }").digest != plain.digest


def test_another_value_is_exact() -> None:
    system = system_of("{ value = 2e9, low = 1e9, high = 3e9 }")
    faster = variant(system, "machine", clock_hz=2.5e9).machine
    assert faster is not None and faster.parameters == {"clock_hz": 2.5e9} and not faster.intervals


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("{ low = 1.0, high = 2.0 }", "machine: clock_hz: key 'value' is missing"),
        ("{ value = 1.0, high = 2.0 }", "clock_hz: key 'low' is missing"),
        ("{ value = 1.0, low = 1.0, hihg = 2.0 }", "unknown key 'hihg' (did you mean 'high'?)"),
        (
            "{ value = 1.0, low = 0.0, high = 2.0 }",
            "clock_hz: low: got 0.0; must be greater than 0",
        ),
        ("{ value = 1.0, low = 0.5, high = inf }", "clock_hz: high: got inf"),
        ("{ value = nan, low = 0.5, high = 1.0 }", "clock_hz: value: got nan"),
        ("{ value = true, low = 0.5, high = 1.0 }", "clock_hz: value: got True"),
        ("{ value = 3.0, low = 1.0, high = 2.0 }", "clock_hz: got low = 1, value = 3, high = 2"),
        ("{ value = 0.1, low = 1.0, high = 2.0 }", "must not decrease in this order"),
        ('{ value = 1.0, low = 1.0, high = 2.0, source = "" }', "clock_hz: source: got ''"),
        ("[1.0, 2.0]", "mine.toml: machine.clock_hz: got [1.0, 2.0]"),
    ],
)
def test_mistakes_get_one_clear_line(number: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        system_of(number)
    assert message in str(error.value) and str(error.value).startswith("mine.toml: ")
    assert "\n" not in str(error.value)


def test_an_interval_of_a_constant_that_the_family_does_not_read_is_refused() -> None:
    text = FILE.replace("per_mac", "diana").format(
        clock_hz="1e9\nspeed = { value = 1, low = 1, high = 2 }"
    )
    with pytest.raises(InputError, match="unknown key 'speed'"):
        cost_model(System.from_toml(text, "mine", "mine.toml"))


TWO = FILE.format(clock_hz="{ value = 2e9, low = 1e9, high = 3e9 }").replace(
    "rate = 2", "rate = { value = 2, low = 1, high = 4 }"
)
TABLE = """
[uncertainty]
source = "a fit"
latency_factor = 1.2
constants = ["machine.clock_hz", "targets.cpu.rate"]
correlations = [[1.0, 0.3], [0.3, 1.0]]
"""


def test_what_is_known_of_all_constants() -> None:
    system = System.from_toml(TWO + TABLE, "mine", "mine.toml")
    assert list(system.intervals) == ["machine.clock_hz", "targets.cpu.rate"]
    assert system.constant("targets.cpu.rate") == 2.0
    assert system.uncertainty is not None and system.uncertainty.latency_factor == 1.2
    assert system.digest == System.from_toml(TWO, "mine", "mine.toml").digest


def test_other_values_keep_their_intervals() -> None:
    link = '[[links]]\nsource = "x"\nbetween = ["cpu", "cpu"]\ndelay_s = 1\n'
    system = System.from_toml(TWO + link + TABLE, "mine", "mine.toml")
    moved = system.with_constants({"machine.clock_hz": 4e9, "links.0.delay_s": 3.0})
    assert moved.machine is not None and moved.machine.parameters == {"clock_hz": 4e9}
    assert moved.links[0].parameters == {"delay_s": 3.0}
    assert moved.intervals == system.intervals and moved.targets == system.targets
    assert system.constant("machine.clock_hz") == 2e9


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.2", "0.9", "uncertainty.latency_factor: got 0.9"),
        ('"targets.cpu.rate"]', '"targets.cpu.rats"]', "(did you mean 'targets.cpu.rate'?)"),
        ('"targets.cpu.rate"]', '"machine.clock_hz"]', "a name is there more than once"),
        ("[[1.0, 0.3], [0.3, 1.0]]", "[[1.0, 0.3]]", "must have 2 rows of 2 numbers"),
        ("[0.3, 1.0]]", "[0.2, 1.0]]", "must be symmetric"),
        ("0.3", "1.3", "not positive semi-definite"),
        ('source = "a fit"', "", "uncertainty.source' is missing"),
        ("latency_factor", "latency", "unknown key 'latency' (did you mean 'latency_factor'?)"),
    ],
)
def test_mistakes_in_what_is_known_of_all(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        System.from_toml(TWO + TABLE.replace(old, new), "mine", "mine.toml")
    assert message in str(error.value) and "\n" not in str(error.value)

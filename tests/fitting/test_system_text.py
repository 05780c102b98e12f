"""Fitted constants in the text of a system file."""

import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.fitting.system_text import with_constants, with_uncertainty
from lionheart_opt.hardware.constants import Interval, Uncertainty
from lionheart_opt.text_files import parse_toml

TEXT = """# A machine.
family = "mine"

[ machine ]                  # of ours
source = "data sheet"
rate = 2.5                   # per cycle
rate_j = { value = 1e-12, low = 5e-13, high = 2e-12, source = "measured" }

# The core.
[targets."core"]
source = "data sheet"
rate = 7
"""
UNCERTAINTY = Uncertainty(
    source='a "fit"',
    latency_factor=1.25,
    constants=("machine.rate", "machine.rate_j"),
    correlations=((1.0, -0.5), (-0.5, 1.0)),
)


def test_numbers_of_one_block_are_replaced() -> None:
    interval = Interval(low=2.0, high=4.0, source="fitted")
    values = {"rate": 3.0, "rate_j": 2e-12}
    text = with_constants(TEXT, "machine", values, {"rate": interval})
    assert parse_toml(text, "")["machine"] == {
        "source": "data sheet",
        "rate": {"value": 3, "low": 2, "high": 4, "source": "fitted"},
        "rate_j": 2e-12,
    }
    assert parse_toml(text, "")["targets"] == parse_toml(TEXT, "")["targets"]
    assert "                   # per cycle" in text and "# A machine." in text
    again = with_constants(text, "machine", values, {"rate": interval})
    assert again == text
    assert with_constants(TEXT, "targets.core", {"rate": 8}, {}).endswith("rate = 8.0\n")


def test_a_key_or_a_block_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"table \[targets.core\]: no line `rate_j = ...`"):
        with_constants(TEXT, "targets.core", {"rate_j": 1.0}, {})
    with pytest.raises(InputError, match=r"no line \[software\]"):
        with_constants(TEXT, "software", {"rate": 1.0}, {})


@pytest.mark.parametrize("value", [1.0000499, 1.00005, 1.9999999, 9.9999e-13])
def test_the_value_stays_within_a_narrow_interval(value: float) -> None:
    interval = Interval(low=value * (1 - 1e-7), high=value * (1 + 1e-7))
    text = with_constants(TEXT, "machine", {"rate": value}, {"rate": interval})
    number = parse_toml(text, "")["machine"]["rate"]
    assert number["low"] <= number["value"] <= number["high"]
    assert number["low"] <= interval.low < interval.high <= number["high"]


def test_links_are_found_by_their_number() -> None:
    links = "".join(f"\n[[ links ]]\nsource = 'x'\nrate = {rate}\n" for rate in (1.0, 2.0))
    text = with_constants(TEXT + links, "links.1", {"rate": 5.0}, {})
    assert [link["rate"] for link in parse_toml(text, "")["links"]] == [1.0, 5.0]
    with pytest.raises(InputError, match=r"no line \[\[links\]\]"):
        with_constants(TEXT, "links.0", {"rate": 1.0}, {})


def test_the_table_of_uncertainty_is_put_at_the_end_and_replaced_where_it_is() -> None:
    text = with_uncertainty(TEXT, UNCERTAINTY)
    assert text.startswith(TEXT)
    assert Uncertainty.model_validate(parse_toml(text, "")["uncertainty"]) == UNCERTAINTY
    further = text + "\n# The end.\n[targets.tile]\nsource = 'x'\n"
    changed = UNCERTAINTY.model_copy(update={"latency_factor": None, "energy_factor": 1.5})
    replaced = with_uncertainty(further, changed)
    table = Uncertainty.model_validate(parse_toml(replaced, "")["uncertainty"])
    assert table == changed and replaced.endswith("\n# The end.\n[targets.tile]\nsource = 'x'\n")
    bare = with_uncertainty(TEXT, Uncertainty(source="guess", latency_factor=2.0))
    assert parse_toml(bare, "")["uncertainty"] == {"source": "guess", "latency_factor": 2}

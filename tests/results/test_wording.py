"""Quantities as people write them; text on terminals that know ASCII only."""

import io
import json
import sys

import pytest

from lionheart_opt.estimates import Estimate
from lionheart_opt.results import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (2.0, "2 s"),
        (1234.0, "1.23e+03 s"),
        (0.999, "999 ms"),
        (1e-3, "1 ms"),
        (1.23e-5, "12.3 µs"),
        (-4.5e-8, "-45 ns"),
        (1e-12, "1 ps"),
        (4e-15, "4e-15 s"),
    ],
)
def test_quantities_have_a_prefix(value, text):
    assert wording.si(value, "s") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5 s"),
        (9.94, "9.9 s"),
        (42, "42 s"),
        (99.4, "99 s"),
        (100, "2 min"),
        (720, "12 min"),
        (5999, "100 min"),
        (6000, "1.7 h"),
        (12_240, "3.4 h"),
    ],
)
def test_durations_are_said_as_a_person_does(value, text):
    assert wording.seconds(value) == text


def test_gains_and_shares():
    assert [wording.times(gain) for gain in (None, 2.5, 0.999)] == ["-", "2.50x", "1.00x"]
    assert [wording.percent(ratio) for ratio in (None, 0.123, 1.0)] == ["-", "12.3 %", "100.0 %"]


def test_a_console_shows_text_as_it_is(capsys):
    wording.console().print("[bold]x[/bold] :smile: [/x]")
    assert capsys.readouterr() == ("[bold]x[/bold] :smile: [/x]\n", "")
    wording.console(stderr=True).print("x" * wording.PIPE_WIDTH)
    assert capsys.readouterr() == ("", "x" * wording.PIPE_WIDTH + "\n")


def test_ascii_has_words_for_what_it_lacks(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    wording.console().print("1 µs → 2×, 3 – 4 ’x’ …é")
    stream.flush()
    assert stream.buffer.getvalue() == b"1 us > 2x, 3 - 4 'x' ~?\n"


def test_only_what_cannot_be_encoded_is_replaced():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", errors="lionheart_opt.ascii")


def test_json_keeps_small_quantities_and_knows_no_nan():
    data = {"energy_j": 1.2345678901234567e-11, "drop": float("nan"), "high": [float("inf"), 1]}
    text = wording.json_text(data)
    assert json.loads(text) == {"energy_j": 1.2345678901234567e-11, "drop": None, "high": [None, 1]}
    assert "NaN" not in text and "Infinity" not in text


def test_columns_say_the_width_of_a_pipe(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert wording.console().width == wording.PIPE_WIDTH
    monkeypatch.setenv("COLUMNS", "64")
    assert wording.console().width == 64


def test_a_gain_has_the_factor_up_to_which_it_is_known():
    assert wording.times_within(Estimate(2.0, 1.0, 4.0)) == "2.00x (x/2.00)"
    assert wording.times_within(Estimate(2.0)) == "2.00x"
    assert wording.times_within(Estimate(1.0, 1.0, 1.0)) == "1.00x", "it is exact"

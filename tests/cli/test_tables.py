"""Tables of the command line: they fit 80 columns, show text as it is, and work in ASCII."""

import io
import sys

import pytest
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.cli import show_tables, tables
from lionheart_opt.results.sensitivity import Interaction, Profile, Sensitivity

#: What a layer costs: the time is known up to a factor of 2, the energy is not.
LAYER_PRICES = {
    **{"latency_s": 7e-3, "latency_low_s": 3.5e-3, "latency_high_s": 14e-3},
    **{"energy_j": 4e-2, "energy_low_j": None, "energy_high_j": None},
}


def test_seeds_and_budgets_read_like_a_persons():
    assert tables.seeds([5, 0, 2, 1]) == "0-2, 5" and tables.seeds([]) == ""
    assert tables.budget({"trials": 60, "oracle_s": 7200.0}) == "60 trials or 2.0 h of oracle"
    assert tables.budget({"trials": None, "oracle_s": None}) == ""


def test_a_cost_has_a_row_for_each_layer(printed):
    layer = {"name": "[/x]", "kind": "conv2d", "target": "tile", "macs": 2_359_296, "place": None}
    data = {
        **{"model": "resnet8", "system": "lionheart", "tiles": {"tile": 3}, "speedup": 1.5},
        **{"latency_s": 1e-5, "energy_j": 2e-3, "interval_s": 5e-6, "energy_gain": 2.0},
        **{
            "analog_mac_ratio": 0.5,
            "batch": 1,
            "fits": False,
            "misfit": "3 of 2 crossbars on 'tile': no",
        },
        "layers": [{**layer, **LAYER_PRICES}],
        **{
            "latency_low_s": 5e-6,
            "latency_high_s": 2e-5,
            "energy_low_j": None,
            "energy_high_j": None,
        },
        **{
            "interval_low_s": None,
            "interval_high_s": None,
            "speedup_low": 1.2,
            "speedup_high": 1.9,
        },
        **{
            "energy_gain_low": None,
            "energy_gain_high": None,
            "no_interval": "",
            "interval_bound_s": None,
        },
        "errors": ["machine.rate", "time of analog targets"],
        "area_m2": None,
        "tops_per_mm2": None,
        "not_priced": ["static power"],
        "reprogramming": {},
        "together": 1,
        **{
            "inferences_per_s": 1e3,
            "inferences_per_s_low": 500.0,
            "inferences_per_s_high": 2e3,
        },
        "tokens": 4,
        **{"tokens_per_s": 1234.5, "tokens_per_s_low": 617.2, "tokens_per_s_high": 2469.0},
        **{
            "energy_per_token_j": 2e-3,
            "energy_per_token_low_j": None,
            "energy_per_token_high_j": None,
        },
    }
    out = printed(tables.print_cost, data)
    assert "10 µs [5 µs, 20 µs]" in out and "1.50x [1.20x, 1.90x]" in out
    assert "energy 2 mJ\n" in out and "energy 2.00x" in out
    assert "from 1 uncertain constant, and what" in out
    assert "no interval: x" in printed(tables.print_cost, {**data, "no_interval": "x"})
    assert (
        "[/x]" in out
        and "7 ms" in out
        and "x/2.00" in out
        and "3 on tile" in out
        and "one result every" in out
    )
    assert "3 of 2 crossbars" in out and "not in the price: static power" in out
    assert "1234 [617.2, 2469] tokens/s, 2 mJ a token (4 an inference)" in out
    rounded = printed(tables.print_cost, {**data, "interval_s": 1e-5 * (1 + 1e-15)})
    assert "one result every" not in rounded and "all-digital: latency 1.50x" in rounded
    cut = printed(tables.print_cost, {**data, "batch": 64, "together": 8})
    assert "batch of 64 in 8 runs of 8: latencies are those of the batch" in cut
    assert "1000 [500, 2000] inferences/s" in cut
    whole = printed(tables.print_cost, {**data, "batch": 64, "together": 64})
    assert "batch of 64: latencies" in whole
    assert "3 of 2" not in printed(tables.print_cost, {**data, "fits": True, "misfit": ""})


def test_validation_numbers_its_sources(printed):
    row = {"system": "a", "case": "[1]", "quantity": "speedup", "predicted": 2.0, "role": "fitted"}
    row |= {"predicted_low": 1.0, "predicted_high": 4.0, "within_interval": True}
    long = "Somebody et al., a journal with a long name, volume 3, 2023, section VII, table IV"
    rows = [
        {**row, "published": 2.1, "error_percent": -4.8, "source": long},
        {**row, "published": None, "error_percent": None, "source": "another"},
        {**row, "published": 5.0, "error_percent": -60.0, "source": long, "within_interval": False},
        {**row, "system": "b", "published": 2.0, "error_percent": 0.0, "source": "another"},
    ]
    out = printed(tables.print_validation, rows)
    assert "[1] Somebody" in out and "[2] another" in out and "[1] another" in out
    assert (
        "x/2.00" in out
        and "-4.8 %" in out
        and "2 fitted: median error 32.4 %, worst -60.0 % ([1], speedup)" in out
    )
    assert out.count("outside") == 1 and out.count("x/1.40") == 1


def test_what_is_installed_has_its_origin_below(printed):
    row = {"name": "greedy", "about": "Goes [on].", "origin": "package.module:Greedy (package 1)"}
    out = printed(tables.print_installed, {"strategies": [row]})
    assert "Goes [on]." in out and row["origin"] in out


@pytest.mark.parametrize("pairs", [True, False])
def test_a_profile_is_sorted_by_what_units_lose(printed, pairs):
    units = ["encoder.layer.0.attention.query", "b", "c", "[/x]"]
    drops = [0.01, 0.03, None, 0.02]
    pair = Interaction(producer="b", consumer="c", drop=0.05, interaction=0.01, deviation=0.001)
    profile = Profile(
        training="none",
        time_s=86_400.0,
        n_draws=5,
        baseline=0.9,
        oracle_s=60.0,
        sensitivities=tuple(
            Sensitivity(unit=unit, target="tile", drop=drop, deviation=drop and 0.002)
            for unit, drop in zip(units, drops, strict=True)
        ),
        interactions=(pair,) if pairs else (),
        proxies={
            name: {unit: 1.23456e-5 * k for k, unit in enumerate(units)}
            for name in ("macs", "weight_noise", "hessian_trace", "relative_noise")
        },
    )
    out = printed(tables.print_profile, profile)
    places = [out.index(text) for text in ("+3.00 (0.20)", "+2.00 (0.20)", "+1.00 (0.20)")]
    assert places == sorted(places) and "[/x]" in out
    assert ("+5.00" in out) == pairs


def test_a_terminal_that_knows_ascii_only_gets_readable_tables(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    problem = made_up_problem()
    show_tables.print_show([search("µ→é", answer(problem, 2, 0.02), problem=problem)])
    tables.console().print(tables.si(1.2e-5, "s"))
    stream.flush()
    out = stream.buffer.getvalue().decode("ascii")
    assert "u>?" in out and "12 us" in out and "1.25x" in out

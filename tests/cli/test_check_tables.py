"""The tables of `check`."""

import pytest
from made_up_runs import ODD_LABELS

from lionheart_opt.cli.check_tables import print_plan
from lionheart_opt.metric import ACCURACY

#: Costs and gains of all-digital: the time is known up to a factor of 2, the energy is not.
PRICES = {
    **{"latency_s": 7e-3, "latency_low_s": 3.5e-3, "latency_high_s": 14e-3},
    **{"interval_s": 7e-3, "interval_low_s": 3.5e-3, "interval_high_s": 14e-3},
    **{"energy_j": 4e-2, "energy_low_j": None, "energy_high_j": None},
    **{"speedup": 1.0, "speedup_low": 1.0, "speedup_high": 1.0},
    **{"energy_gain": 1.0, "energy_gain_low": None, "energy_gain_high": None},
}


def plan(label: str) -> dict:
    return {
        "study": label,
        "question": "Which [mapping]?",
        "system": "lionheart",
        "model": "resnet8",
        "macs": 12_501_632,
        "weights": 77_360,
        "mappings": 1024,
        "numerics": {"core": "fp32", "tile": "analog, lionheart"},
        "units": [{"name": "layer1.0.conv1", "macs": 2_359_296, "targets": ["core", "tile"]}],
        "extremes": [
            {
                "mapping": "all-digital",
                **PRICES,
                "analog_mac_ratio": 0.0,
                "fits": True,
            }
        ],
        "limits": {
            "max_drop": 0.01,
            "metric": ACCURACY.to_json(),
            "quantile": 0.9,
            "time_s": [1.0, 86400.0],
            "confidence": 0.95,
            "draws": [10, 40],
        },
        "objectives": ["latency_s", "drop"],
        "storage": "sqlite:///x.db",
        "searches": [
            {"strategy": label, "seed": seed, "budget": {"trials": 60, "oracle_s": None}}
            for seed in range(4)
        ],
    }


@pytest.mark.parametrize("label", ODD_LABELS[:3])
def test_a_plan_has_one_line_for_all_seeds_of_a_strategy(printed, label):
    out = printed(print_plan, plan(label))
    assert out.count(label) == 2 and "0-3" in out and "Which [mapping]?" in out
    assert "on 90 % of the chips" in out and "1 s, 86400 s after" in out
    assert out.count("x/2.00") == 2 and "x/1.40: with a confidence of 95 %" in out

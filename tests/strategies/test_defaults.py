"""What strategies do unless they are told otherwise.

A record holds the arguments that were given, not the defaults. Whoever changes one of these changes what
every study that leaves it out proposes, and recorded searches of such studies cannot be resumed.
"""

import pytest

from lionheart_opt import plugins
from lionheart_opt.strategies import hilal, knapsack, one_shot, quadratic
from lionheart_opt.strategies.parts import additive, loss_model
from lionheart_opt.strategies.parts.annealing import anneal

THRESHOLDS = (0.005, 0.01, 0.03, 0.05, 0.1)
DEFAULTS = {
    "each_threshold": {"strategy": "mac_greedy", "arguments": {}, "thresholds": THRESHOLDS},
    "exhaustive": {"training": None, "most": 16_384},
    "fixed": {"mapping": "first-last-digital"},
    "greedy": {
        "order": "saving_per_sensitivity",
        "start": "all-digital",
        "progressive": False,
        "profile": "none",
    },
    "harmonica": {"retrain": True, "profile": "none"},
    "hilal": {"reject": False},
    "knapsack": {"profile": "none", "thresholds": THRESHOLDS, "min_gain": 0.005, "screen": False},
    "local_search": {"profile": "none"},
    "mac_greedy": {},
    "odimo": {"strengths": (0.03, 0.1, 0.3, 1.0, 3.0)},
    "one_at_a_time": {"training": "none", "pairs": False},
    "one_shot": {
        "probes": 1024,
        "strategy": None,
        "arguments": {},
        "points": 12,
        "start": "shared",
    },
    "optuna": {
        "sampler": "TPESampler",
        "arguments": {},
        "enqueue": (),
        "profile": None,
        "nested": 8,
        "batch": 1,
        "tries": 10,
    },
    "quadratic": {"profile": "none", "patience": 20, "min_gain": 0.005, "screen": False},
    "random": {"training": None},
}


def test_every_strategy_is_listed() -> None:
    assert sorted(DEFAULTS) == sorted(plugins.available("strategies"))


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(name: str) -> None:
    assert vars(plugins.build("strategies", name, {})) == DEFAULTS[name]


def test_constants_that_decide_proposals() -> None:
    assert (knapsack.MAX_UNFIT, knapsack.MAX_SLACK) == (100, 64.0)
    assert (one_shot.BLOCK, quadratic.EXHAUSTIVE) == (32, 65_536)
    assert (loss_model.SPREAD, loss_model.INTERACTION, loss_model.FLOOR) == ((0.5, 0.1), 0.5, 0.003)
    assert anneal.__kwdefaults__ == {"chains": 16, "sweeps": 20}
    assert (hilal.ROUNDING, additive.ROUNDING, additive.NEGLIGIBLE) == (1e-9, 1e-9, 1e-12)

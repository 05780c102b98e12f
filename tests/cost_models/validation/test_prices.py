"""Prices with and without intervals, and gains that know what their costs share."""

import pytest

from lionheart_opt.cost_models.validation.prices import gains, known, plain
from lionheart_opt.plugins import load_system
from lionheart_opt.space import Space
from lionheart_opt.synthetic import convolutional_workload

SPACE = Space(workload=convolutional_workload(), system=load_system("lionheart"))


def test_an_interval_does_not_change_the_price() -> None:
    costs = [price(SPACE.system, SPACE.workload, SPACE.all_analog) for price in (plain, known)]
    assert costs[0].latency_s == costs[1].latency_s
    assert costs[0].spread is None and costs[1].spread is not None


def test_gains_are_those_of_the_costs() -> None:
    digital, analog = (
        known(SPACE.system, SPACE.workload, each) for each in (SPACE.all_digital, SPACE.all_analog)
    )
    speedup, energy_gain = gains(digital, analog)
    assert speedup.estimate == pytest.approx(analog.gain_over(digital, "latency_s"))
    assert energy_gain.estimate == pytest.approx(analog.gain_over(digital, "energy_j"))

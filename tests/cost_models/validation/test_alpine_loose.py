"""The loosely coupled variant: what its one published gain says about the driver."""

import pytest

from lionheart_opt.cost_models.parts.alpine_parameters import MachineParameters, SoftwareParameters
from lionheart_opt.cost_models.validation import alpine_loose as paper
from lionheart_opt.plugins import load_system


def test_a_transaction_is_a_hand_over_between_cores() -> None:
    """No constant is fitted to the published gain."""
    system = load_system(paper.SYSTEM)
    cycles = system.software_as(SoftwareParameters).handoff_cycles
    frequency_hz = system.machine_as(MachineParameters).frequency_hz
    assert system.constant("links.0.latency_s") == pytest.approx(cycles / frequency_hz, rel=1e-3)
    interval = system.intervals["links.0.latency_s"]
    lock = system.intervals["software.handoff_cycles"]
    assert interval.low == pytest.approx(lock.low / frequency_hz, rel=1e-3)
    assert interval.high == pytest.approx(lock.high / frequency_hz, rel=1e-3)


def test_the_published_gain_is_predicted_and_the_bus_alone_does_not_explain_it() -> None:
    speedup, energy_gain, bus_alone = (case.predicted for case in paper.cases())
    assert speedup == pytest.approx(paper.PUBLISHED_SPEEDUP, rel=0.1)
    assert energy_gain > 1
    assert bus_alone > 4 * paper.PUBLISHED_SPEEDUP


def test_both_ends_of_the_interval_of_the_driver() -> None:
    system = load_system(paper.SYSTEM)
    interval = system.intervals["links.0.latency_s"]
    gains = [
        paper.gains(system.with_constants({"links.0.latency_s": latency_s}))[0].value
        for latency_s in (interval.low, interval.high)
    ]
    assert gains[0] > paper.PUBLISHED_SPEEDUP > gains[1]

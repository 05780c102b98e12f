"""DIANA: peak efficiencies of the chip beside the formulas, and predictions for CIFAR-10 networks.

Tests compare the formulas with their sources. No open text gives measured latencies of networks. The
digital peak cannot agree: 14 TOPS/W holds at the most efficient voltage, the formulas at 260 MHz.
"""

from __future__ import annotations

from lionheart_opt.cost_models.diana import Diana
from lionheart_opt.plugins import load_system
from lionheart_opt.published import Case
from lionheart_opt.space import Space

SYSTEM = "diana"
_PEAK = "Ueyoshi et al. 2022 (ISSCC 15.6), abstract"


def cases() -> list[Case]:
    """Peak efficiency of both arrays, and latency and energy of two networks."""
    from lionheart_opt.tracing import trace_model

    model = Diana(load_system(SYSTEM))
    analog, digital, machine = model.analog, model.digital, model.machine
    analog_ops_per_s = 2 * analog.rows * analog.columns / analog.mvm_latency_s
    digital_ops_per_s = 2 * digital.pixels * digital.channels * machine.clock_hz
    numbers = [
        _case("analog peak", "ops_per_j", 600e12, analog_ops_per_s / analog.power_w),
        _case("digital peak", "ops_per_j", 14e12, digital_ops_per_s / digital.power_w),
    ]
    for name in ("resnet8", "resnet20"):
        workload = trace_model(name)
        space = Space(workload=workload, system=model.system)
        for label, mapping in (
            ("all-digital", space.all_digital),
            ("all-analog", space.all_analog),
        ):
            cost = model.cost(workload, mapping)
            numbers.append(_case(f"{name} {label}", "latency_s", None, cost.latency_s))
            numbers.append(_case(f"{name} {label}", "energy_j", None, cost.energy_j))
    return numbers


def _case(case: str, quantity: str, published: float | None, predicted: float) -> Case:
    source = _PEAK if published else "none: prediction by the open formulas"
    return Case(
        system=SYSTEM,
        case=case,
        quantity=quantity,
        published=published,
        predicted=predicted,
        source=source,
    )

"""DIANA: peak efficiencies of the chip beside the formulas, and predictions for CIFAR-10 networks.

Tests compare the formulas with their sources. No open text gives measured latencies of networks. The
digital peak cannot agree: 14 TOPS/W holds at the most efficient voltage, the formulas at 260 MHz. Of the
efficiencies of whole networks, that for ImageNet is fitted (energy of the DRAM, which its weights need),
and that for CIFAR-10, whose networks fit into the L2, is predicted.
"""

from __future__ import annotations

from lionheart_opt.cost_models.diana import Diana
from lionheart_opt.plugins import load_system
from lionheart_opt.published import Case
from lionheart_opt.space import Space

SYSTEM = "diana"
_PEAK = "Ueyoshi et al. 2022 (ISSCC 15.6), abstract"


ANALOG_PEAK = 600e12
#: Images -> the usual network for them, and the printed efficiency of the whole system.
SYSTEM_LEVEL = {"CIFAR-10": ("resnet20", 7.02e12), "ImageNet": ("resnet18", 5.56e12)}


def efficiency(model: Diana, network: str) -> float:
    """Operations per joule of a network whose first convolution is digital, and all others analog."""
    from lionheart_opt.tracing import trace_model

    workload = trace_model(network, (3, 224, 224) if network == "resnet18" else None)
    space = Space(workload=workload, system=model.system)
    mapping = space.all_analog.move(space.units[0].name, model.system.host)
    return 2 * workload.macs / model.cost(workload, mapping).energy_j


def analog_peak(model: Diana) -> float:
    """Operations per joule of a full analog array."""
    analog = model.analog
    return 2 * analog.rows * analog.columns / analog.mvm_latency_s / analog.power_w


def cases() -> list[Case]:
    """Peak efficiency of both arrays, and latency and energy of two networks."""
    from lionheart_opt.tracing import trace_model

    model = Diana(load_system(SYSTEM))
    digital, machine = model.digital, model.machine
    digital_ops_per_s = 2 * digital.pixels * digital.channels * machine.clock_hz
    numbers = [
        _case("analog peak", "ops_per_j", ANALOG_PEAK, analog_peak(model)),
        _case("digital peak", "ops_per_j", 14e12, digital_ops_per_s / digital.power_w),
    ]
    numbers += [
        Case(
            system=SYSTEM,
            case=f"{images} with {network}",
            quantity="ops_per_j",
            published=ops_per_j,
            predicted=efficiency(model, network),
            source=f"{_PEAK}: system level, {images}; network and mapping are not in open text",
            role="fitted" if images == "ImageNet" else "predicted",
        )
        for images, (network, ops_per_j) in SYSTEM_LEVEL.items()
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

"""DIANA: peak efficiencies of the chip beside the formulas, and predictions for CIFAR-10 networks.

Tests compare the formulas with their sources. No open text gives measured latencies of networks. The
digital peak cannot agree: 14 TOPS/W holds at the most efficient voltage, the formulas at 260 MHz. Of the
efficiencies of whole networks, that for ImageNet is fitted (energy of the DRAM, which its weights need),
and that for CIFAR-10, whose networks fit into the L2, is predicted.
"""

from __future__ import annotations

from math import log

from lionheart_opt.cost_models.diana import Diana
from lionheart_opt.cost_models.validation.prices import Price, known
from lionheart_opt.estimates import Estimate, Uncertain
from lionheart_opt.plugins import load_system
from lionheart_opt.published import Case
from lionheart_opt.space import Space
from lionheart_opt.system import System

SYSTEM = "diana"
_PEAK = "Ueyoshi et al. 2022 (ISSCC 15.6), abstract"


ANALOG_PEAK = 600e12
#: Images -> the usual network for them, and the printed efficiency of the whole system.
SYSTEM_LEVEL = {"CIFAR-10": ("resnet20", 7.02e12), "ImageNet": ("resnet18", 5.56e12)}


def efficiency(system: System, network: str, price: Price) -> Uncertain:
    """Operations per joule of a network whose first convolution is digital, and all others analog."""
    from lionheart_opt.tracing import trace_model

    workload = trace_model(network, (3, 224, 224) if network == "resnet18" else None)
    space = Space(workload=workload, system=system)
    mapping = space.all_analog.move(space.units[0].name, system.host)
    return 2 * workload.macs / price(system, workload, mapping).uncertain("energy_j")


def analog_peak(model: Diana) -> float:
    """Operations per joule of a full analog array."""
    analog = model.analog
    return 2 * analog.rows * analog.columns / analog.mvm_latency_s / analog.power_w


def cases() -> list[Case]:
    """Peak efficiency of both arrays, and latency and energy of two networks."""
    from lionheart_opt.tracing import trace_model

    system = load_system(SYSTEM)
    model = Diana(system)
    digital, machine = model.digital, model.machine
    digital_ops_per_s = 2 * digital.pixels * digital.channels * machine.clock_hz
    numbers = [
        _case("analog peak", "ops_per_j", ANALOG_PEAK, _peak(system, analog_peak(model))),
        _case(
            "digital peak",
            "ops_per_j",
            14e12,
            _peak(system, digital_ops_per_s / digital.power_w),
            "; at its most efficient voltage, ours at 260 MHz",
        ),
    ]
    numbers += [
        Case.of(
            efficiency(system, network, known),
            system=SYSTEM,
            case=f"{images} with {network}",
            quantity="ops_per_j",
            published=ops_per_j,
            source=f"{_PEAK}: system level, {images}; network and mapping are not in open text",
            role="fitted" if images == "ImageNet" else "predicted",
        )
        for images, (network, ops_per_j) in SYSTEM_LEVEL.items()
    ]
    for name in ("resnet8", "resnet20"):
        workload = trace_model(name)
        space = Space(workload=workload, system=system)
        for label, mapping in (
            ("all-digital", space.all_digital),
            ("all-analog", space.all_analog),
        ):
            cost = known(system, workload, mapping)
            numbers.append(_case(f"{name} {label}", "latency_s", None, cost.estimate("latency_s")))
            numbers.append(_case(f"{name} {label}", "energy_j", None, cost.estimate("energy_j")))
    return numbers


def _peak(system: System, ops_per_j: float) -> Estimate:
    """A peak follows from exact constants: what no constant explains is all that is open."""
    factor = system.uncertainty and system.uncertainty.energy_factor
    return Estimate.within(ops_per_j, log(factor) if factor else None)


def _case(
    case: str,
    quantity: str,
    published: float | None,
    predicted: Estimate,
    note: str = "",
) -> Case:
    source = _PEAK if published else "none: prediction by the open formulas"
    return Case.of(
        predicted,
        system=SYSTEM,
        case=case,
        quantity=quantity,
        published=published,
        source=source + note,
    )

"""ALPINE's loosely coupled variant (Klein et al. 2023, section VII-B): one published gain, predicted.

Two pipelined tiles with ReLU units lie behind the I/O bus, and one core handles all transactions. To the
core, they are a peripheral with 1,024 inputs and 1,024 results that takes 200 ns (gem5-X/ALPINE 596de26).

What the bus takes does not explain the published gain: without software, ours is more than four times
as large. The paper prints no time of the driver. The system file assumes that each of the two
transactions of a call takes as long as a hand-over between cores, which the results of several cores
determine. No constant is fitted to the published gain.
"""

from __future__ import annotations

from lionheart_opt.cost_models.parts.alpine_parameters import TileParameters
from lionheart_opt.cost_models.validation import prices
from lionheart_opt.cost_models.validation.alpine_networks import perceptron, peripheral
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.published import Case
from lionheart_opt.system import System

SYSTEM = "alpine-loosely-coupled"
CASE = "MLP loosely coupled"
PUBLISHED_SPEEDUP = 4.1
#: Time in s of both products, one after the other.
PERIPHERAL_S = 200e-9
#: Latency in s of a transaction on the bus alone.
BUS_S = 10e-9
_SOURCE = "Klein et al. 2023, section VII-B"


def gains(system: System) -> prices.Pair:
    """Speed-up and energy gain of the perceptron on the peripheral."""
    ops_per_j = system.target_as("tile", TileParameters).ops_per_j
    behind_bus = variant(
        system, "tile", mvm_latency_s=PERIPHERAL_S, ops_per_j=ops_per_j / 2
    )  # two products
    reference, call = perceptron(), peripheral()
    digital = Mapping.of({unit.name: "core" for unit in reference.units})
    analog = Mapping.of({unit.name: "tile" for unit in call.units})
    return prices.gains(
        prices.known(system, reference, digital), prices.known(behind_bus, call, analog)
    )


def without_software(system: System) -> System:
    """The system with the latency of the bus alone."""
    [link] = system.links
    parameters = {**link.parameters, "latency_s": BUS_S}
    bare = link.model_copy(update={"parameters": parameters, "intervals": {}})
    return system.model_copy(update={"links": (bare,)})


def cases() -> list[Case]:
    """The published gain, and what the bus alone would give."""
    system = load_system(SYSTEM)
    speedup, energy_gain = gains(system)
    bus_alone, _ = gains(without_software(system))
    numbers = [
        (CASE, "speedup", PUBLISHED_SPEEDUP, speedup, "; driver assumed as fast as a hand-over"),
        (CASE, "energy_gain", None, energy_gain, "; driver assumed as fast as a hand-over"),
        (f"{CASE}, bus alone", "speedup", None, bus_alone, "; without any software"),
    ]
    return [
        Case.of(
            predicted,
            system="alpine-high-power",
            case=case,
            quantity=quantity,
            published=published,
            source=_SOURCE + note,
        )
        for case, quantity, published, predicted, note in numbers
    ]

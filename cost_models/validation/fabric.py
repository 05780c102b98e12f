"""The HERMES project chip: measured points of Le Gallo et al. 2023, Table I, in both of its modes.

The constants of the digital units are fitted to the ResNet-9 layer in the one-phase mode. The table has
no sizes. Those here are assumed, and fill as many cores to the same share: 2016x224 for the layer (8
cores, 86 %), which the paper gives as an example of a cut, and 1008x2016 for the LSTM (32 cores, 97 %): a
state of 504 values, with all gates in one matrix.
"""

from __future__ import annotations

from lionheart_opt.cost import Cost
from lionheart_opt.cost_models.fabric import Fabric
from lionheart_opt.cost_models.validation.prices import Price, known, plain
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.estimates import Estimate
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.published import Case, Role
from lionheart_opt.system import System
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload

SYSTEM = "hermes-64"
_TABLE = "Le Gallo et al. 2023 (Nature Electronics 6), Table I"

#: Mode -> time in s and energy in J of a product on each of the 64 cores.
PRODUCTS = {"1-phase": (133e-9, 0.86e-6), "4-phase": (520e-9, 3.38e-6)}
#: Mode -> energy in J of the product of one core, derived from the energies of 64.
CORE_J = {"1-phase": 13.4e-9, "4-phase": 52.8e-9}
#: Network, mode -> time in s and energy in J.
LAYERS = {
    ("ResNet-9 layer", "1-phase"): (1131e-9, 0.97e-6),
    ("ResNet-9 layer", "4-phase"): (1518e-9, 1.51e-6),
    ("LSTM step", "1-phase"): (1043e-9, 3.46e-6),
    ("LSTM step", "4-phase"): (1430e-9, 5.24e-6),
}
#: The point to which the constants are fitted.
FITTED = ("ResNet-9 layer", "1-phase")


def in_mode(system: System, mode: str) -> System:
    """The chip in one of its modes."""
    latency_s, _ = PRODUCTS[mode]
    return variant(system, "cores", mvm_latency_s=latency_s, mvm_energy_j=CORE_J[mode])


def resnet_layer() -> Workload:
    """One vector of a 3x3 convolution from 224 to 224 channels, with a ReLU."""
    layer = Layer(
        name="conv",
        kind="conv2d",
        module="conv",
        inputs=(INPUT,),
        input_shapes=((1, 224, 3, 3),),
        output_shape=(1, 224, 1, 1),
        macs=2016 * 224,
        weight_count=2016 * 224,
        mvm=Mvm(rows=2016, columns=224, count=1),
        kernel=(3, 3),
    )
    relu = _of_elements("relu", "relu", ("conv",), (1, 224, 1, 1))
    return Workload(
        name="ResNet-9 layer",
        layers=(layer, relu),
        units=(Unit(name="conv", layers=("conv",)),),
    )


def lstm_step() -> Workload:
    """One time step: all gates in one product, and the functions of their results."""
    gates = Layer(
        name="gates",
        kind="linear",
        module="gates",
        inputs=(INPUT,),
        input_shapes=((1, 1008),),
        output_shape=(1, 2016),
        macs=1008 * 2016,
        weight_count=1008 * 2016,
        mvm=Mvm(rows=1008, columns=2016, count=1),
    )
    state = (1, 504)
    functions = (
        _of_elements("open", "sigmoid", ("gates",), (1, 1512)),
        _of_elements("new", "tanh", ("gates",), state),
        _of_elements("forgotten", "mul", ("open", INPUT), state),
        _of_elements("added", "mul", ("open", "new"), state),
        _of_elements("cell", "add", ("forgotten", "added"), state),
        _of_elements("shown", "tanh", ("cell",), state),
        _of_elements("hidden", "mul", ("open", "shown"), state),
    )
    return Workload(
        name="LSTM step",
        layers=(gates, *functions),
        units=(Unit(name="gates", layers=("gates",)),),
    )


NETWORKS = {"ResNet-9 layer": resnet_layer, "LSTM step": lstm_step}


def cost_of(system: System, network: str, mode: str, price: Price = plain) -> Cost:
    """What a network takes on the cores, in one of the modes of the chip."""
    workload = NETWORKS[network]()
    mapping = Mapping.of({unit.name: "cores" for unit in workload.units})
    return price(in_mode(system, mode), workload, mapping)


def cases() -> list[Case]:
    """The six points of the table, each with latency and energy."""
    system = load_system(SYSTEM)
    numbers = []
    for mode, published in PRODUCTS.items():
        model = Fabric(in_mode(system, mode))
        count = system.target("cores").tiles or 0
        given = model.cores.mvm_latency_s, count * model.cores.mvm_energy_j
        ours = Estimate(given[0]), Estimate(given[1])
        numbers += _point(f"products, {mode}", published, ours, "input")
    for (network, mode), published in LAYERS.items():
        cost = cost_of(system, network, mode, known)
        role: Role = "fitted" if (network, mode) == FITTED else "predicted"
        ours = cost.estimate("latency_s"), cost.estimate("energy_j")
        numbers += _point(f"{network}, {mode}", published, ours, role)
    return numbers


def _point(
    case: str, published: tuple[float, float], ours: tuple[Estimate, Estimate], role: Role
) -> list[Case]:
    source = _TABLE if role == "input" else f"{_TABLE}; sizes follow from cores and utilisation"
    return [
        Case.of(
            predicted,
            system=SYSTEM,
            case=case,
            quantity=quantity,
            published=measured,
            source=source,
            role=role,
        )
        for quantity, measured, predicted in zip(
            ("latency_s", "energy_j"), published, ours, strict=True
        )
    ]


def _of_elements(
    name: str,
    kind: str,
    inputs: tuple[str, ...],
    shape: tuple[int, int] | tuple[int, int, int, int],
) -> Layer:
    shapes = (shape,) * len(inputs)
    return Layer(
        name=name, kind=kind, module=name, inputs=inputs, input_shapes=shapes, output_shape=shape
    )

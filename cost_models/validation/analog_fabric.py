"""The fabric of AnalogNAS: two networks (Benmeziane et al., EDGE 2023, doi 10.1109/EDGE60047.2023.00045).

Table IV has two points of a simulator, for CIFAR-10 on 48 tiles: ResNet32 and AnalogNAS-T500. The tile is
an input (Burr et al., IEDM 2023). Two constants are fitted to ResNet32, so that T500 is a prediction.

T500 is not printed layer by layer. What is known of it: 416,960 weights, depth 17, 27 tiles, and, from
others' descriptions of the paper's figure, three stages of two parallel branches. With one block a stage,
two 3x3 convolutions a branch, a 1x1 shortcut each, a 3x3 convolution before and a classifier behind them,
there are 17 layers with weights.
Several sets of widths give exactly these weights and tiles; those here are one. The latency does not
depend on them, as each layer has one product a pixel; the energy does, by a fifth between six such sets.

With the published tile (40 ns, 5.24 nJ a product), layers one after the other take 0.591 ms for ResNet32
in the arrays alone, and products of whole arrays 80.5 uJ: both above the published totals. So layers
overlap, and tiles take less where they are not filled. That branches run at once was chosen with T500 in
view: in turn, they alone would take twice its time.
"""

from __future__ import annotations

from dataclasses import dataclass

from lionheart_opt.cost import Cost
from lionheart_opt.cost_models.validation.prices import Price, known, plain
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.published import Case, Role
from lionheart_opt.system import System
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload

SYSTEM = "analog-fabric"
_TABLE = "Benmeziane et al. 2023 (AnalogNAS, EDGE), Table IV"
_ASSUMED = f"{_TABLE}; T500 with assumed widths, as only weights, tiles and depth are printed"


@dataclass(frozen=True)
class Point:
    """What the table says of a network.

    Args:
        latency_s: Latency of an inference.
        inferences_per_j: The table's inferences/s/W.
        tiles: Tiles that it occupies.
        weights: Its weights.
    """

    latency_s: float
    inferences_per_j: float
    tiles: int
    weights: int


POINTS = {
    "ResNet32": Point(0.434e-3, 43_956.7, 43, 464_432),
    "T500": Point(0.108e-3, 54_502.0, 27, 416_960),
}
#: The point to which the constants are fitted.
FITTED = "ResNet32"
#: Channels of the first convolution and of the three stages of T500: one set that meets its sizes.
T500_WIDTHS = (43, 61, 66, 61)


def _matrix(
    name: str, source: str, inputs: int, outputs: int, pixels: int, kernel: int, stride: int = 1
) -> Layer:
    """A convolution over a square map, whose results have so many pixels on a side."""
    rows, count = inputs * kernel**2, pixels**2
    seen = pixels * stride
    return Layer(
        name=name,
        kind="conv2d",
        module=name,
        inputs=(source,),
        input_shapes=((1, inputs, seen, seen),),
        output_shape=(1, outputs, pixels, pixels),
        macs=rows * outputs * count,
        weight_count=rows * outputs,
        mvm=Mvm(rows=rows, columns=outputs, count=count),
        kernel=(kernel, kernel),
    )


def _sum(name: str, sources: tuple[str, ...], width: int, pixels: int) -> Layer:
    shape = (1, width, pixels, pixels)
    return Layer(
        name=name,
        kind="add",
        module=name,
        inputs=sources,
        input_shapes=(shape,) * len(sources),
        output_shape=shape,
    )


def _classifier(source: str, width: int) -> tuple[Layer, Layer]:
    pooled = Layer(
        name="pool",
        kind="avg_pool2d",
        module="pool",
        inputs=(source,),
        input_shapes=((1, width, 8, 8),),
        output_shape=(1, width, 1, 1),
        kernel=(8, 8),
    )
    return pooled, Layer(
        name="fc",
        kind="linear",
        module="fc",
        inputs=("pool",),
        input_shapes=((1, width),),
        output_shape=(1, 10),
        macs=10 * width,
        weight_count=10 * width,
        mvm=Mvm(rows=width, columns=10, count=1),
    )


def _network(name: str, layers: list[Layer]) -> Workload:
    units = tuple(Unit(name=each.name, layers=(each.name,)) for each in layers if each.mvm)
    return Workload(name=name, layers=tuple(layers), units=units)


def resnet32() -> Workload:
    """ResNet-32 for CIFAR-10 with 1x1 shortcuts: three stages of five blocks."""
    layers, last, inputs = [_matrix("conv1", INPUT, 3, 16, 32, 3)], "conv1", 16
    for width, pixels in ((16, 32), (32, 16), (64, 8)):
        for block in range(5):
            name = f"{width}.{block}"
            stride = 1 if inputs == width else 2
            first = _matrix(f"{name}.conv1", last, inputs, width, pixels, 3, stride)
            layers += [first, _matrix(f"{name}.conv2", first.name, width, width, pixels, 3)]
            skip = last
            if inputs != width:
                skip = f"{name}.shortcut"
                layers.append(_matrix(skip, last, inputs, width, pixels, 1, stride))
            layers.append(_sum(f"{name}.add", (f"{name}.conv2", skip), width, pixels))
            last, inputs = f"{name}.add", width
    return _network("ResNet32", [*layers, *_classifier(last, inputs)])


def t500(widths: tuple[int, int, int, int] = T500_WIDTHS) -> Workload:
    """AnalogNAS-T500 as far as it is known; see the top of this file.

    Args:
        widths: Channels of the first convolution and of the three stages.
    """
    inputs, *stages = widths
    layers, last = [_matrix("conv1", INPUT, 3, inputs, 32, 3)], "conv1"
    for width, pixels in zip(stages, (32, 16, 8), strict=True):
        name, ends, stride = f"stage{pixels}", list[str](), 1 if pixels == 32 else 2
        for branch in ("a", "b"):
            first = _matrix(f"{name}.{branch}1", last, inputs, width, pixels, 3, stride)
            second = _matrix(f"{name}.{branch}2", first.name, width, width, pixels, 3)
            layers += [first, second]
            ends.append(second.name)
        layers.append(_matrix(f"{name}.shortcut", last, inputs, width, pixels, 1, stride))
        layers.append(_sum(f"{name}.add", (*ends, f"{name}.shortcut"), width, pixels))
        last, inputs = f"{name}.add", width
    return _network("T500", [*layers, *_classifier(last, inputs)])


NETWORKS = {"ResNet32": resnet32, "T500": t500}


def cost_of(system: System, network: str, price: Price = plain) -> Cost:
    """What a network takes with all products on tiles."""
    workload = NETWORKS[network]()
    mapping = Mapping.of({unit.name: "cores" for unit in workload.units})
    return price(system, workload, mapping)


def cases() -> list[Case]:
    """Latency, inferences/s/W and tiles of both networks."""
    system = load_system(SYSTEM)
    found = []
    for network, point in POINTS.items():
        cost = cost_of(system, network, known)
        is_fitted = network == FITTED
        role: Role = "fitted" if is_fitted else "predicted"
        source = _TABLE if is_fitted else _ASSUMED
        latency, per_j = cost.estimate("latency_s"), cost.estimate("energy_j").inverse
        for quantity, published, estimate, of in (
            ("latency_s", point.latency_s, latency, role),
            ("inferences_per_j", point.inferences_per_j, per_j, role),
        ):
            found.append(
                Case.of(
                    estimate,
                    system=SYSTEM,
                    case=network,
                    quantity=quantity,
                    published=published,
                    source=source,
                    role=of,
                )
            )
        found.append(
            Case(
                system=SYSTEM,
                case=network,
                quantity="tiles",
                published=point.tiles,
                predicted=cost.tiles["cores"],
                source=source,
                role="predicted" if is_fitted else "input",
            )
        )
    return found

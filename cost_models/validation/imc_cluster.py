"""The in-memory-computing cluster against Garofalo et al. 2022 (JETCAS 12(2); arXiv 2201.01089 v1).

Cases are the 63 rows of Fig. 12(a), the totals, the packing, and the ratios of section V-C. Latency and
energy of the odd rows are kept for validation: the model is fitted without them.

What cannot agree:
- The printed totals are not sums of the printed rows: 10.06 ms leaves out 2D_0 and 2D_1, 0.482 mJ only
  2D_1. Ours are summed the same way.
- The bottleneck of section V-C is given only by constraints, from which 120 channels expanded to 600
  follow. Its ratios cannot all be met: with the rates that the paper prints for the depthwise engine and
  that reproduce the additions of Fig. 12(a), the fastest mapping is at most 10 times as fast as the
  slowest.
- "26 times software" of section IV-C does not fit all eight cores either: HYBRID would be slower than
  IMA_cjob16.
- Row 62 fills whole arrays at 6.64 TOPS/W, above the peak of Table I, 6.39, which no job exceeds here.
- The energies of the mappings that put the depthwise layer on the crossbar are far above those of the
  jobs of Fig. 12(a).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from importlib import resources

from lionheart_opt.cost import Cost
from lionheart_opt.cost_models.parts.packing import crossbars, cut, pack
from lionheart_opt.cost_models.validation.prices import Pair, Price, gains, known
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.estimates import Estimate, Uncertain
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.published import Case, Role
from lionheart_opt.system import System
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload

SYSTEM = "imc-cluster"
_TABLE = "Garofalo et al. 2022, Fig. 12(a)"
_HEADLINE = "Garofalo et al. 2022, section VI"
_BOTTLENECK = "Garofalo et al. 2022, section V-C"

#: Input and expanded channels of the bottleneck, from the shares of weights that section V-C states.
BOTTLENECK_CHANNELS = (120, 600)
_BOTTLENECK_SIDE = 16  # arbitrary: ratios do not depend on it
#: Mapping of the bottleneck -> published speed-up and energy gain over the cores alone. None is an
#: energy that the paper calls comparable.
BOTTLENECK_GAINS: dict[str, tuple[float, float | None]] = {
    "IMA_cjob8": (1.23, 1 / 1.23),
    "IMA_cjob16": (2.27, None),
    "HYBRID": (4.6, 3.4),
    "IMA+DW": (11.5, 9.2),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of Fig. 12(a).

    Args:
        layer: The operation of the row, with the printed shapes.
        latency_s: The printed latency, which is rounded to 10 us; None in the rows kept for validation.
        energy_j: MACs / the printed efficiency, which has more digits than the printed energy.
    """

    layer: Layer
    latency_s: float | None
    energy_j: float | None


def rows() -> list[Row]:
    """The 63 rows in execution order."""
    text = (resources.files(__package__) / "imc_cluster.csv").read_text(encoding="utf-8")
    table: list[Row] = []
    for line in csv.DictReader(text.splitlines()):
        layer = _layer(line, [row.layer for row in table])
        operations = layer.macs or layer.output_count
        efficiency = line["gmac_per_s_per_w"]
        table.append(
            Row(
                layer=layer,
                latency_s=float(line["latency_ms"]) * 1e-3 if line["latency_ms"] else None,
                energy_j=operations / (float(efficiency) * 1e9) if efficiency else None,
            )
        )
    return table


def _layer(line: dict[str, str], before: list[Layer]) -> Layer:
    inside, outside = int(line["in_channels"]), int(line["out_channels"])
    sides = int(line["in_side"]), int(line["out_side"])
    name = f"row {line['row']} {line['layer']}"
    source = before[-1].name if before else INPUT
    if line["layer"] == "ADD":  # the skip connection starts before the three layers of the block
        return _add(name, (source, before[-4].name), inside, sides[0])
    if line["layer"] == "DW":
        return _depthwise(name, source, inside, sides)
    kernel = 3 if line["layer"] == "2D_0" else 1
    return _convolution(name, source, inside, outside, sides, kernel)


def _convolution(
    name: str, source: str, inside: int, outside: int, sides: tuple[int, int], kernel: int
) -> Layer:
    cells, pixels = inside * kernel**2 * outside, sides[1] ** 2
    return Layer(
        name=name,
        kind="conv2d",
        module=name,
        inputs=(source,),
        input_shapes=((1, inside, sides[0], sides[0]),),
        output_shape=(1, outside, sides[1], sides[1]),
        macs=cells * pixels,
        weight_count=cells,
        mvm=Mvm(rows=inside * kernel**2, columns=outside, count=pixels),
        kernel=(kernel, kernel),
        stride=(sides[0] // sides[1],) * 2,
        padding=(kernel // 2,) * 2,
    )


def _depthwise(name: str, source: str, channels: int, sides: tuple[int, int]) -> Layer:
    dense = _convolution(name, source, 1, channels, sides, 3)
    return replace(
        dense,
        kind="depthwise_conv2d",
        input_shapes=((1, channels, sides[0], sides[0]),),
        mvm=None,
        groups=channels,
    )


def _add(name: str, sources: tuple[str, str], channels: int, side: int) -> Layer:
    shape = (1, channels, side, side)
    return Layer(
        name=name,
        kind="add",
        module="",
        inputs=sources,
        input_shapes=(shape, shape),
        output_shape=shape,
    )


def _workload(name: str, layers: list[Layer]) -> Workload:
    units = tuple(
        Unit(name=layer.name, layers=(layer.name,)) for layer in layers if layer.weight_count
    )
    return Workload(name=name, layers=tuple(layers), units=units)


def mobilenet_v2() -> Workload:
    """The network of Fig. 12(a); it has one pointwise layer (row 1) that the usual MobileNetV2 lacks."""
    return _workload("MobileNetV2 of Fig. 12(a)", [row.layer for row in rows()])


def table_mapping(workload: Workload) -> Mapping:
    """The mapping of the paper: convolutions on the accelerator, depthwise ones on the engine."""
    engine = {"depthwise_conv2d": "dw-engine"}
    return Mapping.of(
        {
            unit.name: engine.get(layer.kind, "ima")
            for unit in workload.units
            for layer in workload.layers_of(unit)
        }
    )


def bottleneck(mapping: str) -> tuple[Workload, Mapping]:
    """The bottleneck of section V-C under one of its five mappings.

    On the accelerator the depthwise layer runs in jobs of `C_job` channels: dense matrices of 9 `C_job`
    rows and `C_job` columns that are zero but for their diagonals.
    """
    inside, expanded = BOTTLENECK_CHANNELS
    sides = (_BOTTLENECK_SIDE,) * 2
    expand = _convolution("expand", INPUT, inside, expanded, sides, 1)
    if mapping.startswith("IMA_cjob"):
        channels = int(mapping.removeprefix("IMA_cjob"))
        starts = range(0, expanded, channels)
        widths = [min(channels, expanded - start) for start in starts]
        depthwise = [
            _convolution(f"depthwise {start}", "expand", width, width, sides, 3)
            for start, width in zip(starts, widths, strict=True)
        ]
    else:
        depthwise = [_depthwise("depthwise", "expand", expanded, sides)]
    project = _convolution("project", depthwise[-1].name, expanded, inside, sides, 1)
    add = _add("add", ("project", INPUT), inside, _BOTTLENECK_SIDE)
    workload = _workload(f"bottleneck {mapping}", [expand, *depthwise, project, add])
    targets = table_mapping(workload)
    if mapping == "CORES":
        targets = Mapping.of(dict.fromkeys(targets, "cores"))
    if mapping == "HYBRID":
        targets = targets.move("depthwise", "cores")
    return workload, targets


def bottleneck_gains(system: System, price: Price) -> dict[str, Pair]:
    """Our speed-up and energy gain of each mapping of the bottleneck over the cores alone.

    Args:
        system: The cluster.
        price: Prices the mappings.
    """
    cores = price(system, *bottleneck("CORES"))
    return {name: gains(cores, price(system, *bottleneck(name))) for name in BOTTLENECK_GAINS}


def full_array() -> Layer:
    """Jobs that use the whole crossbar."""
    return _convolution("full array", INPUT, 256, 256, (32, 32), 1)


def cases() -> list[Case]:
    """Every published number of the cluster, and the rows kept for validation."""
    system = load_system(SYSTEM)
    workload = mobilenet_v2()
    mapping = table_mapping(workload)
    cost = known(system, workload, mapping)
    return [
        *_row_cases(cost),
        *_headline_cases(cost),
        *_peak_cases(system),
        *_bottleneck_cases(system),
    ]


def _case(
    case: str,
    quantity: str,
    published: float | None,
    predicted: float | Estimate | Uncertain,
    source: str,
    role: Role = "predicted",
) -> Case:
    return Case.of(
        predicted,
        system=SYSTEM,
        case=case,
        quantity=quantity,
        published=published,
        source=source,
        role=role,
    )


def _row_cases(cost: Cost) -> list[Case]:
    row_cases = []
    for row, layer in zip(rows(), cost.layers, strict=True):
        latency, energy = cost.layer_estimates(layer)
        row_cases += [
            _case(layer.name, "latency_s", row.latency_s, latency, _TABLE),
            _case(layer.name, "energy_j", row.energy_j, energy, _TABLE, "fitted"),
        ]
    return row_cases


def _headline_cases(cost: Cost) -> list[Case]:
    def without(*names: str) -> Pair:
        """Latency and energy of the layers that are not left out."""
        layers = [layer for layer in cost.layers if layer.name.split()[-1] not in names]
        first, *rest = (cost.uncertain_layer(layer) for layer in layers)
        return sum((each[0] for each in rest), first[0]), sum((each[1] for each in rest), first[1])

    latency_s, _ = without("2D_0", "2D_1")
    _, energy_j = without("2D_1")
    matrices = [(row.layer.mvm.rows, row.layer.mvm.columns) for row in rows() if row.layer.mvm]
    array = (256, 256)
    last = min(pack(tuple(tile for matrix in matrices for tile in cut(*matrix, array)), array))
    return [
        _case(
            "MobileNetV2 without 2D_0 and 2D_1", "latency_s", 10.06e-3, latency_s, _TABLE, "fitted"
        ),
        _case("MobileNetV2 without 2D_1", "energy_j", 482e-6, energy_j, _HEADLINE),
        _case("MobileNetV2", "latency_s", None, cost.estimate("latency_s"), _HEADLINE),
        _case("MobileNetV2", "energy_j", None, cost.estimate("energy_j"), _HEADLINE),
        _case("MobileNetV2", "crossbars", 34, crossbars(matrices, array), _HEADLINE),
        _case("MobileNetV2", "least_filled_crossbar", None, last, _HEADLINE),
    ]


def _peak_cases(system: System) -> list[Case]:
    """The peak rate measured at 250 MHz (section V-B), and the peak efficiency of Table I."""
    workload = _workload("full array", [full_array()])
    mapping = table_mapping(workload)
    slow = known(variant(system, "machine", clock_hz=250e6), workload, mapping)
    cost = known(system, workload, mapping)
    operations = 2 * workload.macs
    return [
        _case(
            "peak at 250 MHz",
            "ops_per_s",
            958e9,
            operations / slow.uncertain("latency_s"),
            "Garofalo et al. 2022, section V-B",
        ),
        _case(
            "peak",
            "ops_per_j",
            6.39e12,
            operations / cost.uncertain("energy_j"),
            "Garofalo et al. 2022, Table I",
            "input",  # no job is more efficient
        ),
    ]


def _bottleneck_cases(system: System) -> list[Case]:
    gain_cases = []
    for name, (speedup, energy_gain) in bottleneck_gains(system, known).items():
        published = BOTTLENECK_GAINS[name]
        case = f"bottleneck {name}"
        gain_cases += [
            _case(case, "speedup", published[0], speedup, _BOTTLENECK, "fitted"),
            # the cores' power is fitted to the mappings that keep the depthwise layer off the crossbar
            _case(
                case,
                "energy_gain",
                published[1],
                energy_gain,
                _BOTTLENECK,
                "predicted" if name.startswith("IMA_cjob") else "fitted",
            ),
        ]
    return gain_cases

"""The networks that Klein et al. 2023 measured, as workloads: perceptron, LSTM, CNN-F, CNN-M, CNN-S.

They are built by hand because the perceptron and the LSTM are also cut into parts for several cores.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from lionheart_opt.workload import INPUT, Layer, Mvm, Shape, Unit, Workload

#: Time steps of an LSTM that follow each other (section VI-C: 10 inferences).
LSTM_STEPS = 10
#: Inputs and outputs of the LSTM (section VIII).
_CHARACTERS = 50


@dataclass
class _Builder:
    """Layers in execution order; `shapes` holds the shape of each result."""

    shapes: dict[str, Shape]
    layers: list[Layer] = field(default_factory=list)
    units: dict[str, list[str]] = field(default_factory=dict)

    def add(
        self,
        name: str,
        kind: str,
        *inputs: str,
        shape: Shape | None = None,
        unit: str = "",
        **fields: Any,
    ) -> str:
        """A layer whose result has the shape of its first input by default; returns its name."""
        shapes = tuple(self.shapes[source] for source in inputs)
        layer = Layer(
            name=name,
            kind=kind,
            module=unit,
            inputs=inputs,
            input_shapes=shapes,
            output_shape=shape or shapes[0],
            **fields,
        )
        self.layers.append(layer)
        self.shapes[name] = layer.output_shape
        if unit:
            self.units.setdefault(unit, []).append(name)
        return name

    def linear(self, name: str, *inputs: str, columns: int, rows: int = 0, unit: str = "") -> str:
        """A product with a weight matrix, by default with a row for each element of its inputs."""
        rows = rows or sum(prod(self.shapes[source]) for source in inputs)
        return self.add(
            name,
            "linear",
            *inputs,
            shape=(1, columns),
            unit=unit or name,
            macs=rows * columns,
            weight_count=rows * columns,
            mvm=Mvm(rows=rows, columns=columns, count=1),
        )

    def convolution(
        self, name: str, source: str, channels: int, kernel: int, stride: int, padding: int
    ) -> str:
        """A square convolution."""
        _, before, side, _ = self.shapes[source]
        side = (side + 2 * padding - kernel) // stride + 1
        mvm = Mvm(rows=before * kernel**2, columns=channels, count=side**2)
        return self.add(
            name,
            "conv2d",
            source,
            shape=(1, channels, side, side),
            unit=name,
            macs=mvm.rows * mvm.columns * mvm.count,
            weight_count=mvm.rows * mvm.columns,
            mvm=mvm,
            kernel=(kernel, kernel),
            stride=(stride, stride),
            padding=(padding, padding),
        )

    def pool(self, name: str, source: str, factor: int) -> str:
        """A maximum pool whose windows touch."""
        _, channels, side, _ = self.shapes[source]
        shape = (1, channels, side // factor, side // factor)
        window = (factor, factor)
        return self.add(name, "max_pool2d", source, shape=shape, kernel=window, stride=window)

    def workload(self, name: str) -> Workload:
        """The workload of all added layers."""
        units = tuple(Unit(name=unit, layers=tuple(names)) for unit, names in self.units.items())
        return Workload(name=name, layers=tuple(self.layers), units=units)


def perceptron(parts: int = 1, width: int = 1024) -> Workload:
    """Two dense layers with ReLU, each cut into parts by columns (section VII).

    Units: `fc1.1`, `fc1.2`, ..., `fc2.1`, ...
    """
    builder = _Builder({INPUT: (1, width)})
    last = [INPUT]
    for layer in ("fc1", "fc2"):
        results = []
        for part in range(1, parts + 1):
            name = builder.linear(f"{layer}.{part}", *last, columns=width // parts)
            results.append(builder.add(f"{name}.relu", "relu", name))
        last = results
    return builder.workload("perceptron")


def peripheral(width: int = 1024) -> Workload:
    """The perceptron as one product: what a core sees of it behind the I/O bus (section VII-B)."""
    builder = _Builder({INPUT: (1, width)})
    builder.linear("call", INPUT, columns=width)
    return builder.workload("peripheral")


def lstm(hidden: int, parts: int = 1) -> Workload:
    """A cell and a dense layer, `LSTM_STEPS` steps one after the other (section VIII).

    The cell is cut so that the four gates of an element stay together. In the next step, each part reads
    the results of all parts.

    Units: `cell.1`, `cell.2`, ..., `dense`.
    """
    builder = _Builder({INPUT: (1, _CHARACTERS)})
    width = hidden // parts
    state: list[str] = []
    memory: dict[int, list[str]] = {part: [] for part in range(1, parts + 1)}
    for step in range(1, LSTM_STEPS + 1):
        slices = []
        for part in memory:
            path = f"{step}.cell.{part}"
            # the state of the first step is zero but takes part in the product
            gates = builder.linear(
                path,
                INPUT,
                *state,
                rows=_CHARACTERS + hidden,
                columns=4 * width,
                unit=f"cell.{part}",
            )
            sigmoid = builder.add(f"{path}.sigmoid", "sigmoid", gates, shape=(1, 3 * width))
            tanh = builder.add(f"{path}.tanh", "tanh", gates, shape=(1, width))
            forget = builder.add(f"{path}.mul", "mul", sigmoid, tanh, shape=(1, 2 * width))
            carry = builder.add(f"{path}.add", "add", forget, *memory[part], shape=(1, width))
            memory[part] = [carry]
            squashed = builder.add(f"{path}.tanh_2", "tanh", carry)
            slices.append(builder.add(f"{path}.mul_2", "mul", sigmoid, squashed, shape=(1, width)))
        state = slices
        dense = builder.linear(f"{step}.dense", *state, columns=_CHARACTERS, unit="dense")
        builder.add(f"{step}.softmax", "softmax", dense)
    return builder.workload(f"lstm-{hidden}")


@dataclass(frozen=True, kw_only=True)
class _Chatfield:
    """What differs between the three networks, as printed in section IX."""

    first: tuple[int, int, int]
    """Channels, kernel size and stride of the first convolution."""
    widths: tuple[int, int]
    """Channels of the second convolution, and of the third to fifth."""
    pools: tuple[int, int, int]
    """Factors of the pools behind the first, second and fifth convolution."""
    norms: int
    """Local response norms behind pools."""


_CHATFIELD = {
    "CNN-F": _Chatfield(first=(64, 11, 4), widths=(256, 256), pools=(2, 2, 2), norms=2),
    "CNN-M": _Chatfield(first=(96, 7, 2), widths=(256, 512), pools=(2, 2, 2), norms=2),
    "CNN-S": _Chatfield(first=(96, 7, 2), widths=(256, 512), pools=(3, 2, 3), norms=1),
}

#: Names of the convolutional networks, and of their units in the order of the eight cores.
CHATFIELD_NETWORKS = tuple(_CHATFIELD)
CHATFIELD_UNITS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


def chatfield(name: str) -> Workload:
    """CNN-F, CNN-M or CNN-S on 224x224 images, as printed: five convolutions, three dense layers."""
    network = _CHATFIELD[name]
    builder = _Builder({INPUT: (1, 3, 224, 224)})
    channels, kernel, stride = network.first
    wide, wider = network.widths
    convolutions = ((channels, kernel, stride, 0), (wide, 5, 1, 1), *(3 * ((wider, 3, 1, 1),)))
    pools = {1: network.pools[0], 2: network.pools[1], 5: network.pools[2]}
    last = INPUT
    for number, sizes in enumerate(convolutions, start=1):
        last = builder.convolution(f"conv{number}", last, *sizes)
        last = builder.add(f"relu{number}", "relu", last)
        if number in pools:
            last = builder.pool(f"pool{number}", last, pools[number])
            if number <= network.norms:
                last = builder.add(f"norm{number}", "local_response_norm", last)
    for unit, columns in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        last = builder.linear(unit, last, columns=columns)
        last = builder.add(f"{unit}.act", "relu" if unit != "fc8" else "softmax", last)
    return builder.workload(name.lower())

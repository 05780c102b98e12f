"""One operation of a network: its shapes, its work, and how a crossbar sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from lionheart_opt.errors import InputError
from lionheart_opt.text import shown

Shape = tuple[int, ...]

#: Name that stands for the network's input in `Layer.inputs`.
INPUT = "input"


@dataclass(frozen=True, kw_only=True)
class Mvm:
    """A layer as a crossbar sees it: `count` products of a (`columns`, `rows`) matrix and a vector.

    Linear: rows = in features, columns = out features, count = tokens. Convolution (im2col): rows =
    in channels x kernel area, columns = out channels, count = output pixels. Transposed convolution:
    rows = in channels, columns = out channels x kernel area, count = input pixels.
    """

    rows: int
    columns: int
    count: int


class Edge(NamedTuple):
    """Activations that flow from one layer to another.

    Attributes:
        source: Name of the layer whose result is read; `input` is the network's input.
        layer: The layer that reads it.
        shape: Shape of what is read, batch of 1 included.
    """

    source: str
    layer: Layer
    shape: Shape

    @property
    def element_count(self) -> int:
        """Elements that are read."""
        return prod(self.shape)


@dataclass(frozen=True, kw_only=True, repr=False)
class Layer:
    """One operation of one inference (batch of 1).

    Args:
        name: Unique name: the module's path for the main operation of a module (`stage1.0.conv1`),
            otherwise the path of the calling module and the operation (`stage1.0.add`).
        kind: `conv1d`, `conv2d`, `grouped_conv2d`, `depthwise_conv2d`, `linear`, `matmul`, `add`,
            `batch_norm`, `relu`, `softmax`, `max_pool2d`, ... as `lionheart_opt.tracing` lists them.
        module: Path of the module that ran it (empty for the top level). For a layer of a unit, the
            path of the weight matrix: that of the module whose `weight` it is (`conv1`), otherwise
            that of the parameter, with the rows taken (`attention.in_proj_weight[0:8]`), or how its
            dimensions make a matrix (`c_proj.weight.T`, see `tracing.matrices.Matrix.path`).
        inputs: Names of the layers whose results it reads, in the order of its arguments; `input` is
            the network's input. Views (reshape, transpose, slice) are seen through.
        input_shapes: One shape for each of `inputs`, batch of 1 included.
        output_shape: Shape of the result, batch of 1 included.
        macs: Multiply-accumulates, for all pixels or tokens; 0 where the operation has none.
        weight_count: Elements of its weight (without bias); 0 for operations without parameters.
        bias_count: Elements of its bias.
        mvm: The crossbar's view. None where a crossbar cannot run it (depthwise, two activations, ...).
        kernel: Kernel size of convolutions and pools, otherwise empty.
        stride: Stride of convolutions and pools, otherwise empty.
        padding: Padding of convolutions and pools, otherwise empty.
        groups: Groups of a convolution.
        element_bytes: Bytes of an element as traced (4 for float32).
    """

    name: str
    kind: str
    module: str
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    macs: int = 0
    weight_count: int = 0
    bias_count: int = 0
    mvm: Mvm | None = None
    kernel: Shape = ()
    stride: Shape = ()
    padding: Shape = ()
    groups: int = 1
    element_bytes: int = 4

    @cached_property
    def input_count(self) -> int:
        """Elements that it reads, weights not included."""
        return sum(prod(shape) for shape in self.input_shapes)

    @cached_property
    def output_count(self) -> int:
        """Elements that it writes."""
        return prod(self.output_shape)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """What it reads: one edge for each of `inputs`."""
        inputs = zip(self.inputs, self.input_shapes, strict=True)
        return tuple(Edge(source, self, shape) for source, shape in inputs)

    def repeated(self, times: int) -> Layer:
        """The same layer for so many inferences, one after the other along its first dimension."""
        return replace(
            self,
            input_shapes=tuple(_longer(shape, times) for shape in self.input_shapes),
            output_shape=_longer(self.output_shape, times),
            macs=self.macs * times,
            mvm=None if self.mvm is None else replace(self.mvm, count=self.mvm.count * times),
        )

    def __repr__(self) -> str:
        inputs = " and ".join(map(str, self.input_shapes))
        macs = f", {self.macs:,} MACs" if self.macs else ""
        weights = f", {self.weight_count:,} weights" if self.weight_count else ""
        return (
            f"Layer({self.name!r}: {self.kind} of {inputs} -> {self.output_shape}{macs}{weights})"
        )


def _longer(shape: Shape, times: int) -> Shape:
    """A shape of so many inferences; one of a single dimension has no batch yet."""
    if len(shape) == 1:
        return (times, *shape)
    first, *others = shape or (1,)
    return (first * times, *others)


def layer_from_json(item: dict[str, Any]) -> Layer:
    """The layer of `asdict`'s data.

    Raises:
        InputError: A size is not a whole number.
        KeyError: A field is missing.
        TypeError: A field has another type.
    """
    fields = {**item}
    for key in ("inputs", "output_shape", "kernel", "stride", "padding"):
        fields[key] = tuple(fields[key])
    fields["input_shapes"] = tuple(tuple(shape) for shape in fields["input_shapes"])
    fields["mvm"] = () if fields["mvm"] is None else Mvm(**fields["mvm"])
    layer = Layer(**{**fields, "mvm": fields["mvm"] or None})
    sizes = set(fields) - {"name", "kind", "module", "inputs"}
    for key, number in ((name, each) for name in sizes for each in _numbers(fields[name])):
        if type(number) is not int or number < 0:
            what = f"layer {shown(layer.name)}: {key}"
            raise InputError(f"{what}: got {shown(number)}; must be a whole number, 0 or more")
    return layer


def _numbers(value: Any) -> list[Any]:
    """The numbers in a field of a layer: one, those of shapes, or those of a crossbar's view."""
    if isinstance(value, Mvm):
        value = (value.rows, value.columns, value.count)
    return [n for each in value for n in _numbers(each)] if isinstance(value, tuple) else [value]

"""From the shapes of an ATen operator: kind, MACs, the crossbar's view, kernel, stride and padding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

from lionheart_opt.workload import Mvm, Shape

#: Operators that torch would decompose but that are one layer here.
_WHOLE = frozenset(
    """linear matmul bilinear batch_norm layer_norm group_norm instance_norm rms_norm relu6 prelu selu
    softmax log_softmax max_pool1d max_pool2d max_pool3d avg_pool1d adaptive_avg_pool1d
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d""".split()
)

#: ATen name -> kind, where they differ by more than underscores.
_KINDS = {
    "clone": "copy",
    "_to_copy": "copy",
    "constant_pad_nd": "pad",
    "stack": "cat",
    "_safe_softmax": "softmax",
    "_unsafe_index": "index",
    "rsub": "sub",
    "log_sigmoid_forward": "logsigmoid",
    "_embedding_bag_forward_only": "embedding_bag",
}

#: Powers that have a name of their own.
_ROOTS = {1: "copy", 2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}

_POOL = re.compile(r"_?(?:adaptive_)?(?P<kind>(?:max|avg)_pool(?P<axes>[123])d)(?:_with_indices)?")

#: Matrix product -> names of its left operand, of its right operand, and of what is added.
_PRODUCTS = {
    "linear": ("input", "weight", "bias"),
    "matmul": ("self", "other", ""),
    "mm": ("self", "mat2", ""),
    "bmm": ("self", "mat2", ""),
    "mv": ("self", "vec", ""),
    "dot": ("self", "tensor", ""),
    "vdot": ("self", "other", ""),
    "addmm": ("mat1", "mat2", "self"),
    "addmv": ("mat", "vec", "self"),
    "baddbmm": ("batch1", "batch2", "self"),
    "addbmm": ("batch1", "batch2", "self"),
}


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One call of an ATen operator.

    Args:
        name: Name without name space and overload (`convolution`).
        shapes: Name of a tensor in the operator's schema -> its shape.
        settings: Name of another argument in the schema -> its value.
        constants: Names of the tensors that the network's input does not reach: weights, biases.
        output_shape: Shape of its (first) result.
    """

    name: str
    shapes: dict[str, Shape]
    settings: dict[str, Any]
    constants: frozenset[str]
    output_shape: Shape


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a layer takes from its operator.

    Args:
        kind: Kind of the layer, as the package's docstring lists them.
        weight: Name of the tensor that may become a unit; empty where there is none.
        bias: Name of the tensor that counts as bias.
        outputs_first: Whether the weight has a row for each output; otherwise a row for each input.
        fields: Fields of `Layer` other than names, shapes and counts.
    """

    kind: str
    weight: str = ""
    bias: str = "bias"
    outputs_first: bool = True
    fields: dict[str, Any] = field(default_factory=dict)

    def count(self, tensor: str) -> Literal["weight_count", "bias_count"] | None:
        """The field of `Layer` in which the elements of a constant tensor of that name are counted."""
        if tensor == self.bias:
            return "bias_count"
        if tensor.startswith("running_"):  # statistics, folded into scale and shift
            return None
        return "weight_count" if tensor == self.weight or not self.weight else None


def is_whole(name: str) -> bool:
    """Whether an operator is one layer although torch would take it apart."""
    return name in _WHOLE or "upsample_" in name


def describe(operator: Operator) -> Description:
    """Kind, MACs, crossbar's view, kernel, stride and padding of an operator."""
    name = operator.name.removesuffix("_")  # an operator in place does the same
    if name == "convolution":
        return _convolution(operator)
    if name in _PRODUCTS:
        return _product(operator, name)
    if name == "bilinear":
        macs = prod(operator.output_shape) * prod(operator.shapes["weight"][1:])
        return Description(kind=name, weight="weight", fields={"macs": macs})
    if name == "_embedding_bag" and "per_sample_weights" in operator.shapes:
        macs = prod(operator.shapes["per_sample_weights"]) * operator.output_shape[-1]
        return Description(kind="embedding_bag", fields={"macs": macs})
    if pool := _POOL.fullmatch(name):
        return _pool(operator, pool["kind"], int(pool["axes"]))
    if name == "pow":
        return Description(kind=_power(operator.settings.get("exponent")))
    if name == "hardtanh":
        limits = operator.settings.get("min_val", -1), operator.settings.get("max_val", 1)
        return Description(kind="relu6" if limits == (0, 6) else "hardtanh")
    return Description(kind=_KINDS.get(name, name.strip("_")))


def _power(exponent: Any) -> str:
    """Kind of a power: `pow` where the exponent is neither a small whole number nor a root."""
    if isinstance(exponent, (int, float)) and exponent in _ROOTS:
        return _ROOTS[exponent]
    is_whole_number = isinstance(exponent, (int, float)) and float(exponent).is_integer()
    return f"pow{int(exponent)}" if is_whole_number and 2 < exponent < 100 else "pow"


def _convolution(operator: Operator) -> Description:
    settings, weight = operator.settings, operator.shapes["weight"]
    groups, transposed = settings["groups"], settings["transposed"]
    n_axes = len(weight) - 2
    kind = f"conv_transpose{n_axes}d" if transposed else f"conv{n_axes}d"
    if groups > 1:
        is_depthwise = not transposed and weight[1] == 1
        kind = f"{'depthwise' if is_depthwise else 'grouped'}_{kind}"
    # a product over the kernel for each output pixel, or for each input pixel of a transposed one
    pixels = operator.shapes["input"] if transposed else operator.output_shape
    fields = {
        "macs": prod(pixels) * prod(weight[1:]),
        "kernel": weight[2:],
        "stride": _sizes(settings["stride"], n_axes),
        "padding": _sizes(settings["padding"], n_axes),
        "groups": groups,
    }
    if "weight" not in operator.constants:  # a filter that the network computes is no unit
        return Description(kind=kind, weight="", fields=fields)
    if transposed and groups == 1:
        count = prod(operator.shapes["input"]) // weight[0]
        fields["mvm"] = Mvm(rows=weight[0], columns=prod(weight[1:]), count=count)
    elif not transposed and (groups == 1 or (weight[1] > 1 and n_axes < 3)):
        # a crossbar holds each group in a block of its own, and zeros elsewhere
        count = prod(operator.output_shape) // weight[0]
        fields["mvm"] = Mvm(rows=prod(weight[1:]) * groups, columns=weight[0], count=count)
    return Description(kind=kind, weight="weight", fields=fields)


def _product(operator: Operator, name: str) -> Description:
    left, right, added = _PRODUCTS[name]
    macs = prod(operator.output_shape) * operator.shapes[left][-1]
    if name == "addbmm":  # the sum of the products of a batch
        macs *= operator.shapes[left][0]
    weight = next((name for name in (right, left) if name in operator.constants), "")
    if not weight or not macs:
        return Description(kind="matmul", bias=added, fields={"macs": macs})
    shape = operator.shapes[weight]
    if prod(shape[:-2]) != 1:  # a matrix for each batch, head or expert
        return Description(kind="matmul", weight=weight, bias=added, fields={"macs": macs})
    rows = operator.shapes[left][-1]  # the inner dimension
    columns = prod(shape) // rows
    mvm = Mvm(rows=rows, columns=columns, count=macs // (rows * columns))
    return Description(
        kind="linear",
        weight=weight,
        bias=added,
        outputs_first=weight == left or name == "linear",
        fields={"macs": macs, "mvm": mvm},
    )


def _pool(operator: Operator, kind: str, n_axes: int) -> Description:
    settings = operator.settings
    if "kernel_size" in settings:
        kernel = _sizes(settings["kernel_size"], n_axes)
        stride = _sizes(settings.get("stride") or kernel, n_axes)
        padding = _sizes(settings.get("padding", 0), n_axes)
    else:  # adaptive: the largest window
        sides = operator.shapes["self"][-n_axes:], operator.output_shape[-n_axes:]
        kernel = tuple(-(-before // after) for before, after in zip(*sides, strict=True))
        stride = tuple(before // after for before, after in zip(*sides, strict=True))
        padding = (0,) * n_axes
    return Description(kind=kind, fields={"kernel": kernel, "stride": stride, "padding": padding})


def _sizes(value: int | Sequence[int], n_axes: int) -> Shape:
    """A size for each axis; torch writes equal sizes as a number or as one element."""
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return sizes * n_axes if len(sizes) == 1 else sizes

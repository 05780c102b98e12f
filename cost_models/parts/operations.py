"""How much arithmetic an operator needs on a processor: MACs, simple and transcendental operations."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from lionheart_opt.errors import unknown
from lionheart_opt.workload import Layer, Workload


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Scalar operations of one layer, grouped by their speed on a processor.

    Args:
        linear_macs: Multiply-accumulates of products with a matrix, and of bilinear forms.
        convolution_macs: Multiply-accumulates of convolutions.
        sparse_macs: Multiply-accumulates of depthwise and grouped convolutions, which reuse little.
        simple: Additions, multiplications, comparisons and moves of an element.
        transcendental: Exponentials, divisions, roots, and functions made of one of them.
    """

    linear_macs: int = 0
    convolution_macs: int = 0
    sparse_macs: int = 0
    simple: int = 0
    transcendental: int = 0


_LINEAR = frozenset(("linear", "matmul", "bilinear"))

_CONVOLUTIONS = frozenset(
    f"{kind}{axes}d" for kind in ("conv", "conv_transpose") for axes in (1, 2, 3)
)

_SPARSE = frozenset(
    f"{prefix}_{kind}{axes}d"
    for prefix in ("depthwise", "grouped")
    for kind in ("conv", "conv_transpose")
    for axes in (1, 2, 3)
)

#: Operators whose weights can take up a scale for each channel of the result.
_SCALABLE = frozenset({"linear"}) | _CONVOLUTIONS | _SPARSE

_POOLS = frozenset(f"{kind}_pool{axes}d" for kind in ("max", "avg") for axes in (1, 2, 3))

#: Kind -> simple and transcendental operations for each element of the result.
_PER_OUTPUT: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        """relu relu6 hardtanh leaky_relu prelu threshold add sub mul neg abs sign square
        maximum minimum clamp clamp_min clamp_max where masked_fill eq ne lt le gt ge logical_and
        logical_or logical_not bitwise_and bitwise_or bitwise_not floor ceil round
        cat copy pad embedding index index_select gather repeat roll flip tril triu fill
        slice_scatter select_scatter index_put scatter upsample_nearest1d upsample_nearest2d
        pixel_shuffle pixel_unshuffle im2col col2im reflection_pad2d replication_pad2d""".split(),
        (1, 0),
    ),
    **dict.fromkeys(("addcmul", "lerp", "hardswish", "hardsigmoid", "batch_norm"), (2, 0)),
    "upsample_bilinear2d": (8, 0),
    **dict.fromkeys(
        """sigmoid tanh exp exp2 expm1 log log1p log2 sqrt rsqrt reciprocal div pow erf sin cos tan atan
        softplus elu celu selu logsigmoid""".split(),
        (1, 1),
    ),
    **dict.fromkeys(("silu", "gelu", "mish"), (3, 1)),
    **dict.fromkeys(("softmax", "log_softmax"), (4, 1)),
    # mean, variance, scale and shift; the one root for each normalised vector is left out
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm"), (6, 0)),
    "rms_norm": (4, 0),
    # squares and a window sum over five channels; the power is a logarithm and an exponential
    "local_response_norm": (8, 2),
}

_REDUCTIONS = frozenset(
    "mean sum amax amin max min argmax argmin cumsum prod any all norm linalg_vector_norm".split()
)

#: Mean and squared differences.
_MOMENTS = frozenset(("var", "std", "var_mean"))

_KNOWN = (
    _LINEAR | _CONVOLUTIONS | _SPARSE | _POOLS | _REDUCTIONS | _MOMENTS | frozenset(_PER_OUTPUT)
)


def operations(layer: Layer, where: str) -> Operations:
    """Count the operations of a layer.

    Args:
        layer: What must run.
        where: What errors call the cost model.

    Raises:
        InputError: The kind is not known. An operator that is missing here never counts as free.
    """
    kind = layer.kind
    if kind in _LINEAR:
        return Operations(linear_macs=layer.macs)
    if kind in _CONVOLUTIONS:
        return Operations(convolution_macs=layer.macs)
    if kind in _SPARSE:
        return Operations(sparse_macs=layer.macs)
    if kind in _POOLS:
        return Operations(simple=layer.output_count * prod(layer.kernel))
    if kind in _REDUCTIONS:
        return Operations(simple=layer.input_count)
    if kind in _MOMENTS:
        return Operations(simple=3 * layer.input_count)
    if kind in _PER_OUTPUT:
        simple, transcendental = _PER_OUTPUT[kind]
        count = layer.output_count
        return Operations(simple=simple * count, transcendental=transcendental * count)
    raise unknown("operator", kind, _KNOWN, f"{where}: layer {layer.name!r}")


def folded_norms(workload: Workload) -> frozenset[str]:
    """Names of the batch norms that disappear into the layer before them.

    At inference a batch norm is a scale and a shift for each channel. Where it is the only reader of a
    convolution's or linear layer's result, scale and shift become part of that layer's weights (on a
    tile: of the scales of its columns, which the conversion of its result applies anyway), so that the
    batch norm costs nothing. Every other batch norm has a price.
    """
    readers: dict[str, list[Layer]] = {}
    for edge in workload.edges:
        readers.setdefault(edge.source, []).append(edge.layer)
    folded = set()
    for layer in workload.layers:
        [first, *others] = readers.get(layer.name, [layer])
        if layer.kind in _SCALABLE and not others and first.kind == "batch_norm":
            folded.add(first.name)
    return frozenset(folded)

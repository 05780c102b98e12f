"""How much arithmetic an operator needs on a processor: MACs, simple and transcendental operations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod

from lionheart_opt.errors import InputError
from lionheart_opt.system import OperatorPrice
from lionheart_opt.workload import INPUT, Layer, Workload


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
    simple: float = 0
    transcendental: float = 0


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


def _named(names: str, simple: int, transcendental: int) -> dict[str, tuple[int, int]]:
    return dict.fromkeys(names.split(), (simple, transcendental))


#: Functions of one element of each operand -> simple and transcendental operations of a result.
_POINTWISE: dict[str, tuple[int, int]] = {
    **_named(
        """relu relu6 hardtanh leaky_relu prelu rrelu_with_noise threshold add sub mul neg abs sign sgn
        signbit copysign square maximum minimum clamp clamp_min clamp_max where masked_fill eq ne lt le
        gt ge isnan isinf heaviside nan_to_num logical_and logical_or logical_xor logical_not bitwise_and
        bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift floor ceil round trunc
        deg2rad rad2deg hardshrink softshrink""",
        1,
        0,
    ),
    **_named("addcmul lerp hardswish hardsigmoid batch_norm frac", 2, 0),
    **_named(
        """sigmoid tanh exp exp2 expm1 log log1p log2 log10 sqrt rsqrt reciprocal div floor_divide erf
        erfc sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh sinc softplus elu celu selu
        logsigmoid""",
        1,
        1,
    ),
    **_named("addcdiv fmod remainder", 2, 1),
    **_named("silu gelu mish hypot xlogy ldexp", 3, 1),
    **_named("logit logaddexp", 2, 2),
    "pow": (1, 2),  # a logarithm and an exponential
}

#: The same of operators that read other elements, too.
_PER_OUTPUT: dict[str, tuple[int, int]] = {
    **_POINTWISE,
    **_named(
        """cat copy pad embedding index index_select gather repeat roll flip rot90 tril triu fill
        slice_scatter select_scatter index_put index_copy index_add scatter scatter_add masked_scatter
        diag_embed upsample_nearest1d upsample_nearest2d upsample_nearest3d pixel_shuffle pixel_unshuffle
        channel_shuffle im2col col2im max_unpool2d reflection_pad1d reflection_pad2d reflection_pad3d
        pack_padded_sequence pad_packed_sequence
        replication_pad1d replication_pad2d replication_pad3d""",
        1,
        0,
    ),
    "glu": (2, 1),  # half of its input times the sigmoid of the other half
    # a weighted sum over the nearest neighbours; weights depend on the place alone
    **_named("upsample_linear1d", 4, 0),
    **_named("upsample_bilinear2d", 8, 0),
    **_named("upsample_trilinear3d", 16, 0),
    **_named("upsample_bicubic2d", 32, 0),
    **_named("grid_sampler_2d", 20, 0),  # bilinear, and four weights for each place
    **_named("softmax log_softmax", 4, 1),
    # mean, variance, scale and shift; the one root for each normalised vector is left out
    **_named("layer_norm group_norm instance_norm", 6, 0),
    "rms_norm": (4, 0),
    "linalg_cross": (3, 0),
    # squares and a window sum over five channels; the power is a logarithm and an exponential
    "local_response_norm": (8, 2),
}

#: Kind -> simple and transcendental operations for each element that is read.
_PER_INPUT: dict[str, tuple[int, int]] = {
    **_named(
        """mean sum nansum amax amin aminmax max min argmax argmin cumsum cumprod cummax cummin prod any
        all norm linalg_vector_norm trace count_nonzero""",
        1,
        0,
    ),
    **_named("dist", 2, 0),
    **_named("var std var_mean std_mean", 3, 0),  # mean and squared differences
    **_named("logsumexp logcumsumexp", 3, 1),
}

#: Operators that sort: a comparison of each element in each of the levels of a tree.
_SORTS = frozenset("sort topk kthvalue median nanmedian mode".split())

_KNOWN = (
    _LINEAR
    | _CONVOLUTIONS
    | _SPARSE
    | _POOLS
    | _SORTS
    | frozenset(_PER_OUTPUT)
    | frozenset(_PER_INPUT)
    | {"embedding_bag", "pow3"}
)

#: A power with a whole exponent: products, not a logarithm and an exponential.
_POWER = re.compile(r"pow([3-9]|[1-9][0-9])")


def known_kinds() -> frozenset[str]:
    """Every kind of layer that has a price, powers left out."""
    return _KNOWN - {"pow3"}


#: Operators that look up rows of a table.
_LOOK_UPS = frozenset({"embedding", "embedding_bag", "index", "index_select", "gather"})

#: Operators that write into a tensor that is there, and those that read one beside what was computed.
_APPENDS = frozenset({"cat", "index_copy", "index_put", "slice_scatter", "scatter"})
_JOINS = _APPENDS | {"matmul"}


def cached_elements(layer: Layer) -> int:
    """Elements of the network's inputs that are its memory: a key-value cache, for example.

    They are what a layer joins to, or multiplies with, something that the network computed. Such a cache
    lies in memory as the network wrote it, so that nothing is decoded.
    """
    computes = any(source != INPUT for source in layer.inputs)
    return _given(layer) if layer.kind in _JOINS and computes else 0


def appended_elements(layer: Layer) -> int:
    """Elements of the result that are written: what is appended to a cache leaves the cache in place."""
    kept = cached_elements(layer) if layer.kind in _APPENDS else 0
    return max(0, layer.output_count - kept)


def _given(layer: Layer) -> int:
    return sum(edge.element_count for edge in layer.edges if edge.source == INPUT)


def reads_rows(layer: Layer) -> bool:
    """Whether it reads some rows of a table, and not all of its weights."""
    return layer.kind in _LOOK_UPS


def is_pointwise(kind: str) -> bool:
    """Whether each element of the result is a function of one element of each operand."""
    return kind in _POINTWISE or _POWER.fullmatch(kind) is not None


def is_looked_up(layer: Layer) -> bool:
    """Whether each element of the result is a function of one element, the same for all elements.

    A batch norm is none, as its scale and shift are those of the channel.
    """
    is_one_function = layer.weight_count <= 1 and layer.kind != "batch_norm"
    return len(layer.inputs) == 1 and is_one_function and is_pointwise(layer.kind)


def operations(layer: Layer, where: str, own: dict[str, OperatorPrice] | None = None) -> Operations:
    """Count the operations of a layer.

    Args:
        layer: What must run.
        where: What errors call the cost model.
        own: Kind -> operations for each element of the result, for kinds that the system's file prices.

    Raises:
        InputError: The kind is not known. An operator that is missing here never counts as free.
    """
    kind = layer.kind
    own = own or {}
    if kind in own:
        count, price = layer.output_count, own[kind]
        return Operations(
            linear_macs=layer.macs,
            simple=price.simple * count,
            transcendental=price.transcendental * count,
        )
    if kind in _LINEAR:
        return Operations(linear_macs=layer.macs)
    if kind in _CONVOLUTIONS:
        return Operations(convolution_macs=layer.macs)
    if kind in _SPARSE:
        return Operations(sparse_macs=layer.macs)
    if kind in _POOLS:
        return Operations(simple=layer.output_count * prod(layer.kernel))
    if kind == "embedding_bag":
        width = layer.output_shape[-1]
        return Operations(
            linear_macs=layer.macs, simple=0 if layer.macs else layer.input_count * width
        )
    if kind in _SORTS:  # which dimension is sorted is not known: the longest
        levels = max(max(shape, default=1) for shape in layer.input_shapes).bit_length()
        return Operations(simple=layer.input_count * levels)
    if power := _POWER.fullmatch(kind):
        exponent = int(power[1])
        products = exponent.bit_length() + exponent.bit_count() - 2
        return Operations(simple=products * layer.output_count)
    if kind in _PER_OUTPUT:
        simple, transcendental = _PER_OUTPUT[kind]
    elif kind in _PER_INPUT:
        simple, transcendental = _PER_INPUT[kind]
    else:
        raise _no_price(layer, where)
    count = layer.input_count if kind in _PER_INPUT else appended_elements(layer)
    return Operations(simple=simple * count, transcendental=transcendental * count)


def _no_price(layer: Layer, where: str) -> InputError:
    nearest = get_close_matches(layer.kind, _KNOWN, n=1, cutoff=0.75)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    if layer.kind == "native_dropout":  # the tracer leaves it out where it is off
        return InputError(
            f"{where}: layer {layer.name!r}: dropout that is on in evaluation mode; nn.Dropout and "
            "F.dropout(x, training=self.training) are off there. Monte-Carlo dropout can be priced, by a "
            "table [operators.native_dropout] in the system's file, but not measured"
        )
    return InputError(
        f"{where}: layer {layer.name!r}: unknown operator {layer.kind!r}{hint}; to price it, add a table "
        f"[operators.{layer.kind}] to the system's file, with the `simple` and `transcendental` "
        "operations of an element of its result"
    )


def folded_scales(workload: Workload) -> frozenset[str]:
    """Names of multiplications by a constant that a product of activations takes along.

    Attention scales queries and keys. Where a product is the only reader, its own scaling does that.
    """
    readers: dict[str, list[str]] = {}
    for edge in workload.edges:
        readers.setdefault(edge.source, []).append(edge.layer.kind)
    return frozenset(
        layer.name
        for layer in workload.layers
        if layer.kind in ("mul", "div")
        and len(layer.inputs) == 1
        and layer.weight_count <= 1
        and layer.input_count == layer.output_count
        and readers.get(layer.name) == ["matmul"]
    )


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

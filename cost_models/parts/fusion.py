"""Layers that 8-bit hardware runs as a part of the layer before them: the only layers that are free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from lionheart_opt.cost_models.parts.additive import Components, Price
from lionheart_opt.cost_models.parts.operations import (
    folded_norms,
    folded_scales,
    is_pointwise,
)
from lionheart_opt.system import Target
from lionheart_opt.workload import Layer, Workload

#: Activations that only clip: part of the re-quantisation that ends every 8-bit operator.
_CLIPS = frozenset({"relu", "relu6", "hardtanh"})


def free() -> Components:
    """The components of a layer that costs nothing."""
    return {"fused": (0.0, 0.0)}


def unless_fused(
    workload: Workload, price: Price, *, own: Container[str] = (), has_tables: bool = True
) -> Price:
    """The price of a layer on a target, free where the layer is fused; see `fused`."""
    names = fused(workload, own=own, has_tables=has_tables)

    def price_or_free(layer: Layer, target: Target) -> Components:
        return free() if layer.name in names else price(layer, target)

    return price_or_free


def fused(
    workload: Workload, *, own: Container[str] = (), has_tables: bool = True
) -> frozenset[str]:
    """Names of the layers that cost nothing because they are part of the layer before them.

    These are batch norms after a convolution or linear layer, and clipping activations after any operator
    whose result nothing else reads. Their scale, shift and clip are the re-quantisation that kernels,
    accelerators and the converters of crossbars do anyway (the tables of Garofalo et al. 2022 and the
    mapping of Bruschi et al. 2023 have no such layers; the formulas of DIANA have no term for them).

    Args:
        workload: The workload.
        own: Kinds that the system's file prices, which are never free.
        has_tables: Whether functions of an 8-bit element are looked up, however many operators they are.
    """
    readers = Counter(edge.source for edge in workload.edges)
    layers = {layer.name for layer in workload.layers}
    clips = {
        layer.name
        for layer in workload.layers
        if layer.kind in _CLIPS and layer.inputs[0] in layers and readers[layer.inputs[0]] == 1
    }
    free = folded_norms(workload) | folded_scales(workload) | clips
    free |= looked_up(workload) if has_tables else frozenset()
    return frozenset(name for name in free if workload.layer(name).kind not in own)


def looked_up(workload: Workload) -> frozenset[str]:
    """Names of the layers that only contribute to a function of one element of one result.

    GELU written as eight operators is an example. Its last layer is the look-up of the whole function.
    """
    shapes = {layer.name: layer.output_shape for layer in workload.layers}
    argument: dict[str, str | None] = {}  # of which result a layer is a function, if of one
    for layer in workload.layers:
        arguments = {argument.get(name, name) for name in layer.inputs}
        [only, *others] = arguments or {None}
        is_function = only in shapes and not others and is_pointwise(layer.kind)
        if is_function and only is not None and layer.output_shape == shapes[only]:
            argument[layer.name] = only
    readers: dict[str, set[str]] = {}
    for edge in workload.edges:
        readers.setdefault(edge.source, set()).add(edge.layer.name)
    return frozenset(
        name
        for name, source in argument.items()
        if name in readers and all(argument.get(reader) == source for reader in readers[name])
    )

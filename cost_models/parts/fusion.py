"""Layers that 8-bit hardware runs as a part of the layer before them: the only layers that are free."""

from __future__ import annotations

from collections import Counter

from lionheart_opt.cost_models.parts.additive import Components, Price
from lionheart_opt.cost_models.parts.operations import folded_norms
from lionheart_opt.system import Target
from lionheart_opt.workload import Layer, Workload

#: Activations that only clip: part of the re-quantisation that ends every 8-bit operator.
_CLIPS = frozenset({"relu", "relu6", "hardtanh"})


def free() -> Components:
    """The components of a layer that costs nothing."""
    return {"fused": (0.0, 0.0)}


def unless_fused(workload: Workload, price: Price) -> Price:
    """The price of a layer on a target, free where the layer is fused."""
    names = fused(workload)

    def price_or_free(layer: Layer, target: Target) -> Components:
        return free() if layer.name in names else price(layer, target)

    return price_or_free


def fused(workload: Workload) -> frozenset[str]:
    """Names of the layers that cost nothing because they are part of the layer before them.

    These are batch norms after a convolution or linear layer, and clipping activations after any operator
    whose result nothing else reads. Their scale, shift and clip are the re-quantisation that kernels,
    accelerators and the converters of crossbars do anyway (the tables of Garofalo et al. 2022 and the
    mapping of Bruschi et al. 2023 have no such layers; the formulas of DIANA have no term for them).
    """
    readers = Counter(edge.source for edge in workload.edges)
    layers = {layer.name for layer in workload.layers}
    clips = {
        layer.name
        for layer in workload.layers
        if layer.kind in _CLIPS and layer.inputs[0] in layers and readers[layer.inputs[0]] == 1
    }
    return folded_norms(workload) | clips

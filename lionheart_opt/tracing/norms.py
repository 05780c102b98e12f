"""Norms that are written out as several operators: one layer, as if torch's own had been called.

`x * rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight`, as in T5 and Llama, is an example. What may
be something else than a norm over the last dimension is left as it is: `x * x`, for example, looks like a
product with a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from lionheart_opt.layer import Layer


def with_fused_norms(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers, each norm that is written out as one `rms_norm` or `layer_norm`.

    It has the name of the last of its operators, and the sizes of their scale and shift.

    Args:
        layers: All operations, in execution order.
    """
    graph = _Graph(tuple(layers))
    fused: dict[str, Layer] = {}
    inner: set[str] = set()
    for layer in layers:
        norm = graph.norm_ending_at(layer)
        if norm is not None:
            fused[norm.last.name] = norm.as_layer()
            inner |= {each.name for each in norm.members if each is not norm.last}
    return tuple(fused.get(layer.name, layer) for layer in layers if layer.name not in inner)


@dataclass(frozen=True, kw_only=True)
class _Norm:
    """Operators that are a norm together.

    Args:
        kind: Kind of the layer that they are.
        source: Name of the layer whose result is normalised.
        members: The operators.
        last: The one that gives the result.
        scales: Elements of the scale.
        shifts: Elements of the shift.
    """

    kind: Literal["layer_norm", "rms_norm"]
    source: str
    members: tuple[Layer, ...]
    last: Layer
    scales: int = 0
    shifts: int = 0

    def with_last(self, last: Layer, *, scales: int = 0, shifts: int = 0) -> _Norm:
        """The same with one more operator."""
        return replace(
            self,
            members=(*self.members, last),
            last=last,
            scales=self.scales + scales,
            shifts=self.shifts + shifts,
        )

    def as_layer(self) -> Layer:
        """The norm as one operation."""
        return replace(
            self.last,
            kind=self.kind,
            inputs=(self.source,),
            input_shapes=(self.last.output_shape,),
            weight_count=self.scales,
            bias_count=self.shifts,
        )


@dataclass(frozen=True)
class _Graph:
    """Layers, by what they read and by what reads them."""

    layers: tuple[Layer, ...]

    @cached_property
    def by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def readers(self) -> dict[str, list[Layer]]:
        readers: dict[str, list[Layer]] = {}
        for layer in self.layers:
            for source in dict.fromkeys(layer.inputs):
                readers.setdefault(source, []).append(layer)
        return readers

    def norm_ending_at(self, layer: Layer) -> _Norm | None:
        """The norm whose division by the deviation is this layer, with the scale and shift behind it."""
        shape = layer.output_shape
        if len(shape) < 2 or shape[-1] < 2 or len(layer.inputs) != 2:
            return None
        orders = {"div": (layer.inputs,), "mul": (layer.inputs, layer.inputs[::-1])}
        for numerator, divisor in orders.get(layer.kind, ()):
            deviation = self._deviation(divisor, is_inverse=layer.kind == "mul")
            norm = deviation and self._norm(layer, numerator, deviation)
            if norm and self._are_inside(norm.members, layer):
                return self._with_affine(norm)
        return None

    def _norm(self, layer: Layer, numerator: str, deviation: tuple[Layer, ...]) -> _Norm | None:
        """The norm that divides here; `deviation` ends with the variance or the squares."""
        scales = 0
        members = (layer, *deviation)
        scale = self.by_name.get(numerator)
        if scale is not None and self._is_affine(scale, "mul", layer):
            members, scales, numerator = (*members, scale), layer.output_shape[-1], scale.inputs[0]
        squared = deviation[-1].inputs[0]
        centred = self._centred(numerator, layer)
        if centred is None:
            if deviation[-1].kind != "square" or squared != numerator:
                return None
            return _Norm(
                kind="rms_norm", source=numerator, members=members, last=layer, scales=scales
            )
        source = centred[1].inputs[0]
        if deviation[-1].kind == "square":
            again = self._centred(squared, layer)
            if again is None:
                return None
            members, squared = (*members, *again), again[1].inputs[0]
        if squared != source:
            return None
        members = (*members, *centred)
        return _Norm(kind="layer_norm", source=source, members=members, last=layer, scales=scales)

    def _deviation(self, name: str, *, is_inverse: bool) -> tuple[Layer, ...] | None:
        """The operators of a deviation or its inverse, from the last one to the variance or squares."""
        layer = self._small(name)
        kinds: tuple[str, ...] = ("std",)
        steps: list[Layer] = []
        if layer is not None and layer.kind == ("rsqrt" if is_inverse else "sqrt"):
            steps.append(layer)
            layer, kinds = self._small(layer.inputs[0]), ("var", "mean")
        elif is_inverse:
            return None
        if layer is not None and layer.kind == "add":
            steps.append(layer)
            layer = self._small(layer.inputs[0])
        if layer is None or layer.kind not in kinds:
            return None
        steps.append(layer)
        if layer.kind == "mean":
            square = self.by_name.get(layer.inputs[0])
            if square is None or square.kind != "square":
                return None
            steps.append(square)
        return tuple(steps)

    def _small(self, name: str) -> Layer | None:
        """The layer of that name, if it has one number for each vector and reads one result."""
        layer = self.by_name.get(name)
        is_small = layer is not None and len(layer.inputs) == 1 and layer.output_shape[-1:] == (1,)
        return layer if is_small else None

    def _centred(self, name: str, layer: Layer) -> tuple[Layer, Layer] | None:
        """A subtraction of the mean of each vector, and that mean."""
        sub = self.by_name.get(name)
        if sub is None or sub.kind != "sub" or len(sub.inputs) != 2:
            return None
        mean = self._small(sub.inputs[1])
        if mean is None or mean.kind != "mean" or mean.inputs != sub.inputs[:1]:
            return None
        return (sub, mean) if sub.output_shape == layer.output_shape else None

    def _is_affine(self, layer: Layer, kind: str, norm: Layer) -> bool:
        """Whether a layer only scales, or only shifts, each element of a vector by a parameter."""
        width = norm.output_shape[-1]
        return (
            layer.kind == kind
            and len(layer.inputs) == 1
            and layer.weight_count == width
            and layer.output_shape == norm.output_shape
        )

    def _with_affine(self, norm: _Norm) -> _Norm:
        """The norm with the scale and the shift that alone read it."""
        width = norm.last.output_shape[-1]
        for kind in ("mul", "add"):
            [reader, *others] = self.readers.get(norm.last.name) or [norm.last]
            if others or reader is norm.last or not self._is_affine(reader, kind, norm.last):
                continue
            if kind == "add":
                norm = norm.with_last(reader, shifts=width)
            elif not norm.scales:
                norm = norm.with_last(reader, scales=width)
        return norm

    def _are_inside(self, members: tuple[Layer, ...], last: Layer) -> bool:
        """Whether nothing else reads them; the last one may be read by anything."""
        inside = {member.name for member in members}
        return all(
            reader.name in inside
            for name in inside - {last.name}
            for reader in self.readers.get(name, [])
        )

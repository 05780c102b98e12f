"""Operators from their shapes, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from lionheart_opt.tracing.operators import Operator, describe, is_whole
from lionheart_opt.workload import Mvm, Shape


def operator(
    name: str,
    output_shape: Shape,
    constants: tuple[str, ...] = (),
    settings: dict[str, Any] | None = None,
    **shapes: Shape,
) -> Operator:
    return Operator(
        name=name,
        shapes=shapes,
        settings=settings or {},
        constants=frozenset(constants),
        output_shape=output_shape,
    )


def convolution(
    weight: Shape, source: Shape, output: Shape, groups: int = 1, transposed: bool = False
) -> Operator:
    settings = {"groups": groups, "transposed": transposed, "stride": [2], "padding": [1]}
    constants = ("weight", "bias")
    return operator("convolution", output, constants, settings, input=source, weight=weight)


class TestConvolutions:
    def test_a_convolution_is_a_product_for_each_pixel(self) -> None:
        description = describe(convolution((8, 3, 5, 5), (1, 3, 9, 9), (1, 8, 4, 4)))
        assert (description.kind, description.weight) == ("conv2d", "weight")
        assert description.fields == {
            "macs": 16 * 8 * 75,
            "kernel": (5, 5),
            "stride": (2, 2),
            "padding": (1, 1),
            "groups": 1,
            "mvm": Mvm(rows=75, columns=8, count=16),
        }

    @pytest.mark.parametrize(
        ("weight", "groups", "transposed", "kind", "macs", "mvm"),
        [
            ((4, 1, 3, 3), 4, False, "depthwise_conv2d", 64 * 9, None),
            # zeros outside of the blocks of the groups
            ((4, 2, 3, 3), 2, False, "grouped_conv2d", 64 * 18, Mvm(rows=36, columns=4, count=16)),
            ((4, 1, 3, 3), 1, False, "conv2d", 64 * 9, Mvm(rows=9, columns=4, count=16)),
            # each of the 4 x 64 inputs is spread over 2 channels of nine pixels
            (
                (4, 2, 3, 3),
                1,
                True,
                "conv_transpose2d",
                256 * 18,
                Mvm(rows=4, columns=18, count=64),
            ),
            ((4, 1, 3, 3), 4, True, "grouped_conv_transpose2d", 256 * 9, None),
            ((4, 2, 3, 3), 2, True, "grouped_conv_transpose2d", 256 * 18, None),
        ],
    )
    def test_kinds(
        self,
        weight: Shape,
        groups: int,
        transposed: bool,
        kind: str,
        macs: int,
        mvm: Mvm | None,
    ) -> None:
        description = describe(
            convolution(weight, (1, 4, 8, 8), (1, 4, 4, 4), groups=groups, transposed=transposed)
        )
        assert (description.kind, description.fields["macs"]) == (kind, macs)
        assert description.fields.get("mvm") == mvm

    @pytest.mark.parametrize("axes", [1, 3])
    def test_other_numbers_of_axes(self, axes: int) -> None:
        side = (4,) * axes
        description = describe(convolution((2, 3, *(3,) * axes), (1, 3, *side), (1, 2, *side)))
        assert description.kind == f"conv{axes}d"
        assert description.fields["stride"] == (2,) * axes
        assert description.fields["mvm"] == Mvm(rows=3 * 3**axes, columns=2, count=4**axes)


class TestProducts:
    @pytest.mark.parametrize(
        ("described", "weight", "mvm"),
        [
            (
                operator("linear", (1, 5, 3), ("weight",), input=(1, 5, 7), weight=(3, 7)),
                "weight",
                Mvm(rows=7, columns=3, count=5),
            ),
            (
                operator("addmm", (5, 3), ("mat2", "self"), mat1=(5, 7), mat2=(7, 3), self=(3,)),
                "mat2",
                Mvm(rows=7, columns=3, count=5),
            ),
            # a weight on the left: each of six columns is a vector
            (
                operator("mm", (3, 6), ("self",), self=(3, 7), mat2=(7, 6)),
                "self",
                Mvm(rows=7, columns=3, count=6),
            ),
            (
                operator("mv", (3,), ("self",), self=(3, 7), vec=(7,)),
                "self",
                Mvm(rows=7, columns=3, count=1),
            ),
        ],
    )
    def test_a_product_with_a_weight(self, described: Operator, weight: str, mvm: Mvm) -> None:
        description = describe(described)
        assert (description.kind, description.weight) == ("linear", weight)
        assert description.fields == {"mvm": mvm, "macs": mvm.rows * mvm.columns * mvm.count}

    def test_a_product_of_activations_has_no_weight(self) -> None:
        description = describe(operator("bmm", (2, 5, 5), self=(2, 5, 4), mat2=(2, 4, 5)))
        assert (description.kind, description.weight) == ("matmul", "")
        assert description.fields == {"macs": 200}

    def test_a_matrix_for_each_head_is_a_unit_that_no_crossbar_runs(self) -> None:
        heads = operator("bmm", (2, 5, 3), ("mat2",), self=(2, 5, 4), mat2=(2, 4, 3))
        description = describe(heads)
        assert (description.kind, description.weight) == ("matmul", "mat2")
        assert description.fields == {"macs": 120}


class TestPools:
    def test_a_pool_without_a_stride_moves_by_its_window(self) -> None:
        settings = {"kernel_size": [3, 2], "padding": 1}
        described = operator(
            "max_pool2d_with_indices", (1, 4, 3, 4), (), settings, self=(1, 4, 8, 8)
        )
        description = describe(described)
        assert description.kind == "max_pool2d"
        assert description.fields == {"kernel": (3, 2), "stride": (3, 2), "padding": (1, 1)}

    def test_an_adaptive_pool_has_its_largest_window(self) -> None:
        described = operator("_adaptive_avg_pool2d", (1, 4, 3, 2), self=(1, 4, 7, 8))
        description = describe(described)
        assert description.kind == "avg_pool2d"
        assert description.fields == {"kernel": (3, 4), "stride": (2, 4), "padding": (0, 0)}

    def test_pools_along_one_axis(self) -> None:
        described = operator("adaptive_avg_pool1d", (1, 4, 2), self=(1, 4, 9))
        fields = {"kernel": (5,), "stride": (4,), "padding": (0,)}
        assert describe(described).fields == fields
        plain = operator("avg_pool1d", (1, 4, 3), (), {"kernel_size": [3]}, self=(1, 4, 9))
        assert describe(plain).fields == {"kernel": (3,), "stride": (3,), "padding": (0,)}


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "settings", "kind"),
        [
            ("relu_", {}, "relu"),
            ("_softmax", {}, "softmax"),
            ("_safe_softmax", {}, "softmax"),
            ("clone", {}, "copy"),
            ("_to_copy", {}, "copy"),
            ("stack", {}, "cat"),
            ("rsub", {}, "sub"),
            ("hardtanh", {"min_val": 0, "max_val": 6}, "relu6"),
            ("hardtanh_", {}, "hardtanh"),
            ("erfinv", {}, "erfinv"),
        ],
    )
    def test_names(self, name: str, settings: dict[str, Any], kind: str) -> None:
        assert describe(operator(name, (1, 3), (), settings, self=(1, 3))).kind == kind

    def test_what_constants_count_as(self) -> None:
        linear = describe(operator("linear", (1, 3), ("weight",), input=(1, 7), weight=(3, 7)))
        counts = [linear.count(name) for name in ("weight", "bias", "input")]
        assert counts == ["weight_count", "bias_count", None]
        norm = describe(operator("batch_norm", (1, 3), (), input=(1, 3)))
        counts = [norm.count(name) for name in ("weight", "bias", "running_mean")]
        assert counts == ["weight_count", "bias_count", None]

    def test_which_operators_stay_whole(self) -> None:
        assert is_whole("layer_norm") and is_whole("upsample_bilinear2d")
        assert not is_whole("scaled_dot_product_attention")


@pytest.mark.parametrize(
    ("exponent", "kind"),
    [
        *((1, "copy"), (2, "square"), (2.0, "square"), (3.0, "pow3"), (5, "pow5"), (0.5, "sqrt")),
        *((-0.5, "rsqrt"), (-1, "reciprocal"), (2.5, "pow"), (-3, "pow"), (100, "pow"), (0, "pow")),
        *((float("inf"), "pow"), (None, "pow")),
    ],
)
def test_whole_powers_and_roots_have_kinds_of_their_own(exponent: float | None, kind: str) -> None:
    settings = {} if exponent is None else {"exponent": exponent}
    assert describe(operator("pow", (1, 4), settings=settings, self=(1, 4))).kind == kind

"""DIANA's cost model is its open formulas, and says where they end."""

from __future__ import annotations

from dataclasses import replace
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import convolution, network, operator

from lionheart_opt.cost_models.diana import Diana, Shape, shape_of
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.space import Space, random_mapping
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.workload import INPUT, Layer

MODEL = Diana(load_system("diana"))
CLOCK_HZ = 260e6

shapes = st.builds(
    Shape,
    channels_in=st.integers(1, 600),
    channels_out=st.integers(1, 1200),
    groups=st.just(1),
    kernel_x=st.sampled_from([1, 3, 5, 7]),
    kernel_y=st.sampled_from([1, 3, 5, 7]),
    out_x=st.integers(1, 64),
    out_y=st.integers(1, 64),
)


def steps(amount: float, size: int) -> int:
    return floor((amount + size - 1) / size)


class TestFormulas:
    @settings(max_examples=300, deadline=None)
    @given(shape=shapes)
    def test_analog_cycles(self, shape: Shape) -> None:
        """ox pixels at once where the array has room for them; 70 ns a product; weights loaded."""
        s = shape
        fits = [
            u
            for u in (1, 2, 4, 8)
            if u * s.channels_out <= 512
            and (u + s.kernel_x - 1) * max(64, s.channels_in) * s.kernel_y <= 1152
        ]
        ox = max(fits, default=1)
        products = steps(s.channels_out, 512) * steps(s.channels_in, 128) * s.out_x * s.out_y / ox
        mvm, load = MODEL.analog_cycles(shape)
        assert mvm == pytest.approx(products * 18.2)
        assert load == 8 * s.channels_in * s.kernel_x * s.kernel_y

    @settings(max_examples=300, deadline=None)
    @given(shape=shapes, groups=st.integers(1, 64))
    def test_digital_cycles(self, shape: Shape, groups: int) -> None:
        s = replace(shape, groups=groups)
        expected = (
            steps(s.channels_out / groups, 16)
            * s.channels_in
            * steps(s.out_x, 16)
            * s.out_y
            * s.kernel_x
            * s.kernel_y
            + s.out_x * s.out_y * (s.channels_out + s.channels_in) / 8
        )
        assert MODEL.digital_cycles(s) == pytest.approx(expected)

    def test_by_hand(self) -> None:
        """A 3x3 convolution from 16 to 32 channels on 16x16 pixels."""
        shape = Shape(
            channels_in=16,
            channels_out=32,
            groups=1,
            kernel_x=3,
            kernel_y=3,
            out_x=16,
            out_y=16,
        )
        assert MODEL.digital_cycles(shape) == 2 * 16 * 1 * 16 * 9 + 256 * 48 / 8
        # four pixels at once take (4 + 2) x 64 x 3 = 1152 rows and 128 columns
        mvm, load = MODEL.analog_cycles(shape)
        assert mvm == pytest.approx(256 / 4 * 18.2)
        assert load == 8 * 16 * 9

    @pytest.mark.parametrize(
        ("analog_s", "digital_s", "expected_j"),
        [
            (1.0, 0.0, 28.74e-3),
            (0.0, 1.0, 24.96e-3),
            (3.0, 1.0, 42.39e-3 + 2 * 28.74e-3),
            (1.0, 3.0, 42.39e-3 + 2 * 24.96e-3),
        ],
    )
    def test_energy(self, analog_s: float, digital_s: float, expected_j: float) -> None:
        assert MODEL.energy_j(analog_s, digital_s) == pytest.approx(expected_j)


class TestLayers:
    def test_a_linear_layer_is_a_convolution_of_its_tokens(self) -> None:
        fc = convolutional_workload().layer("fc")
        assert shape_of(fc) == Shape(
            channels_in=24,
            channels_out=40,
            groups=1,
            kernel_x=1,
            kernel_y=1,
            out_x=1,
            out_y=1,
        )
        tokens = replace(fc, input_shapes=((1, 7, 24),), output_shape=(1, 7, 40), macs=7 * fc.macs)
        shape = shape_of(tokens)
        assert shape is not None
        assert (shape.out_x, shape.channels_in) == (7, 24)

    def test_shapes_of_convolutions(self) -> None:
        """The first spatial axis is `x`; what has one axis has one row."""
        image = Layer(
            name="conv",
            kind="grouped_conv2d",
            module="conv",
            inputs=(INPUT,),
            input_shapes=((1, 6, 12, 14),),
            output_shape=(1, 8, 5, 7),
            groups=2,
            kernel=(3, 4),
        )
        assert shape_of(image) == Shape(
            channels_in=6, channels_out=8, groups=2, kernel_x=3, kernel_y=4, out_x=5, out_y=7
        )
        line = replace(
            image,
            kind="conv1d",
            input_shapes=((1, 6, 12),),
            output_shape=(1, 8, 5),
            groups=1,
            kernel=(3,),
        )
        assert shape_of(line) == Shape(
            channels_in=6, channels_out=8, groups=1, kernel_x=3, kernel_y=1, out_x=5, out_y=1
        )
        volume = replace(
            image,
            kind="conv3d",
            input_shapes=((1, 6, 12, 14, 9),),
            output_shape=(1, 8, 5, 7, 3),
            groups=1,
            kernel=(3, 4, 2),
        )
        assert shape_of(volume) == Shape(
            channels_in=6, channels_out=8, groups=1, kernel_x=3, kernel_y=8, out_x=5, out_y=21
        )
        stretched = replace(image, kind="conv_transpose2d", groups=1)
        assert shape_of(stretched) == shape_of(replace(image, groups=1))

    @pytest.mark.parametrize(
        ("channels_out", "channels_in", "pixels_at_once"),
        [
            (64, 64, 4),  # (4 + 2) x 64 x 3 = 1152 rows: exactly all
            (64, 65, 2),
            (128, 64, 4),  # 4 x 128 = 512 columns: exactly all
            (129, 64, 2),
            (512, 64, 1),
        ],
    )
    def test_windows_that_just_fit(
        self, channels_out: int, channels_in: int, pixels_at_once: int
    ) -> None:
        shape = Shape(
            channels_in=channels_in,
            channels_out=channels_out,
            groups=1,
            kernel_x=3,
            kernel_y=3,
            out_x=8,
            out_y=8,
        )
        assert MODEL.analog_cycles(shape)[0] == pytest.approx(64 / pixels_at_once * 18.2)

    def test_one_layer_on_the_array(self) -> None:
        """A 3x3 convolution from 4 to 4 channels on 6x6 pixels, four at once: 9 products, 36 rows."""
        workload = network(convolution("conv"), operator("add", "add", "conv", INPUT))
        [conv, add] = MODEL.cost(workload, Mapping.of({"conv": "analog"})).layers
        mvm_s, load_s = 9 * 18.2 / CLOCK_HZ, 8 * 36 / CLOCK_HZ
        assert conv.components == {
            "mvm": (pytest.approx(mvm_s), pytest.approx(mvm_s * 28.74e-3)),
            "weights": (pytest.approx(load_s), pytest.approx(load_s * 28.74e-3)),
        }
        move_s = (2 * 144 + 144) / 8 / CLOCK_HZ
        assert add.components == {"move": (pytest.approx(move_s), pytest.approx(move_s * 24.96e-3))}
        digital = MODEL.cost(workload, Mapping.of({"conv": "digital"}))
        compute_s = (1 * 4 * 1 * 6 * 9 + 36 * 8 / 8) / CLOCK_HZ
        assert digital.layers[0].components == {
            "compute": (pytest.approx(compute_s), pytest.approx(compute_s * 24.96e-3))
        }
        assert digital.tiles == {"analog": 0}

    def test_a_network_is_the_sum_of_its_layers(self) -> None:
        workload = convolutional_workload()
        space = Space(workload=workload, system=MODEL.system)
        cost = MODEL.cost(workload, space.all_digital)
        products = [
            MODEL.digital_cycles(shape) for shape in map(shape_of, workload.layers) if shape
        ]
        moved = [workload.layer(name) for name in ("add", "pool")]  # relu1 is part of conv1
        moves = [(layer.input_count + layer.output_count) / 8 for layer in moved]
        expected_s = (sum(products) + sum(moves)) / CLOCK_HZ
        assert cost.latency_s == pytest.approx(expected_s)
        assert cost.energy_j == pytest.approx(expected_s * 24.96e-3)

    def test_tables_equal_the_cost(self) -> None:
        workload = convolutional_workload()
        space = Space(workload=workload, system=MODEL.system)
        rng = np.random.default_rng(0)
        mappings = [random_mapping(space, rng) for _ in range(16)]
        tables = MODEL.tables(workload)
        latency_s, energy_j = tables.cost_batch(tables.encode(mappings))
        costs = [MODEL.cost(workload, mapping) for mapping in mappings]
        np.testing.assert_allclose(latency_s, [cost.latency_s for cost in costs], rtol=1e-12)
        np.testing.assert_allclose(energy_j, [cost.energy_j for cost in costs], rtol=1e-12)

    @pytest.mark.parametrize(
        ("kind", "n_operations"), [("softmax", 5), ("gelu", 1), ("local_response_norm", 10)]
    )
    def test_functions_run_on_the_core(self, kind: str, n_operations: int) -> None:
        [layer] = MODEL.cost(network(operator("x", kind)), Mapping.of({})).layers
        time_s = n_operations * 144 * 9.57 / CLOCK_HZ
        assert layer.components == {
            "core": (pytest.approx(time_s), pytest.approx(time_s * 24.96e-3))
        }

    def test_an_operator_that_nobody_knows_is_refused(self) -> None:
        with pytest.raises(InputError, match="layer 'x': unknown operator 'no_such_kind'"):
            MODEL.cost(network(operator("x", "no_such_kind")), Mapping.of({}))

    def test_products_that_the_formulas_do_not_cover_are_no_moves(self) -> None:
        workload = network(operator("x", "bilinear", macs=1000))
        with pytest.raises(InputError, match="no published cost of 'bilinear'"):
            MODEL.cost(workload, Mapping.of({}))

"""Arrays and converters against published numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lionheart_opt.hardware.arrays import (
    Array,
    Geometry,
    adc_area_m2,
    adc_energy_j,
    adc_time_s,
    change,
)

HERMES = Geometry(rows=256, columns=256, input_bits=8, output_bits=8, columns_per_converter=1)
PULSES = Array(
    source="Khaddam-Aljameh et al. 2022",
    converters="pulse width",
    input_bits=8,
    output_bits=8,
    area_m2=1.008 / 1.59 * 1e-6,
    converter_share=0.84,
    row_share=0.33,
    column_share=0.52,
)
SAR = PULSES.model_copy(update={"converters": "sar"})


def test_time_of_zigzag_imc() -> None:
    """It has 21 ns for 256 rows and 61 ns for 1,024, the adders behind the converters included."""
    adders_s = 21e-9 - adc_time_s(8, 256)
    assert 0 < adders_s < 3e-9
    assert adc_time_s(8, 1024) + adders_s == pytest.approx(61e-9, rel=0.01)


def test_energy_of_zigzag_imc() -> None:
    """It has 0.064 to 0.234 pJ/MAC for 4 to 10 bits.

    That is with weights of 4 bits, 8 cycles of 1-bit inputs, and 256 rows.
    """

    def of_converters(bits: int) -> float:
        return 4 * 8 * adc_energy_j(bits) / 256

    rest_j = 0.064e-12 - of_converters(4)
    assert 0 < rest_j < 0.03e-12
    assert of_converters(10) + rest_j == pytest.approx(0.234e-12, rel=0.02)


@pytest.mark.parametrize("array", [PULSES, SAR])
def test_the_stated_array_is_met_exactly(array: Array) -> None:
    same = change(array, HERMES, HERMES)
    assert all(factor == pytest.approx(1.0) for factor in vars(same).values())


def test_pulses_and_counts_double_with_each_bit() -> None:
    """HERMES: 1 ns a step of the pulse, so that 8 bits take 128 ns and 4 bits 8 ns."""
    fewer = change(PULSES, HERMES, replace(HERMES, input_bits=4, output_bits=4))
    assert fewer.time * 128e-9 == pytest.approx(8e-9)
    # the count of the outputs is as long as the pulse
    assert change(PULSES, HERMES, replace(HERMES, input_bits=4)).time == 1.0
    assert change(PULSES, HERMES, replace(HERMES, output_bits=9)).time == 2.0


def test_a_shared_converter_is_smaller_and_slower() -> None:
    shared = replace(HERMES, columns_per_converter=4)
    for array in (PULSES, SAR):
        factors = change(array, HERMES, shared)
        assert factors.time == 4.0 and factors.area == pytest.approx(0.84 / 4 + 0.16)
    assert change(SAR, HERMES, shared).product_energy == pytest.approx(1.0)
    assert change(PULSES, HERMES, shared).product_energy > 1.0  # inputs are applied four times


def test_area_of_the_512_array_of_the_same_technology() -> None:
    """IBM's 512x512 tile at 14 nm has 13.1 TOPS and 10.9 TOPS/mm2: 1.2 mm2. Ours is a fifth too large."""
    larger = change(PULSES, HERMES, replace(HERMES, rows=512, columns=512))
    assert PULSES.area_m2 is not None
    area_mm2 = PULSES.area_m2 * 1e6 * larger.area
    assert area_mm2 == pytest.approx(13.1 / 10.9, rel=0.25)
    assert 256 * adc_area_m2(8) / PULSES.area_m2 == pytest.approx(0.84, abs=0.005)


def test_rows_cost_time_where_converters_wait_for_the_column() -> None:
    taller = change(SAR, HERMES, replace(HERMES, rows=1024))
    assert taller.time == pytest.approx(adc_time_s(8, 1024) / adc_time_s(8, 256))
    assert change(PULSES, HERMES, replace(HERMES, rows=1024)).time == 1.0
    # a taller array needs fewer conversions for each MAC
    assert taller.product_energy < 4.0

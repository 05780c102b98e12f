"""The arrays of an analog target and their converters, and what another array would take.

A system file states time, energy and area of a product for one array: that of its source. Another array
is scaled from there, so that the stated point is met exactly. What time, energy and area depend on is
taken from published models:

- `sar`: P. Houshmand et al., "Benchmarking and modeling of analog and digital SRAM in-memory computing
  architectures" (arXiv 2305.18335), as in ZigZag-IMC. The converter of a column with b bits on r rows
  takes b (0.00653 r + 0.640) ns, (100 b + 0.001 4^b) fF V^2 and 10^(1.206 - 0.0369 b) 2^b um^2 at 28 nm;
  that of a row takes 50 b fF V^2.
- `pulse width`: the HERMES cores (Khaddam-Aljameh et al., JSSC 57(4), 2022; Le Gallo et al., Nature
  Electronics 2023). An input of b bits is a pulse of up to 2^(b-1) steps, while an oscillator counts up
  to 2^b levels at every column. Rows, cells and columns draw current for that time. Areas are as for
  `sar`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

#: Supply of the 28 nm technology in which ZigZag-IMC's constants were extracted.
SUPPLY_V = 0.9


class Array(BaseModel):
    """`array` of an analog target: its converters and areas, for the array whose numbers the file states.

    Attributes:
        source: Where its numbers come from.
        converters: How inputs and outputs are converted.
        input_bits: Resolution of an input, which the oracle simulates.
        output_bits: Resolution of an output, which the oracle simulates.
        columns_per_converter: Columns that take turns at one output converter.
        row_share: Share of a product's energy that rows take.
        column_share: Share that columns take. The rest is the cells'.
        area_m2: Area of an array with its converters; None where it is not known.
        converter_share: Share of that area that output converters take. The rest is the cells'.
        beside_m2: Area of what comes with each array, such as cores and memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    source: str = Field(min_length=1)
    converters: Literal["sar", "pulse width"]
    input_bits: float = Field(ge=1, le=16)
    output_bits: float = Field(ge=1, le=16)
    columns_per_converter: int = Field(default=1, ge=1)
    row_share: float = Field(default=0.0, ge=0, le=1)
    column_share: float = Field(default=0.0, ge=0, le=1)
    area_m2: float | None = Field(default=None, gt=0)
    converter_share: float = Field(default=0.0, ge=0, le=1)
    beside_m2: float = Field(default=0.0, ge=0)


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What can be chosen of an array.

    Args:
        rows: Rows of cells.
        columns: Columns of cells.
        input_bits: Resolution of an input.
        output_bits: Resolution of an output.
        columns_per_converter: Columns that take turns at one output converter.
    """

    rows: int
    columns: int
    input_bits: float
    output_bits: float
    columns_per_converter: int


@dataclass(frozen=True, kw_only=True)
class ArrayChange:
    """What a product takes on another array, as factors.

    Args:
        time: Factor on the time of a product.
        row_energy: Factor on the energy of one row.
        column_energy: Factor on the energy of one column.
        cell_energy: Factor on the energy of one cell.
        cells: Factor on the number of cells.
        area: Factor on the area of the array with its converters.
        product_energy: Factor on the energy of a product of the whole array.
    """

    time: float
    row_energy: float
    column_energy: float
    cell_energy: float
    cells: float
    area: float
    product_energy: float


def change(array: Array, stated: Geometry, wanted: Geometry) -> ArrayChange:
    """Factors from the array that a file states to another one with converters of the same kind.

    Args:
        array: What the file says of the array.
        stated: The array whose numbers the file states.
        wanted: The other array.
    """
    turns = wanted.columns_per_converter / stated.columns_per_converter
    if array.converters == "sar":
        time = turns * adc_time_s(wanted.output_bits, wanted.rows)
        time /= adc_time_s(stated.output_bits, stated.rows)
        row = dac_energy_j(wanted.input_bits) / dac_energy_j(stated.input_bits)
        column = adc_energy_j(wanted.output_bits) / adc_energy_j(stated.output_bits)
        cell = 1.0
    else:
        pulse = 2.0 ** (wanted.input_bits - stated.input_bits)
        count = 2.0 ** (wanted.output_bits - stated.output_bits)
        one_turn = max(pulse, count)
        time = turns * one_turn
        row = cell = time  # inputs are applied in every turn
        column = one_turn
    rows, columns = wanted.rows / stated.rows, wanted.columns / stated.columns
    cell_share = 1.0 - array.row_share - array.column_share
    converters = adc_area_m2(wanted.output_bits) / adc_area_m2(stated.output_bits)
    return ArrayChange(
        time=time,
        row_energy=row,
        column_energy=column,
        cell_energy=cell,
        cells=rows * columns,
        area=array.converter_share * columns * converters / turns
        + (1.0 - array.converter_share) * rows * columns,
        product_energy=array.row_share * rows * row
        + array.column_share * columns * column
        + cell_share * rows * columns * cell,
    )


def adc_time_s(bits: float, rows: int) -> float:
    """Time of an output converter on a column of so many rows (ZigZag-IMC)."""
    return bits * (0.00653e-9 * rows + 0.640e-9)


def adc_energy_j(bits: float, supply_v: float = SUPPLY_V) -> float:
    """Energy of one conversion of an output (ZigZag-IMC)."""
    per_v2: float = 100e-15 * bits + 0.001e-15 * 4.0**bits
    return per_v2 * supply_v**2


def dac_energy_j(bits: float, supply_v: float = SUPPLY_V) -> float:
    """Energy of one conversion of an input (ZigZag-IMC)."""
    per_v2: float = 50e-15 * bits
    return per_v2 * supply_v**2


def adc_area_m2(bits: float) -> float:
    """Area of one output converter at 28 nm (ZigZag-IMC)."""
    return float(10.0 ** (1.206 - 0.0369 * bits) * 2.0**bits * 1e-12)

"""The numbers of a block of a system file: plain ones, and those of which only an interval is known."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from lionheart_opt.toml_errors import first_problem

Parameters = TypeVar("Parameters", bound=BaseModel)
Scalar = bool | int | float | str
#: How far an eigenvalue of rounded correlations may lie below 0.
_ROUNDED = 1e-3


class Interval(BaseModel):
    """Where a constant lies with a confidence of 95 %.

    Attributes:
        low: Lower end, above 0.
        high: Upper end.
        source: Where the constant and its interval come from; None is the source of the block.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    low: float = Field(gt=0)
    high: float = Field(gt=0)
    source: str | None = Field(default=None, min_length=1)


class Uncertainty(BaseModel):
    """`[uncertainty]`: what is known of the constants of a system together, and what they leave open.

    Attributes:
        source: Where its numbers come from.
        latency_factor: What no constant explains of the time of digital products, of other digital work,
            and of analog products: with a confidence of 95 %, each is longer or shorter by at most this
            factor. None if not known.
        energy_factor: The same for energy.
        constants: Constants whose errors depend on each other, such as `software.simple_cycles`, or
            `targets.cores.mac_energy_j`. All others are independent.
        correlations: Correlations of the logarithms of these constants, one row for each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    source: str = Field(min_length=1)
    latency_factor: float | None = Field(default=None, ge=1)
    energy_factor: float | None = Field(default=None, ge=1)
    constants: tuple[str, ...] = Field(default=(), strict=False)
    correlations: tuple[Annotated[tuple[float, ...], Strict(False)], ...] = Field(
        default=(), strict=False
    )

    @model_validator(mode="after")
    def _is_a_correlation(self) -> Uncertainty:
        size = len(self.constants)
        if len(set(self.constants)) < size:
            raise ValueError("constants: a name is there more than once")
        if [len(row) for row in self.correlations] != [size] * size:
            raise ValueError(f"correlations: must have {size} rows of {size} numbers")
        matrix = np.array(self.correlations).reshape(size, size)
        if not (np.allclose(matrix, matrix.T) and np.allclose(np.diag(matrix), 1.0)):
            raise ValueError("correlations: must be symmetric, with 1 on the diagonal")
        if size and np.linalg.eigvalsh(matrix)[0] < -_ROUNDED:
            raise ValueError(
                "correlations: no errors are related like that (not positive semi-definite)"
            )
        return self


class _UncertainConstant(Interval):
    """A constant as a table of the system file: its value and its interval."""

    value: int | float

    @model_validator(mode="after")
    def _lies_within(self) -> _UncertainConstant:
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"got low = {self.low:g}, value = {self.value:g}, high = {self.high:g}; "
                "must not decrease in this order"
            )
        return self


class Block(BaseModel):
    """A TOML block: known keys, a source, and the finite numbers that its cost model reads.

    A number is plain, or a table `{ value = ..., low = ..., high = ..., source = "..." }`.

    Attributes:
        source: Where its numbers come from.
        parameters: The numbers that the cost model of the system's family reads.
        intervals: Parameter -> where it lies with a confidence of 95 %. Of the others, nothing is said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    source: str = Field(min_length=1)
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    intervals: dict[str, Interval] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather_parameters(cls, data: Any) -> Any:
        """Keys that are not the block's own are parameters of the system family."""
        if not isinstance(data, dict) or "parameters" in data:
            return data
        block = {key: value for key, value in data.items() if key in cls.model_fields}
        parameters, intervals = {}, {}
        for key, number in data.items():
            if key in block:
                continue
            parameters[key] = number
            if isinstance(number, dict):
                constant = _uncertain(key, number)
                parameters[key] = constant.value
                intervals[key] = Interval(
                    low=constant.low, high=constant.high, source=constant.source
                )
        return block | {"parameters": parameters, "intervals": intervals}

    def parse(self, kind: type[Parameters], where: str) -> Parameters:
        """The parameters as the pydantic model that a cost model declares for such a block.

        Args:
            kind: The pydantic model.
            where: What errors call the block.

        Raises:
            InputError: A key is missing, unknown, or of the wrong type or range.
        """
        try:
            return kind.model_validate(self.parameters)
        except ValidationError as error:
            raise first_problem(error, where, kind, self.parameters) from error


def _uncertain(key: str, table: dict[str, Any]) -> _UncertainConstant:
    try:
        return _UncertainConstant.model_validate(table)
    except ValidationError as error:
        raise first_problem(error, key, _UncertainConstant, table) from error

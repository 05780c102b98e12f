"""The numbers of a block of a system file: plain ones, and those of which only an interval is known."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lionheart_opt.toml_errors import first_problem

Parameters = TypeVar("Parameters", bound=BaseModel)
Scalar = bool | int | float | str


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

"""What all families demand of the numbers in a block of a system file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from lionheart_opt.text import shown

#: Sizes of numbers beyond which products and quotients would overflow.
_LEAST, _MOST = 1e-60, 1e60


class Parameters(BaseModel):
    """Base of the parameters of a block: known keys only, finite numbers, no conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _has_a_possible_size(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and value and not _LEAST <= abs(value) <= _MOST:
            raise ValueError(
                f"got {shown(value)}; must be 0, or between {_LEAST:g} and {_MOST:g} in size"
            )
        return value

"""Crossbars that are reprogrammed during an inference: what a system says, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


class Reprogramming(BaseModel):
    """`[targets.NAME.reprogramming]`: a mapping may need more crossbars than the target has.

    Attributes:
        source: Where its numbers come from.
        crossbar_s: Time that programming a crossbar takes. Crossbars are programmed one after the other.
        crossbar_j: Energy that programming a crossbar takes.
        endurance_writes: How often a crossbar can be programmed; None where that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    source: str = Field(min_length=1)
    crossbar_s: float = Field(ge=0, le=1e60)
    crossbar_j: float = Field(ge=0, le=1e60)
    endurance_writes: float | None = Field(default=None, ge=1, le=1e60)


@dataclass(frozen=True, kw_only=True)
class Rewriting:
    """What a mapping reprograms on a target.

    Args:
        needed: Crossbars that would hold all its matrices at the same time.
        rewritten: How many crossbars each inference programs, or each batch of them.
        lifetime_inferences: Number of inferences until the endurance of a crossbar is spent; None where
            the endurance is not known.
    """

    needed: int
    rewritten: int
    lifetime_inferences: float | None = None

"""Questions that a strategy may put to an oracle beside accuracy, and their answers.

A strategy asks with `Problem.ask`. The search keeps the answer in its record, so that a resumed search
reads it there, and charges the seconds to its budget.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from lionheart_opt.digest import digest


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question; its fields are plain data."""

    what: ClassVar[str]

    @property
    def digest(self) -> str:
        """The same for equal questions."""
        return digest([type(self).__name__, asdict(self)])


@dataclass(frozen=True, kw_only=True)
class Proxies(Question):
    """Cheap predictors of each unit's sensitivity, from the pretrained network alone.

    The answer: name of the proxy -> unit -> value.

    Args:
        units: names of units.
    """

    what: ClassVar[str] = "proxies of sensitivity"

    units: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LearnedShares(Question):
    """How much of each unit a training puts on its analog target that minimises loss and cost at once.

    The loss is the cross entropy plus `strength` times the expected cost; a unit's result is the mean
    of its digital and its analog one, weighted by shares that are learned with the weights.

    The answer: `share` -> unit -> share of the analog target, in [0, 1].

    Args:
        prices: unit -> cost on the host, cost on the analog target.
        pairs: two units, and what they cost together beyond that: both digital, only the second
            analog, only the first, both.
        strength: of the cost in the loss.
    """

    what: ClassVar[str] = "learned shares"

    prices: dict[str, tuple[float, float]]
    pairs: tuple[tuple[str, str, float, float, float, float], ...] = ()
    strength: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Answer:
    """An answer.

    Args:
        values: Name of a quantity -> unit -> value.
        oracle_s: Seconds that finding it took, even if it was known already.
    """

    values: dict[str, dict[str, float]]
    oracle_s: float

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} of {len(units)} units" for name, units in self.values.items())
        return f"Answer({sizes}; {self.oracle_s:.3g} oracle seconds)"

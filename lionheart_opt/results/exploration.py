"""What an exploration of systems found: one row a design, and the frontier of designs."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.cost import COST_OBJECTIVES, CostObjective
from lionheart_opt.estimates import ends_of
from lionheart_opt.evaluation import non_dominated
from lionheart_opt.hardware.constants import Scalar
from lionheart_opt.hardware.design_space import EXPLORE_OBJECTIVES, ExploreObjective

if TYPE_CHECKING:
    import pandas

#: Numbers of a design, in the order of the data frame; the ends of intervals of 95 % are last.
NUMBERS = (
    *(*EXPLORE_OBJECTIVES, "tops_per_mm2", "analog_mac_ratio", "drop", "drop_high"),
    *(end for name in (*COST_OBJECTIVES, "tops_per_mm2") for end in ends_of(name)),
)


@dataclass(frozen=True, kw_only=True)
class Design:
    """A system with chosen numbers, and its best mapping.

    Args:
        trial: Number of the trial in the Optuna study.
        numbers: Dotted name -> chosen value.
        cheapest: What the mapping costs least of.
        mapping: Unit -> target; None where no mapping fits or keeps the limits.
        results: Name of `NUMBERS` -> value; None where it is not known.
        problem: Why there is no mapping; empty if there is.
        budget_spent: Whether the study's budget was spent in the search for the mapping, so that a better
            one may exist.
    """

    trial: int
    numbers: dict[str, Scalar]
    cheapest: CostObjective
    mapping: dict[str, str] | None
    results: dict[str, float | None]
    problem: str = ""
    budget_spent: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "trial": self.trial,
            "numbers": self.numbers,
            "cheapest": self.cheapest,
            "mapping": self.mapping,
            **{name: self.results.get(name) for name in NUMBERS},
            "problem": self.problem,
            "budget_spent": self.budget_spent,
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class Exploration:
    """Designs of a system for one network.

    Args:
        model: Name of the network.
        system: Name of the system.
        objectives: What was minimised.
        designs: What was tried, in order.
    """

    model: str
    system: str
    objectives: tuple[ExploreObjective, ...]
    designs: tuple[Design, ...]

    @property
    def front(self) -> tuple[Design, ...]:
        """The designs that no other one dominates, by the first objective."""
        possible = [design for design in self.designs if design.mapping is not None]
        points = [[design.results[name] for name in self.objectives] for design in possible]
        shape = len(possible), len(self.objectives)
        kept = non_dominated(np.array(points, dtype=float).reshape(shape))
        return tuple(possible[number] for number in kept)

    def to_frame(self) -> pandas.DataFrame:
        """One row a design.

        Columns: `trial`, one for each dotted name, `cheapest` (what the mapping costs least of),
        `latency_s`, `energy_j`, `interval_s`, `area_m2`, `tops_per_mm2`, `analog_mac_ratio`, `drop`,
        `drop_high` (missing without an oracle), the ends of the intervals of 95 % (`latency_low_s`,
        `latency_high_s`, ..., missing where nothing is known), `on_front`, `problem`,
        `budget_spent` (whether the search for the mapping spent the study's budget).
        """
        import pandas

        front = {design.trial for design in self.front}
        rows = [
            {
                "trial": design.trial,
                **design.numbers,
                "cheapest": design.cheapest,
                **{name: design.results.get(name) for name in NUMBERS},
                "on_front": design.trial in front,
                "problem": design.problem,
                "budget_spent": design.budget_spent,
            }
            for design in self.designs
        ]
        return pandas.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """As plain data; `front` has the numbers of trials."""
        return {
            "model": self.model,
            "system": self.system,
            "objectives": list(self.objectives),
            "designs": [design.to_json() for design in self.designs],
            "front": [design.trial for design in self.front],
        }

    def __repr__(self) -> str:
        return (
            f"Exploration({self.model!r} on {self.system!r}: {len(self.designs)} designs, "
            f"{len(self.front)} on the front of {', '.join(self.objectives)})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(index=False)}"

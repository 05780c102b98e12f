"""A mapping that is given, not searched for: the ends of the scale and rules of thumb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lionheart_opt.errors import unknown
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.strategy import Proposals


def _first_last_digital(problem: Problem) -> Mapping:
    units = problem.workload.units
    mapping = problem.all_analog
    for end in (units[0], units[-1]):
        mapping = mapping.move(end.name, problem.system.host)
    return mapping


#: Name -> what it means for a problem. `first-last-digital` is DIANA's rule, called FLMS in LionHeart
#: (section V): the first and the last unit in execution order on the host, the rest analog.
NAMED: dict[str, Callable[[Problem], Mapping]] = {
    "all-digital": lambda problem: problem.all_digital,
    "all-analog": lambda problem: problem.all_analog,
    "first-last-digital": _first_last_digital,
}


def named(problem: Problem, mapping: str | dict[str, str]) -> Mapping:
    """The mapping that a name of `NAMED` or a dictionary (unit -> target, rest on the host) means.

    Raises:
        InputError: no such name, unit or target, or the target cannot run the unit.
    """
    if isinstance(mapping, dict):
        return problem.mapping(mapping)
    check_name(mapping)
    return NAMED[mapping](problem)


def check_name(mapping: str | dict[str, str]) -> None:
    """Refuse a name that is not in `NAMED`.

    Raises:
        InputError: with the nearest names.
    """
    if isinstance(mapping, str) and mapping not in NAMED:
        raise unknown("mapping", mapping, NAMED)


@dataclass(frozen=True)
class Fixed:
    """Evaluates one given mapping.

    Args:
        mapping: a name of `NAMED`, or unit -> target with everything else on the host.
    """

    mapping: str | dict[str, str] = "first-last-digital"

    def __post_init__(self) -> None:
        check_name(self.mapping)

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """The one candidate, trained from the floating-point network; `rng` is not used."""
        yield [problem.pretrained(named(problem, self.mapping))]

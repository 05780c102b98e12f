"""A given mapping without a search: all-digital, all-analog, rules of thumb, or any other."""

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


#: Name -> the mapping that it stands for in a problem. `first-last-digital` is DIANA's rule, called FLMS
#: in LionHeart (IEEE TETC 2025, section V): the first and the last unit in execution order on the host,
#: the rest analog.
NAMED: dict[str, Callable[[Problem], Mapping]] = {
    "all-digital": lambda problem: problem.all_digital,
    "all-analog": lambda problem: problem.all_analog,
    "first-last-digital": _first_last_digital,
}


def named(problem: Problem, mapping: str | dict[str, str]) -> Mapping:
    """The mapping that is meant by a name of `NAMED`, or by unit -> target with the rest on the host.

    Raises:
        InputError: There is no such name, unit or target, or the target cannot run the unit.
    """
    if isinstance(mapping, dict):
        return problem.mapping(mapping)
    check_name(mapping)
    return NAMED[mapping](problem)


def check_name(mapping: str | dict[str, str]) -> None:
    """Refuse a name that is not in `NAMED`.

    Raises:
        InputError: The message lists the nearest names.
    """
    if isinstance(mapping, str) and mapping not in NAMED:
        raise unknown("mapping", mapping, NAMED)


@dataclass(frozen=True)
class Fixed:
    """Evaluates one given mapping.

    Args:
        mapping: `all-digital`, `all-analog`, `first-last-digital` (LionHeart, IEEE TETC 2025, section
            V), or unit -> target with everything else on the host.

    Raises:
        InputError: The name does not exist.
    """

    mapping: str | dict[str, str] = "first-last-digital"

    def __post_init__(self) -> None:
        check_name(self.mapping)

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """One candidate, trained from the floating-point network; `rng` is not used.

        Raises:
            InputError: The mapping does not fit the problem.
        """
        yield [problem.pretrained(named(problem, self.mapping))]

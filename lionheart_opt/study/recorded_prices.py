"""What mappings cost, read from a record: a cost model need not price them again if it is the same.

A trial keeps a seal: the digest of what it costs, of its candidate, and of all that decides costs: the
workload, the system, and the code of the cost model. If the seal is that of today, so are the costs.
Otherwise the tables of the cost model confirm them, where it has any: that is much faster than pricing.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from itertools import chain
from math import isclose
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import lionheart_opt
from lionheart_opt.cost import Totals
from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.study.sources import object_sources
from lionheart_opt.study.specification import differences, identity
from lionheart_opt.study.tabulated_prices import ROUNDING, TabulatedPrices

#: User attributes of a trial: its seal, and the totals that it seals.
SEAL = "priced"
TOTALS = ("latency_s", "energy_j", "interval_s", "tiles")
#: Folders of this package with code that prices; so do modules beside them.
PRICING = ("cost_models", "hardware", "fitting", "statistics", "aging")


class RecordedPrices:
    """Seals the costs that a record keeps, and tells by the seal whether they are still right.

    It does not keep the problem.

    Args:
        problem: The problem whose cost model prices.
    """

    def __init__(self, problem: Problem) -> None:
        self._capacities = problem.digital_cost.capacities
        self._deciding = _deciding(problem)
        self._tables: list[TabulatedPrices | None] = []  # made when the first seal is another one

    def attributes(self, evaluation: Evaluation) -> dict[str, Any]:
        """The totals and their seal, as user attributes of a trial."""
        totals = {name: getattr(evaluation.cost, name) for name in TOTALS}
        if self._deciding is None:
            return totals
        return totals | {SEAL: self._seal(evaluation.candidate, totals)}

    def totals(
        self, problem: Problem, candidate: Candidate, attributes: dict[str, Any]
    ) -> Totals | None:
        """The recorded totals of a trial; None where they must be priced again."""
        if self._deciding is not None and SEAL in attributes:
            totals: dict[str, Any] = {name: attributes.get(name) for name in TOTALS}
            if attributes[SEAL] == self._seal(candidate, totals):
                return Totals(**totals, capacities=self._capacities)
        if not self._tables:
            self._tables.append(TabulatedPrices.of(problem))
        [tables] = self._tables
        now = None if tables is None else tables.totals(candidate.mapping)
        latency_s, energy_j = float(attributes["latency_s"]), float(attributes["energy_j"])
        if (
            now is None
            or not isclose(now.latency_s, latency_s, rel_tol=ROUNDING)
            or not isclose(now.energy_j, energy_j, rel_tol=ROUNDING)
        ):
            return None
        return replace(now, latency_s=latency_s, energy_j=energy_j)

    def _seal(self, candidate: Candidate, totals: dict[str, Any]) -> str:
        return digest([self._deciding, candidate.digest, totals])


_PRICES: WeakKeyDictionary[Problem, RecordedPrices] = WeakKeyDictionary()


def recorded_prices(problem: Problem) -> RecordedPrices:
    """The seals of a problem, of which each has one object only."""
    prices = _PRICES.get(problem)
    if prices is None:
        prices = _PRICES[problem] = RecordedPrices(problem)
    return prices


def check_costs(where: str, evaluation: Evaluation, recorded: dict[str, float]) -> None:
    """Refuse costs and objectives that the cost model does not give.

    Args:
        where: What the message calls the trial.
        evaluation: The evaluation as it is now.
        recorded: `latency_s`, `energy_j`, and `objective NAME` for each objective.

    Raises:
        InputError: The message says what differs.
    """
    now = {
        **{f"objective {name}": value for name, value in evaluation.objectives.items()},
        "latency_s": evaluation.cost.latency_s,
        "energy_j": evaluation.cost.energy_j,
    }
    if any(not isclose(now[name], value, rel_tol=ROUNDING) for name, value in recorded.items()):
        lines = "; ".join(differences(recorded, {name: now[name] for name in recorded}))
        raise InputError(
            f"{where}: {lines}: the cost model "
            "has changed since the record was made; use its version or start a new study"
        )


def _deciding(problem: Problem) -> str | None:
    """Digest of all that decides costs; None where the code of the cost model is not known."""
    model = problem.cost_model
    module = type(model).__module__
    own = object_sources([model])
    if not own and module.partition(".")[0] != lionheart_opt.__name__:
        return None
    said = [problem.workload.digest, problem.system.digest, identity(model), own, _code()]
    return digest(said)


@cache
def _code() -> str:
    """Digest of the code of this package that prices: cost models and the nouns that they are made of."""
    content = hashlib.sha256()
    for file in pricing_files():
        content.update(file.read_bytes())
    return content.hexdigest()


def pricing_files() -> list[Path]:
    """The files of this package on which costs may depend."""
    package = Path(lionheart_opt.__file__).parent
    folders = [(package / name).rglob("*.py") for name in PRICING]
    return sorted([*package.glob("*.py"), *chain(*folders)])

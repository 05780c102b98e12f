"""The latest prices of mappings, kept: totals, costs by layer, and how well they are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from lionheart_opt.bulk_uncertainty import Shifts
from lionheart_opt.cost import Cost, CostModel, Totals
from lionheart_opt.estimates import Spread
from lionheart_opt.mapping import Mapping
from lionheart_opt.pricing import priced
from lionheart_opt.space import Space
from lionheart_opt.system import System
from lionheart_opt.uncertainty import ModelsAtEnds, models_at_ends
from lionheart_opt.workload import Workload

#: Costs that a problem keeps, of some 70 kB each, and totals, of some 3 kB each with their mappings.
PRICES_KEPT, TOTALS_KEPT = 256, 16_384
#: Cost models whose variants at the ends of intervals are kept: building them takes longer than pricing.
ENDS_KEPT = 4


class Prices:
    """The latest costs of a cost model: searches, records and tables ask for the same ones often.

    A problem that is made from another one (`dataclasses.replace`) shares its prices.
    """

    def __init__(self) -> None:
        self._cost = lru_cache(PRICES_KEPT)(self._priced)
        self._totals = lru_cache(TOTALS_KEPT)(self._summed)
        self._ends = lru_cache(ENDS_KEPT)(_models_at_ends)
        self._shifts = lru_cache(ENDS_KEPT)(self._shifts_of)

    def cost(
        self, cost_model: CostModel, system: System, workload: Workload, mapping: Mapping
    ) -> Cost:
        """As `priced`; it can say how well it is known."""
        return self._cost(_Itself(cost_model), _Itself(system), _Itself(workload), mapping)

    def totals(
        self, cost_model: CostModel, system: System, workload: Workload, mapping: Mapping
    ) -> Totals:
        """The totals of `cost`."""
        return self._totals(_Itself(cost_model), _Itself(system), _Itself(workload), mapping)

    def shifts(self, cost_model: CostModel, system: System, workload: Workload) -> Shifts | None:
        """How costs of many mappings move; None where that is not known."""
        return self._shifts(_Itself(cost_model), _Itself(system), _Itself(workload))

    def _priced(
        self, cost_model: _Itself, system: _Itself, workload: _Itself, mapping: Mapping
    ) -> Cost:
        cost = priced(cost_model.thing, system.thing, workload.thing, mapping)
        known = partial(self._spread, cost_model, system, workload, mapping)
        return replace(cost, find_spread=known)

    def _spread(
        self, cost_model: _Itself, system: _Itself, workload: _Itself, mapping: Mapping
    ) -> Spread | None:
        ends = self._ends(cost_model, system)
        return None if ends is None else ends.spread(workload.thing, mapping)

    def _shifts_of(self, cost_model: _Itself, system: _Itself, workload: _Itself) -> Shifts | None:
        ends = self._ends(cost_model, system)
        if ends is None or not ends.errors:
            return None
        return Shifts(ends, Space(workload=workload.thing, system=system.thing))

    def _summed(
        self, cost_model: _Itself, system: _Itself, workload: _Itself, mapping: Mapping
    ) -> Totals:
        return self._cost(cost_model, system, workload, mapping).totals

    def __repr__(self) -> str:
        return f"Prices({self._totals.cache_info().currsize} mappings)"

    def __reduce__(self) -> tuple[type[Prices], tuple[()]]:
        return Prices, ()  # another process prices for itself


@dataclass(frozen=True, eq=False)
class _Itself:
    """An object that equals only itself, whatever its class says, and can be hashed."""

    thing: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


def _models_at_ends(cost_model: _Itself, system: _Itself) -> ModelsAtEnds | None:
    return models_at_ends(cost_model.thing, system.thing)

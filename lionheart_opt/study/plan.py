"""What a search is to do: its strategy, its seed, and when it stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from lionheart_opt import plugins
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.specification import identity, plain, reference
from lionheart_opt.text import shown

if TYPE_CHECKING:
    from lionheart_opt.study.schema import BudgetTable, RunTable


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a search stops: whichever comes first; None is no limit.

    All-digital, which every search compares its trials with, is not charged.

    Args:
        trials: Evaluations paid for (repeats are free).
        oracle_s: Seconds of oracle time, training included. The evaluation that passes the limit is
            still kept.

    Raises:
        InputError: A limit is negative.
    """

    trials: int | None = None
    oracle_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("trials", "oracle_s"):
            if isinstance(getattr(self, name), bool):
                raise InputError(f"{name}: got {getattr(self, name)}; must be a number")
        if self.trials is not None and not (isinstance(self.trials, Integral) and self.trials >= 0):
            raise InputError(f"trials: got {shown(self.trials)}; must be a whole number from 0 on")
        if self.oracle_s is not None and not (
            isinstance(self.oracle_s, Real) and self.oracle_s >= 0
        ):
            raise InputError(f"oracle_s: got {shown(self.oracle_s)}; must be seconds from 0 on")


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """A search that a study asks for.

    Args:
        label: What tables and plots call it.
        strategy: Name of a strategy, `module:attr`, or the strategy itself.
        arguments: Arguments of a strategy that is named.
        seed: Seed of the strategy's random generator.
        budget: When to stop.

    Raises:
        InputError: The strategy is neither a name nor an object with a method `search`; arguments are
            given for one that is not named; or the seed is not a whole number from 0 on.
    """

    label: str
    strategy: str | Strategy
    arguments: dict[str, Any]
    seed: int
    budget: Budget

    def __post_init__(self) -> None:
        strategy = self.strategy
        if isinstance(strategy, type):
            name = strategy.__name__
            raise InputError(f"strategy: got the class {name}; give an instance: {name}()")
        if not isinstance(strategy, str) and not callable(getattr(strategy, "search", None)):
            raise InputError(
                f"strategy: got {shown(strategy)}; must be a name, or an object with a method `search`"
            )
        if not isinstance(self.label, str) or not self.label or not self.label.isprintable():
            raise InputError(
                f"label: got {shown(self.label)}; must be a text without control characters"
            )
        if not isinstance(self.arguments, dict):
            raise InputError(
                f"{self.label}: arguments: got {shown(self.arguments)}; must be a dictionary"
            )
        if self.arguments and not isinstance(strategy, str):
            raise InputError(
                f"{self.label}: arguments: {', '.join(self.arguments)} given beside a strategy that is "
                "an object; they are for strategies that are named"
            )
        is_whole = isinstance(self.seed, Integral) and not isinstance(self.seed, bool)
        if not is_whole or not 0 <= self.seed < 2**63:
            raise InputError(
                f"{self.label}: seed: got {shown(self.seed)}; must be a whole number from 0 on"
            )

    @property
    def strategy_name(self) -> str:
        """Name of the strategy, or `module:class` of one that is given itself."""
        return self.strategy if isinstance(self.strategy, str) else reference(self.strategy)

    @property
    def name(self) -> str:
        """Name of the search: its Optuna study has the same."""
        return f"{self.label}/seed{self.seed}"

    @property
    def specification(self) -> dict[str, Any]:
        """What decides its results beside the problem; budgets do not."""
        if isinstance(self.strategy, str):
            what: dict[str, Any] = {"name": self.strategy, "arguments": plain(self.arguments)}
        else:
            what = identity(self.strategy)
        return {**what, "seed": int(self.seed)}

    def build(self, where: str) -> Strategy:
        """The strategy with its arguments.

        Args:
            where: What error messages call the place that names it.

        Raises:
            InputError: There is no such strategy or argument.
        """
        if not isinstance(self.strategy, str):
            return self.strategy
        strategy: Strategy = plugins.build("strategies", self.strategy, self.arguments, where)
        return strategy


def plans_of(run: RunTable, usual: BudgetTable) -> list[SearchPlan]:
    """The searches of a `[[run]]`: one for each seed.

    Args:
        run: The table.
        usual: The budget of a run that names none.
    """
    return [
        SearchPlan(
            label=run.name,
            strategy=run.strategy,
            arguments=run.arguments,
            seed=seed,
            budget=Budget(**(run.budget or usual).model_dump()),
        )
        for seed in run.seeds
    ]


def chosen(
    plans: Sequence[SearchPlan], only: Sequence[str], kind: str, where: str
) -> list[SearchPlan]:
    """The searches of these labels or names; all of them if there are none.

    Raises:
        InputError: There is no such search.
    """
    names = {plan.label for plan in plans} | {plan.name for plan in plans}
    for name in only:
        if not isinstance(name, str) or name not in names:
            raise unknown(kind, name, names, where)
    return [plan for plan in plans if not only or plan.label in only or plan.name in only]

"""Drive a strategy: replay the record, evaluate what is new, keep the budget."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.accuracy import Enumerates
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question
from lionheart_opt.strategy import Proposals, Strategy
from lionheart_opt.study.executors import Answers, Executor, in_process
from lionheart_opt.study.fence import LostClaim
from lionheart_opt.study.record import Record, Trial
from lionheart_opt.study.specification import identity, plain, reference
from lionheart_opt.text import shown

#: A strategy that proposes this many batches in a row without anything new has ended.
MAX_REPEATS = 1000

#: How a search ended: the strategy had nothing more to propose, the budget was spent, or the strategy
#: proposed nothing new for `MAX_REPEATS` batches.
Ending = Literal["finished", "budget", "repeats"]


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


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a search stands.

    Args:
        trials: Number of evaluations so far.
        oracle_s: Oracle seconds spent so far.
        state: What happens: the record is replayed, a candidate is evaluated, or has been.
        candidate: The candidate that is being evaluated.
        trial: The trial that has just been recorded.
    """

    trials: int
    oracle_s: float
    state: Literal["replaying", "evaluating", "answered"]
    candidate: Candidate | None = None
    trial: Trial | None = None


Watcher = Callable[[Progress], None]


class _BudgetSpent(Exception):
    """Ends a search whose strategy asks for more."""


class ReplayDiverged(InputError):
    """The strategy, run again, proposed something else than what the record holds."""


class Search:
    """One strategy with one seed on a problem, and its record.

    Running it again resumes it: the strategy's generator starts over and the record answers until it
    reaches new ground, so an interrupted run gives the trials of an uninterrupted one.

    Args:
        record: What has been evaluated so far; new evaluations are added.
        strategy: What proposes candidates.
        seed: Seed of the strategy's random generator.
        budget: When to stop.
        recommends: Whether a mapping is looked for, so that all-digital is measured, too, where it
            must be.
    """

    def __init__(
        self,
        record: Record,
        strategy: Strategy,
        seed: int = 0,
        budget: Budget | None = None,
        *,
        recommends: bool = True,
    ) -> None:
        self.record = record
        self.problem: Problem = record.problem
        self.strategy = strategy
        self.seed = seed
        self.budget = budget or Budget()
        self.recommends = recommends

    def __repr__(self) -> str:
        return (
            f"Search({self.record.name!r}: {self.strategy!r}, seed {self.seed}, {self.budget}, "
            f"{len(self.record)} trials recorded)"
        )

    def run(self, watch: Watcher = lambda _: None, workers: Executor | None = None) -> Ending:
        """Run or resume until the strategy ends or the budget is spent.

        Args:
            watch: Called with the progress whenever it changes.
            workers: Evaluate the candidates of a batch side by side. None evaluates them in this process,
                one after the other. The record is the same, up to seconds.

        Returns:
            How it ended, see `Ending`.

        Raises:
            ReplayDiverged: The strategy is not a function of its seed and answers.
            InputError: Another process is running this search or has taken it over, or the strategy
                yields something else than candidates.
        """
        with self.record.claimed():
            self.record.keeper.set_ended(False)
            rng = np.random.default_rng(self.seed)
            problem = replace(self.problem, answers=partial(self._ask, workers))
            if self.recommends:
                self._measure_all_digital(workers)
            with closing(self.strategy.search(problem, rng)) as proposals:
                ending = self._drive(proposals, watch, workers)
            self.record.keeper.set_ended(True)
            return ending

    def _measure_all_digital(self, workers: Executor | None) -> None:
        """Measure all-digital once, where the host does not compute in floating point.

        It is a candidate of every search, but no trial: the strategy does not see it, and it is not
        charged to the budget.
        """
        problem = self.problem
        if problem.forced or problem.is_digital_exact or self.record.keeper.digital() is not None:
            return
        if problem.breaks_cost_limits(problem.all_digital):
            return
        if not len(self.record) and self.spent():  # nothing may be spent at all
            return
        candidate = problem.pretrained(problem.all_digital)
        with closing(self._answers([candidate], workers, [])) as answers:
            try:
                evaluation = next(answers)
            except InputError:
                if isinstance(problem.oracle, Enumerates):  # a table that lacks it
                    return
                raise
        if evaluation.failed:
            raise RuntimeError(f"{self.record.name}: all-digital has failed: {evaluation.failed}")
        assert evaluation.accuracy is not None, "it keeps the cost limits"
        self.record.keeper.set_digital(candidate, evaluation.accuracy)

    def _drive(self, proposals: Proposals, watch: Watcher, workers: Executor | None) -> Ending:
        proposed: set[str] = set()
        is_replay = True
        repeats = answered = 0
        known = self.record.known()
        try:
            batch = self._batch(next(proposals))
            while True:
                new = {each.digest: each for each in batch if each.digest not in known}
                if is_replay:
                    proposed.update(each.digest for each in batch)
                if new:
                    repeats = 0
                    if is_replay:
                        self._check_replay(known, proposed)
                        is_replay = False
                    self._evaluate(list(new.values()), watch, workers)
                    answered += sum(each.digest in known for each in batch)
                    self.record.keeper.set_proposals(answered)
                    if any(digest not in known for digest in new):
                        return "budget"
                else:
                    answered += len(batch)
                    repeats += 1
                    if repeats > MAX_REPEATS:
                        return "repeats"
                    watch(self._progress("replaying"))
                batch = self._batch(proposals.send([known[each.digest] for each in batch]))
        except StopIteration:
            return "finished"
        except _BudgetSpent:
            return "budget"

    def _batch(self, proposed: object) -> list[Candidate]:
        """The candidates that the strategy has yielded."""
        batch = list(proposed) if isinstance(proposed, Iterable) else None
        if batch is None or not all(isinstance(each, Candidate) for each in batch):
            raise InputError(
                f"{type(self.strategy).__name__}: yielded {proposed!r:.100}; must be a list of "
                "candidates, such as [problem.pretrained(mapping)]"
            )
        return batch

    def _ask(self, workers: Executor | None, question: Question) -> Answer:
        """The strategy's question, answered from the record or paid for."""
        if self.record.answer(question) is None and self.spent():
            raise _BudgetSpent
        return self.record.ask(question, workers.ask if workers else None)

    def _check_replay(self, known: dict[str, Evaluation], proposed: set[str]) -> None:
        """New ground is reached only after everything recorded has been proposed again."""
        missing = [each for digest, each in known.items() if digest not in proposed]
        if missing:
            raise ReplayDiverged(
                f"study {self.record.name!r}: the record holds {len(missing)} trials that "
                f"{type(self.strategy).__name__} with seed {self.seed} did not propose again (first: "
                f"{missing[0].mapping.to_json()}). Its code or its libraries have changed, or it uses "
                "randomness other than the generator it is given; start a new study"
            )

    def _evaluate(self, new: Sequence[Candidate], watch: Watcher, workers: Executor | None) -> None:
        """Pay for new candidates in their order, until the budget is spent."""
        affordable = self.budget.trials and self.budget.trials - len(self.record)
        paid_for = [] if self.spent() else new[:affordable]
        unrecorded: list[Evaluation] = []
        try:
            with closing(self._answers(paid_for, workers, unrecorded)) as answers:
                for candidate in paid_for:
                    if self.spent():
                        return
                    watch(self._progress("evaluating", candidate=candidate))
                    unrecorded.append(next(answers))
                    trial = self.record.add(unrecorded[-1])
                    unrecorded.clear()
                    if failed := trial.evaluation.failed:
                        warnings.warn(
                            f"{self.record.name}: trial {trial.number} has failed: {failed}",
                            stacklevel=2,
                        )
                    watch(self._progress("answered", trial=trial))
        except LostClaim:
            raise
        except BaseException:
            self.record.keeper.set_aside(self.problem, unrecorded)
            raise

    def _answers(
        self, candidates: Sequence[Candidate], workers: Executor | None, left: list[Evaluation]
    ) -> Answers:
        def measure(new: Sequence[Candidate]) -> Answers:
            return workers.evaluate(new, left) if workers else in_process(self.problem, new)

        return self.record.answers(candidates, measure)

    def spent(self) -> bool:
        """Whether the budget is used up."""
        trials, oracle_s = self.budget.trials, self.budget.oracle_s
        return (trials is not None and len(self.record) >= trials) or (
            oracle_s is not None and self.record.oracle_s >= oracle_s
        )

    def _progress(
        self,
        state: Literal["replaying", "evaluating", "answered"],
        candidate: Candidate | None = None,
        trial: Trial | None = None,
    ) -> Progress:
        return Progress(
            trials=len(self.record),
            oracle_s=self.record.oracle_s,
            state=state,
            candidate=candidate,
            trial=trial,
        )

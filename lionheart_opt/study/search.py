"""Drive a strategy: replay the record, evaluate what is new, keep the budget."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from lionheart_opt.accuracy import Enumerates
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question
from lionheart_opt.signals import check_stopped, held_back
from lionheart_opt.strategy import Proposals, Strategy, as_batch, started
from lionheart_opt.study.executors import Answers, Executor, in_process
from lionheart_opt.study.fence import LostClaim
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record, Trial

#: A strategy that proposes this many batches in a row without anything new has ended.
MAX_REPEATS = 1000

#: How a search ended: the strategy had nothing more to propose, the budget was spent, or the strategy
#: proposed nothing new for `MAX_REPEATS` batches.
Ending = Literal["finished", "budget", "repeats"]


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
            with closing(started(self.strategy, problem, rng)) as proposals:
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
            batch = as_batch(self.strategy, next(proposals))
            while True:
                check_stopped()
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
                answers = [known[each.digest] for each in batch]
                batch = as_batch(self.strategy, proposals.send(answers))
        except StopIteration:
            return "finished"
        except _BudgetSpent:
            return "budget"

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
            with held_back():
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

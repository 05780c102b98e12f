"""Drive a strategy: replay the record, evaluate what is new, keep the budget, pick the incumbent."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question
from lionheart_opt.strategy import Proposals, Strategy
from lionheart_opt.study.record import DEAD_AFTER_S, Record, heartbeat, is_alive

#: A strategy that proposes this many batches in a row without anything new has ended.
MAX_REPEATS = 1000
#: Name of the user attribute of the Optuna study that counts the proposals answered, repeats included,
#: until the last new one: a strategy that has run dry repeats itself for ever.
PROPOSALS = "proposals"
POLL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a search stops: whichever comes first; None is no limit.

    Args:
        trials: evaluations paid for (repeats are free).
        oracle_s: seconds of oracle time, training included; the evaluation that passes the limit
            is still finished.
    """

    trials: int | None = None
    oracle_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a search stands: what the command line shows."""

    trials: int
    oracle_s: float
    state: Literal["replaying", "evaluating", "answered", "waiting"]
    candidate: Candidate | None = None
    evaluation: Evaluation | None = None


Watcher = Callable[[Progress], None]


class _BudgetSpent(Exception):
    """Ends a search whose strategy asks for more."""


class ReplayDiverged(RuntimeError):
    """The strategy, run again, proposed something else than what the record holds."""


class Search:
    """One search: a problem, a strategy and a seed, kept in a record.

    Running it again resumes it: the strategy's generator starts over and the record answers until it
    reaches new ground, so an interrupted run gives the trials of an uninterrupted one.
    """

    def __init__(self, record: Record, strategy: Strategy, seed: int, budget: Budget) -> None:
        self.record = record
        self.problem: Problem = record.problem
        self.strategy = strategy
        self.seed = seed
        self.budget = budget

    def run(self, watch: Watcher = lambda _: None) -> Literal["finished", "budget"]:
        """Run or resume until the strategy ends or the budget is spent.

        Args:
            watch: called with the progress whenever it changes.

        Returns:
            `finished` if the strategy had nothing more to propose, `budget` if the budget ended it.

        Raises:
            ReplayDiverged: the strategy is not a function of its seed and answers.
            InputError: another process is running this search.
        """
        with self._lease():
            self.record.heal()
            rng = np.random.default_rng(self.seed)
            search = self.strategy.search(replace(self.problem, knowledge=self._ask), rng)
            try:
                return self._drive(search, watch)
            finally:
                search.close()

    def _drive(self, search: Proposals, watch: Watcher) -> Literal["finished", "budget"]:
        proposed: set[str] = set()
        repeats = proposals = 0
        try:
            batch = list(next(search))
            while True:
                known = self.record.known()
                new = [candidate for candidate in batch if candidate.digest not in known]
                proposed.update(candidate.digest for candidate in batch)
                if new:
                    repeats = 0
                    self._check_replay(known, proposed)
                    within_budget = self._evaluate(new, watch)
                    known = self.record.known()
                    proposals += sum(candidate.digest in known for candidate in batch)
                    self.record.study.set_user_attr(PROPOSALS, proposals)
                    if not within_budget:
                        return "budget"
                else:
                    proposals += len(batch)
                    repeats += 1
                    if repeats > MAX_REPEATS:
                        return "finished"
                    watch(self._progress("replaying"))
                batch = list(search.send([known[candidate.digest] for candidate in batch]))
        except StopIteration:
            return "finished"
        except _BudgetSpent:
            return "budget"

    def _ask(self, question: Question) -> Answer:
        """The strategy's question, answered from the record or paid for."""
        if self.record.knowledge(question) is None and self.spent():
            raise _BudgetSpent
        return self.record.ask(question)

    def _check_replay(self, known: dict[str, Evaluation], proposed: set[str]) -> None:
        """New ground is reached only after everything recorded has been proposed again."""
        missing = [one for digest, one in known.items() if digest not in proposed]
        if missing:
            raise ReplayDiverged(
                f"study {self.record.study.study_name!r}: the record holds {len(missing)} trials that "
                f"{type(self.strategy).__name__} with seed {self.seed} did not propose again (first: "
                f"{missing[0].mapping.to_json()}). Its code or its libraries have changed, or it uses "
                "randomness other than the generator it is given; start a new study"
            )

    def _evaluate(self, new: Sequence[Candidate], watch: Watcher) -> bool:
        """Pay for new candidates, one after the other; False when the budget is spent first."""
        trials = self.budget.trials
        left = None if trials is None else trials - len(self.record.evaluations())
        self.problem.expect(new[:left])
        for candidate in new:
            if self.spent():
                return False
            self.record.enqueue([candidate])
            while candidate.digest not in self.record.known():
                worked = self.record.work(
                    lambda one: watch(self._progress("evaluating", candidate=one))
                )
                if not worked:
                    watch(self._progress("waiting"))
                    time.sleep(POLL_S)
                    self.record.heal()
                    self.record.enqueue([candidate])
            answer = self.record.known()[candidate.digest]
            watch(self._progress("answered", candidate=candidate, evaluation=answer))
        return True

    def spent(self) -> bool:
        """Whether the budget is used up."""
        trials, oracle_s = self.budget.trials, self.budget.oracle_s
        return (trials is not None and len(self.record.finished()) >= trials) or (
            oracle_s is not None and self.record.oracle_s >= oracle_s
        )

    def _progress(
        self,
        state: Literal["replaying", "evaluating", "answered", "waiting"],
        candidate: Candidate | None = None,
        evaluation: Evaluation | None = None,
    ) -> Progress:
        return Progress(
            trials=len(self.record.finished()),
            oracle_s=self.record.oracle_s,
            state=state,
            candidate=candidate,
            evaluation=evaluation,
        )

    @contextmanager
    def _lease(self) -> Iterator[None]:
        """One driver a search: a second one would propose everything twice."""
        study = self.record.study
        holder = study.user_attrs.get("driver")
        me = {"host": socket.gethostname(), "pid": os.getpid()}
        if holder is not None and (holder["host"], holder["pid"]) != (me["host"], me["pid"]):
            here = holder["host"] == me["host"]
            fresh = time.time() - holder["beat"] < DEAD_AFTER_S
            if (is_alive(holder["pid"]) and fresh) if here else fresh:
                raise InputError(
                    f"study {study.study_name!r} is being run by process {holder['pid']} on "
                    f"{holder['host']}; stop that one, or help it with `lionheart-opt worker`"
                )
        with heartbeat(lambda: study.set_user_attr("driver", {**me, "beat": time.time()})):
            yield
        study.set_user_attr("driver", None)

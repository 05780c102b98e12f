"""Progress of searches on the terminal, with the time left."""

from __future__ import annotations

import time
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from lionheart_opt.accuracy import AccuracyOracle, ReportsTraining
from lionheart_opt.metric import ACCURACY
from lionheart_opt.problem import Problem
from lionheart_opt.results.metrics import drop_of, gains
from lionheart_opt.results.report import short
from lionheart_opt.results.wording import console, seconds, times
from lionheart_opt.study.record import Trial
from lionheart_opt.study.search import Ending, Search, Watcher
from lionheart_opt.study.search import Progress as SearchProgress

#: Where output is piped, a training reports its progress at most this often.
QUIET_S = 60.0


class Live:
    """Progress bars, one a search, with the time left.

    Where output is piped, each answer is a plain line, and long trainings add one a minute.

    Args:
        oracle: The oracle of the searches; the progress of its trainings is shown, too.
    """

    def __init__(self, oracle: AccuracyOracle) -> None:
        self._oracle = oracle
        self._console = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[oracle]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[doing]}", style="dim", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = TaskID(0)
        self._name = ""
        self._said = time.monotonic()

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
        if isinstance(self._oracle, ReportsTraining):
            self._oracle.watch(_unheard)  # bars cannot travel to worker processes with the oracle

    def start(self, search: Search) -> Watcher:
        """A watcher of one search."""
        self._name = search.record.name
        self._task = self._progress.add_task(
            self._name, total=search.budget.trials, oracle="", left="", doing=""
        )
        problem, budget = search.problem, search.budget
        begun, already = time.monotonic(), len(search.record)
        if isinstance(self._oracle, ReportsTraining):
            self._oracle.watch(self._training)

        def left(trials: int, oracle_s: float) -> str:
            done = trials - already
            shares = [trials / budget.trials] if budget.trials else []
            shares += [oracle_s / budget.oracle_s] if budget.oracle_s else []
            if done < 1 or not shares:
                return ""
            spent = time.monotonic() - begun
            per_share = spent / max(max(shares) - max(shares) * already / trials, 1e-9)
            return f"{seconds(max(1 - max(shares), 0) * per_share)} left at most"

        def watch(now: SearchProgress) -> None:
            doing = "replaying the record" if now.state == "replaying" else ""
            if now.candidate is not None:
                doing = short(problem, now.candidate.mapping)
            self._progress.update(
                self._task,
                completed=now.trials,
                oracle=f"oracle {seconds(now.oracle_s)}",
                left=left(now.trials, now.oracle_s),
                doing=doing,
            )
            if now.trial is not None:
                self._answered(now.trial, problem)

        return watch

    def _training(self, text: str) -> None:
        self._progress.update(self._task, doing=text)
        if not self._console.is_terminal and time.monotonic() - self._said >= QUIET_S:
            self._said = time.monotonic()
            self._console.print(f"{self._name}: {text}", markup=False, soft_wrap=True)

    def _answered(self, trial: Trial, problem: Problem) -> None:
        if self._console.is_terminal:
            return
        evaluation = trial.evaluation
        speedup, _ = gains(problem, evaluation.cost)
        accuracy = evaluation.accuracy
        metric = ACCURACY if accuracy is None else accuracy.metric
        drop = f"drop {metric.said(drop_of(problem, evaluation))} {metric.drop_unit}"
        if accuracy is not None and accuracy.diverged:
            drop = accuracy.note
        self._console.print(
            f"{self._name} trial {trial.number}: {drop}, "
            f"{times(speedup)}, {'feasible' if evaluation.feasible else 'not feasible'}: "
            f"{short(problem, evaluation.mapping)}",
            markup=False,
            soft_wrap=True,
        )

    def ended(self, how: Ending) -> None:
        """The search has ended."""
        text = {
            "finished": "finished",
            "budget": "budget spent",
            "repeats": "finished: it proposed nothing new for a long time",
        }[how]
        self._progress.update(self._task, left="", doing=text)
        self._progress.stop_task(self._task)
        if not self._console.is_terminal:
            self._console.print(f"{self._name}: {text}", markup=False, soft_wrap=True)


def _unheard(text: str) -> None:
    """Shows nothing."""


class Silent:
    """Shows no progress."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def start(self, search: Search) -> Watcher:  # noqa: ARG002
        """As `Live.start`."""
        return lambda _: None

    def ended(self, how: Ending) -> None:  # noqa: ARG002
        """As `Live.ended`."""
        return

"""Progress of searches on the terminal, with the time left; and the loop of a worker."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from lionheart_opt.cli.tables import console, points, seconds, times
from lionheart_opt.results import metrics
from lionheart_opt.results.report import short

if TYPE_CHECKING:
    from lionheart_opt.accuracy import AccuracyOracle
    from lionheart_opt.study.file import StudyFile
    from lionheart_opt.study.search import Progress as SearchProgress
    from lionheart_opt.study.search import Search, Watcher
from lionheart_opt.accuracy import ReportsTraining

#: Where output is piped, a training says how far it is no more often than this.
QUIET_S = 60.0


class Watch:
    """Progress bars, one a search, with the time left.

    Where output is piped: a plain line an answer, and one a minute during long trainings.
    """

    def __init__(self, oracle: AccuracyOracle) -> None:
        self._oracle = oracle
        self._console = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[oracle]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[doing]}", style="dim"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = TaskID(0)
        self._name = ""
        self._said = time.monotonic()

    def __enter__(self) -> Watch:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def start(self, study: Search) -> Watcher:
        """A watcher of one search."""
        self._name = study.record.study.study_name
        self._task = self._progress.add_task(
            self._name, total=study.budget.trials, oracle="", left="", doing=""
        )
        problem, budget = study.problem, study.budget
        begun, already = time.monotonic(), len(study.record.finished())
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
            doing = {"waiting": "waiting for workers", "replaying": "replaying the record"}.get(
                now.state, ""
            )
            if now.state == "evaluating" and now.candidate is not None:
                doing = short(problem, now.candidate.mapping)
            self._progress.update(
                self._task,
                completed=now.trials,
                oracle=f"oracle {seconds(now.oracle_s)}",
                left=left(now.trials, now.oracle_s),
                doing=doing,
            )
            if now.state == "answered" and now.evaluation is not None and now.candidate is not None:
                self._answered(now, problem)

        return watch

    def _training(self, text: str) -> None:
        self._progress.update(self._task, doing=text)
        if not self._console.is_terminal and time.monotonic() - self._said >= QUIET_S:
            self._said = time.monotonic()
            self._console.print(f"{self._name}: {text}")

    def _answered(self, now: SearchProgress, problem: Any) -> None:
        evaluation = now.evaluation
        if evaluation is None or self._console.is_terminal:
            return
        speedup, _ = metrics.gains(problem, evaluation.cost)
        self._console.print(
            f"{self._name} trial {now.trials}: drop "
            f"{points(metrics.drop_of(problem, evaluation))} points, {times(speedup)}, "
            f"{'feasible' if evaluation.feasible else 'not feasible'}: "
            f"{short(problem, evaluation.mapping)}"
        )

    def ended(self, how: str) -> None:
        """The search has ended: `finished` or `budget`."""
        text = "budget spent" if how == "budget" else "finished"
        self._progress.update(self._task, left="", doing=text)
        self._progress.stop_task(self._task)
        if not self._console.is_terminal:
            self._console.print(f"{self._name}: {text}")


def work(file: StudyFile, poll_s: float = 1.0) -> int:
    """Evaluate queued trials of every search of the study until none is queued or running."""
    out = console(stderr=True)
    done = 0
    while True:
        pending = 0
        for _, _, record in file.records():
            while record.work(lambda one: out.print(short(file.problem, one.mapping))):
                done += 1
            pending += record.pending()
        if not pending:
            return done
        time.sleep(poll_s)

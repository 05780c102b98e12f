"""Progress of the searches of a study on the terminal, with the best so far and the time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.live import Live as Display
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lionheart_opt.accuracy import AccuracyOracle, ReportsTraining
from lionheart_opt.metric import ACCURACY
from lionheart_opt.problem import Problem
from lionheart_opt.results.metrics import drop_of
from lionheart_opt.results.overview import Overview, Standing
from lionheart_opt.results.report import short
from lionheart_opt.results.wording import console, seconds, times, times_within
from lionheart_opt.study.record import Trial
from lionheart_opt.study.search import Ending, Search, Watcher
from lionheart_opt.study.search import Progress as SearchProgress

#: Where output is piped, a training and the whole study report their progress at most this often.
QUIET_S = 60.0
#: Searches that the terminal shows at most.
MOST_ROWS = 12
#: Letters that a bar takes, and that a search's name keeps at least.
BAR_WIDTH, LEAST_NAME = 8, 12
#: Seconds between two changes of the terminal.
REFRESH_S = 0.25
#: How searches end, in words.
ENDINGS: dict[Ending, str] = {
    "finished": "finished",
    "budget": "budget spent",
    "repeats": "finished: it proposed nothing new for a long time",
}


class Live:
    """An overview of all searches: a row for each that runs or has ended, and a line for the study.

    Where output is piped, each answer is a plain line; of speed-ups, that of the best so far has an
    interval. Long trainings, and the whole study, add one a
    minute. Its methods may be called from several threads.

    Args:
        oracle: The oracle of the searches; the progress of its trainings is shown, too.
        names: Names of the searches, in their order.
        at_once: Searches that run at once.
    """

    def __init__(self, oracle: AccuracyOracle, names: Sequence[str] = (), at_once: int = 1) -> None:
        self._oracle = oracle
        self._console = console(stderr=True)
        self._lock = threading.RLock()
        self.overview = Overview(names=names, at_once=at_once)
        self._name = self._worker = ""
        self._begun = self._said = self._study_said = time.monotonic()
        self._display = Display(
            get_renderable=self._rows,
            console=self._console,
            refresh_per_second=1.0 / REFRESH_S,
            redirect_stdout=False,
        )

    def __enter__(self) -> Live:
        if self._console.is_terminal:
            self._display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._display.stop()
        if isinstance(self._oracle, ReportsTraining):
            self._oracle.watch(_unheard)  # bars cannot travel to worker processes with the oracle

    def start(self, search: Search, name: str) -> Watcher:
        """A watcher of one search."""
        problem = search.problem
        with self._lock:
            self._name = name
            standing = self.overview.start(name, search)
        if isinstance(self._oracle, ReportsTraining):
            self._oracle.watch(self._training)

        def watch(now: SearchProgress) -> None:
            with self._lock:
                standing.update(now.trials, now.oracle_s)
                if now.state == "replaying":
                    standing.doing = "replaying the record"
                if now.candidate is not None and self._console.is_terminal:
                    standing.doing = short(problem, now.candidate.mapping)
                if now.trial is not None:
                    self._worker = ""
                    standing.take(problem, [now.trial.evaluation])
                    self._answered(name, now.trial, problem)

        return watch

    def ended(self, name: str, how: Ending) -> None:
        """A search has ended."""
        with self._lock:
            self.overview.end(name, ENDINGS[how])
            if self._console.is_terminal:
                return
            best = _best(self.overview.standings[name])
            self._print(f"{name}: {ENDINGS[how]}{f'; best: {best}' if best else ''}")
            if len(self.overview.standings) > 1:
                self._print(self.overview.text)

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def heard(self, text: str) -> None:
        """A worker says how far a training is; a terminal shows it until a candidate is answered."""
        with self._lock:
            self._worker = f"a worker: {text}"
            self._say_now_and_then(self._worker)

    def _training(self, text: str) -> None:
        with self._lock:
            self.overview.standings[self._name].doing = text
            self._say_now_and_then(f"{self._name}: {text}")

    def _say_now_and_then(self, text: str) -> None:
        """Where output is piped."""
        if not self._console.is_terminal and time.monotonic() - self._said >= QUIET_S:
            self._said = time.monotonic()
            self._print(text)

    def _answered(self, name: str, trial: Trial, problem: Problem) -> None:
        if self._console.is_terminal:
            return
        evaluation, standing = trial.evaluation, self.overview.standings[name]
        speedup, state = times(problem.gains(evaluation.cost)[0]), "not feasible"
        if evaluation.feasible:
            state = "feasible"
        if evaluation is standing.best:
            speedup, state = _best(standing), "feasible, the best so far"
        accuracy = evaluation.accuracy
        metric = ACCURACY if accuracy is None else accuracy.metric
        drop = f"drop {metric.said(drop_of(problem, evaluation))} {metric.drop_unit}"
        if accuracy is not None and accuracy.diverged:
            drop = accuracy.note
        self._print(
            f"{name} trial {trial.number}: {drop}, "
            f"{speedup}, {state}: {short(problem, evaluation.mapping)}"
        )
        if time.monotonic() - self._study_said >= QUIET_S:
            self._study_said = time.monotonic()
            self._print(self.overview.text)

    def _rows(self) -> RenderableType:
        """What the terminal shows."""
        with self._lock:
            running, finished = self.overview.of("running"), self.overview.of("finished")
            shown = [*finished[-max(MOST_ROWS - len(running), 1) :], *running[:MOST_ROWS]]
            lines: list[RenderableType] = [self._table(shown)]
            if len(running) == 1 and running[0].doing:
                lines.append(Text(running[0].doing, style="dim", no_wrap=True, overflow="ellipsis"))
            if self._worker:
                lines.append(Text(self._worker, style="dim", no_wrap=True, overflow="ellipsis"))
            spent = seconds(time.monotonic() - self._begun)
            lines.append(Text(f"{self.overview.text}; {spent} so far", overflow="fold"))
            return Group(*lines)

    def _table(self, standings: Sequence[Standing]) -> Table:
        """A row for each search; where there is no room for a column, it is left out whole."""
        now_s, rows = self.overview.clock(), list[dict[str, str | ProgressBar]]()
        for each in standings:
            left_s = each.left_s(now_s)
            left = "" if left_s is None else f"{seconds(left_s)} left at most"
            budget = each.search.budget.trials if each.search else None
            share = None if each.share is None else ProgressBar(1.0, each.share, width=BAR_WIDTH)
            rows.append(
                {
                    "bar": share or "",
                    "trials": f"{each.trials}/{budget}" if budget else str(each.trials),
                    "best": f"best {_best(each) or '-'}",
                    "end": each.doing.partition(":")[0] if each.state == "finished" else left,
                }
            )
        names = max((cell_len(each.name) for each in standings), default=0)
        room = self._console.width - min(names, LEAST_NAME)
        columns = {
            name: max((_width(row[name]) for row in rows), default=0) + 1
            for name in ("bar", "trials", "best", "end")
        }
        for name in ("bar", "end", "trials", "best"):
            if sum(columns.values()) > room:
                del columns[name]
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True, ratio=1)
        for name in columns:
            table.add_column(justify="left" if name == "bar" else "right", no_wrap=True)
        room = max(self._console.width - sum(columns.values()), LEAST_NAME)
        for each, row in zip(standings, rows, strict=True):
            table.add_row(Text(_ending(each.name, room)), *(row[name] for name in columns))
        return table


def _ending(name: str, room: int) -> str:
    """The end of a name, where its seed is; all of it where there is room."""
    return name if cell_len(name) <= room else f"…{name[1 - room :]}"


def _width(cell: str | ProgressBar) -> int:
    """Letters that a cell takes."""
    return cell_len(cell) if isinstance(cell, str) else BAR_WIDTH


def _best(standing: Standing) -> str:
    """The speed-up of the best mapping so far, and how well it is known; empty before one is feasible."""
    return "" if standing.speedup is None else times_within(standing.speedup)


def _unheard(text: str) -> None:
    """Shows nothing."""


class Silent:
    """Shows no progress."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def start(self, search: Search, name: str) -> Watcher:  # noqa: ARG002
        """As `Live.start`."""
        return lambda _: None

    def ended(self, name: str, how: Ending) -> None:  # noqa: ARG002
        """As `Live.ended`."""
        return

    def heard(self, text: str) -> None:  # noqa: ARG002
        """As `Live.heard`."""
        return

"""Where the searches of a study stand: the best so far, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from lionheart_opt.estimates import Estimate
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.problem import Problem
from lionheart_opt.results.metrics import recommended
from lionheart_opt.results.wording import seconds
from lionheart_opt.study.search import Search


@dataclass(kw_only=True)
class Standing:
    """Where one search stands.

    Args:
        name: Name of the search.
        state: Whether it has begun, and ended.
        search: The search; None until it begins.
        trials: Its evaluations so far.
        oracle_s: The oracle seconds that they cost.
        share: Share of its budget that is spent; None where it has no budget.
        begun_s: When it began, on the clock of the overview.
        ended_s: When it ended.
        first_share: Share of its budget that was spent when it began.
        best: Its best mapping so far; None where nothing is feasible yet.
        doing: What it does, in words.
    """

    name: str
    state: Literal["waiting", "running", "finished"] = "waiting"
    search: Search | None = None
    trials: int = 0
    oracle_s: float = 0.0
    share: float | None = None
    begun_s: float = 0.0
    ended_s: float = 0.0
    first_share: float = 0.0
    best: Evaluation | None = None
    doing: str = ""
    _known: tuple[Evaluation, Estimate] | None = field(default=None, repr=False)

    @property
    def speedup(self) -> Estimate | None:
        """Of its best mapping over all-digital, with its interval of 95 %; None before one is feasible.

        It is found once for each best mapping, as that takes longer than to price it.
        """
        if self.best is None or self.search is None:
            return None
        if self._known is None or self._known[0] is not self.best:
            [estimates] = self.search.problem.estimates([self.best.mapping])
            self._known = self.best, estimates["speedup"]
        return self._known[1]

    def update(self, trials: int, oracle_s: float) -> None:
        """Take over how far the search is."""
        assert self.search is not None, "it has begun"
        budget = self.search.budget
        self.trials, self.oracle_s = trials, oracle_s
        shares = [trials / budget.trials] if budget.trials else []
        shares += [oracle_s / budget.oracle_s] if budget.oracle_s else []
        self.share = min(max(shares), 1.0) if shares else None

    def take(self, problem: Problem, evaluations: Sequence[Evaluation]) -> None:
        """Choose the best of these evaluations and of the best so far."""
        candidates = [*evaluations, *([self.best] if self.best else [])]
        self.best = recommended(problem, candidates, None)

    def whole_s(self, now_s: float) -> float | None:
        """Seconds that its whole budget takes at its pace so far, or took; None if that is not known."""
        if self.state == "waiting":
            return None
        end_s = self.ended_s if self.state == "finished" else now_s
        if self.state == "finished" and not self.first_share:
            return end_s - self.begun_s
        if self.share is None or self.share <= self.first_share:
            return None
        return (end_s - self.begun_s) / (self.share - self.first_share)

    def left_s(self, now_s: float) -> float | None:
        """Seconds that are left to it at most; None if that is not known."""
        whole_s = self.whole_s(now_s)
        if self.state != "running" or whole_s is None or self.share is None:
            return None
        return (1.0 - self.share) * whole_s


@dataclass(kw_only=True)
class Overview:
    """Where the searches of a study stand.

    Args:
        names: Names of the searches, in their order.
        at_once: Searches that run at once.
        clock: Gives seconds.
    """

    names: Sequence[str]
    at_once: int = 1
    clock: Callable[[], float] = time.monotonic
    standings: dict[str, Standing] = field(init=False)

    def __post_init__(self) -> None:
        self.standings = {name: Standing(name=name) for name in self.names}

    def start(self, name: str, search: Search) -> Standing:
        """A search begins."""
        standing = self.standings.setdefault(name, Standing(name=name))
        standing.search, standing.state, standing.begun_s = search, "running", self.clock()
        standing.update(len(search.record), search.record.oracle_s)
        standing.first_share = standing.share or 0.0
        standing.take(search.problem, search.record.evaluations())
        return standing

    def end(self, name: str, how: str) -> None:
        """A search has ended."""
        standing = self.standings[name]
        standing.state, standing.ended_s, standing.doing = "finished", self.clock(), how

    def of(self, state: str) -> list[Standing]:
        """The searches in this state."""
        return [each for each in self.standings.values() if each.state == state]

    @property
    def left_s(self) -> float | None:
        """Seconds that are left to all searches together, at most.

        A search that waits takes as long as the mean of those with the same label, or of all. None while
        the pace of a running search is not known, or where one has no budget.
        """
        now_s = self.clock()
        running = [each.left_s(now_s) for each in self.of("running")]
        known = [each for each in running if each is not None]
        if len(known) < len(running):
            return None
        whole = {each.name: each.whole_s(now_s) for each in self.standings.values()}
        waiting = []
        for each in self.of("waiting"):
            label = each.name.rpartition("/")[0]
            alike = [s for name, s in whole.items() if s and name.rpartition("/")[0] == label]
            times = alike or [s for s in whole.values() if s is not None]
            if not times:
                return None
            waiting.append(fmean(times))
        side_by_side = max(min(self.at_once, len(known) + len(waiting)), 1)
        return max([*known, (sum(known) + sum(waiting)) / side_by_side])

    @property
    def text(self) -> str:
        """One line for the whole study."""
        counts = [f"{len(self.of('finished'))} of {len(self.standings)} searches finished"]
        for state in ("running", "waiting"):
            if count := len(self.of(state)):
                counts.append(f"{count} {state}")
        left_s = self.left_s
        if self.of("running") and left_s is not None:
            counts.append(f"{seconds(left_s)} left at most")
        return ", ".join(counts)

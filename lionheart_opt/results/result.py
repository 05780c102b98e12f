"""What one search found: its evaluations, its incumbent, its front, as objects and as a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cost import COST_OBJECTIVES, CostObjective
from lionheart_opt.errors import InputError
from lionheart_opt.estimates import Estimate
from lionheart_opt.evaluation import Evaluation, front, oracle_seconds
from lionheart_opt.limits import drop_excess
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.problem import Problem
from lionheart_opt.results.frames import frame_of
from lionheart_opt.results.metrics import is_option, recommended
from lionheart_opt.results.verdict import Verdict, is_again, verdict_of
from lionheart_opt.statistics.bounds import Bounds
from lionheart_opt.study.plan import Budget, SearchPlan
from lionheart_opt.study.record import Record
from lionheart_opt.uncertainty import estimates_of

if TYPE_CHECKING:
    import pandas

#: A drop that exceeds another one by so much does so whatever is rounded.
DECIDED = 1e-9
#: Rows that a notebook shows: the first ones and the last ones.
_SHOWN = 20


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SearchResult:
    """One search as its record shows it.

    Args:
        label: What tables and plots call the search.
        seed: Seed of the strategy.
        problem: What it answers.
        evaluations: In the order in which they were proposed.
        trials: Number of each evaluation in the record; counted from 0 where it is empty.
        strategy: Registered name of the strategy, or `module:attr`.
        budget: When the search was to stop.
        proposals: Proposals answered, repeats included; None where nobody counted.
        has_ended: Whether the last run went to its end; None where nobody said.
        answers_s: Oracle seconds of answers beside accuracies, spent before the first trial.
        digital: The evaluation of all-digital, with which every search compares its trials; None where a
            unit cannot run on the host, or where it was not measured.
        checks: Digest of a finalist -> name of the check (`test`, ...) -> samples; see
            `lionheart_opt.results.verdict`.
        order: Digests of the mappings that the verdict tests, in this order.
    """

    label: str
    seed: int
    problem: Problem
    evaluations: Sequence[Evaluation]
    trials: Sequence[int] = ()
    strategy: str = ""
    budget: Budget = field(default_factory=Budget)
    proposals: int | None = None
    has_ended: bool | None = None
    answers_s: float = 0.0
    digital: Evaluation | None = None
    checks: dict[str, dict[str, Accuracy]] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    @staticmethod
    def read(record: Record, plan: SearchPlan) -> SearchResult:
        """What a record holds of a search."""
        trials = record.trials()
        return SearchResult(
            label=plan.label,
            seed=plan.seed,
            problem=record.problem,
            evaluations=[trial.evaluation for trial in trials],
            trials=[trial.number for trial in trials],
            strategy=plan.strategy_name,
            budget=plan.budget,
            proposals=record.keeper.proposals,
            has_ended=record.keeper.has_ended,
            answers_s=record.answers_s,
            digital=record.digital,
            checks=record.keeper.checks(),
            order=record.keeper.order(),
        )

    @cached_property
    def metric(self) -> Metric:
        """What was measured; accuracy where nothing was."""
        measured = (each.accuracy for each in (*self.evaluations, self.digital) if each is not None)
        return next((accuracy.metric for accuracy in measured if accuracy is not None), ACCURACY)

    @property
    def name(self) -> str:
        """Name of the search, `LABEL/seedN`."""
        return f"{self.label}/seed{self.seed}"

    def __len__(self) -> int:
        return len(self.evaluations)

    @property
    def numbers(self) -> Sequence[int]:
        """Number of each evaluation in the record, from 0."""
        return self.trials or range(len(self.evaluations))

    def evaluation(self, trial: int) -> Evaluation:
        """The evaluation of a trial.

        Raises:
            InputError: There is no such trial, or it did not finish.
        """
        for number, evaluation in zip(self.numbers, self.evaluations, strict=True):
            if number == trial:
                return evaluation
        numbers = ", ".join(map(str, self.numbers)) or "none"
        raise InputError(f"{self.name}: trial: got {trial}; finished trials: {numbers}")

    @property
    def oracle_s(self) -> float:
        """Seconds of oracle time spent."""
        return oracle_seconds(self.evaluations) + self.answers_s

    @cached_property
    def candidate(self) -> Evaluation | None:
        """Of all-digital and the trials, the feasible one that is best in the first objective.

        It is chosen by the data of the search. The more mappings a search tries, the likelier it is that
        the best of them was lucky: see `best`. A trial that costs no less than all-digital is never it,
        unless all-digital breaks a limit. None if nothing is feasible.
        """
        return recommended(self.problem, self.evaluations, self.digital)

    @cached_property
    def best(self) -> Evaluation | None:
        """The result of the search: the mapping that the test data verify.

        Where they verify none, or have not been asked, it is the `candidate`. A limit bounds the chance
        of being wrong about one mapping, and a search chooses among many: where 149 of 1,020 mappings
        lie just above the limit, up to 30 % of the candidates break it, and at most 2 % of the verified
        mappings (`benchmarks/false_acceptance.py`). `verdict` says which of the two it is.
        """
        verified = None if self.verdict is None else self.verdict.verified
        return self.candidate if verified is None else verified

    @cached_property
    def best_estimates(self) -> dict[str, Estimate]:
        """Costs and gains of the best mapping with their intervals of 95 %; empty without one.

        `latency_s`, `interval_s` (time per inference), `energy_j`, `speedup`, `energy_gain`. Costs of a
        system share the errors of its constants, so that gains are known better than costs.
        """
        if self.best is None:
            return {}
        return estimates_of(self.problem.cost(self.best.mapping), self.problem.digital_cost)

    @property
    def best_trial(self) -> int | None:
        """Number of the best trial; None where nothing is feasible, or nothing beats all-digital."""
        return None if self.best is None else self.number_of(self.best)

    def number_of(self, evaluation: Evaluation) -> int | None:
        """Number of the trial with this evaluation; None if there is none."""
        for number, each in zip(self.numbers, self.evaluations, strict=True):
            if each is evaluation:
                return number
        return None

    @property
    def beats_all_digital(self) -> bool:
        """Whether the search found a mapping that is better than all-digital, which needs no search.

        True, too, for any feasible mapping where all-digital is not feasible.
        """
        return self.best is not None and self.best.mapping != self.problem.all_digital

    @cached_property
    def baseline(self) -> float | None:
        """Accuracy of the floating-point network on the most examples; None if nothing was measured."""
        measured = [evaluation.accuracy for evaluation in self.measured if evaluation.accuracy]
        widest = max(measured, key=lambda each: each.n_examples or 0, default=None)
        return None if widest is None else widest.baseline

    @property
    def best_bounds(self) -> Bounds | None:
        """The drop of the best mapping with its confidence bounds; None if it was not measured."""
        if self.best is None or self.best.accuracy is None:
            return None
        return self.problem.accuracy_limit.bounds(self.best.accuracy)

    @cached_property
    def verdict(self) -> Verdict | None:
        """What the test data say; None where nothing has been tested. See `verdict_of`."""
        digital = [] if self.digital is None else [self.digital]
        limit = self.problem.accuracy_limit
        return verdict_of([*digital, *self.evaluations], self.order, self.checks, limit)

    @property
    def best_checks(self) -> dict[str, float]:
        """Name of each final check (`test`, ...) -> drop of the best mapping; empty without any."""
        limit = self.problem.accuracy_limit
        checks = self.checks.get(self.best.candidate.digest, {}) if self.best else {}
        return {
            name: limit.bounds(accuracy).estimate
            for name, accuracy in checks.items()
            if not is_again(name)
        }

    def front(self) -> list[Evaluation]:
        """What no other feasible mapping dominates, all-digital included, by the first objective."""
        return front([*self.evaluations, *([self.digital] if self.digital else [])])

    @property
    def repeats(self) -> float | None:
        """Share of the proposals that the record had answered already."""
        if not self.proposals:
            return None
        return max(1.0 - len(self.evaluations) / self.proposals, 0.0)

    @cached_property
    def measured(self) -> list[Evaluation]:
        """The evaluations with an accuracy of their own.

        These are all but those that broke a cost limit or whose training diverged.
        """
        return [evaluation for evaluation in self.evaluations if evaluation.measured]

    @property
    def diverged(self) -> list[int]:
        """Numbers of the trials whose training diverged. They are never feasible."""
        return [
            number
            for number, evaluation in zip(self.numbers, self.evaluations, strict=True)
            if evaluation.accuracy is not None and evaluation.accuracy.diverged
        ]

    @property
    def failed(self) -> list[int]:
        """Numbers of the trials whose evaluation failed, for example because every worker died."""
        return [
            number
            for number, evaluation in zip(self.numbers, self.evaluations, strict=True)
            if evaluation.failed
        ]

    @cached_property
    def bounds(self) -> list[Bounds]:
        """The limit's statistic and its bounds for each of `measured`."""
        return [evaluation.drop for evaluation in self.measured if evaluation.drop is not None]

    @cached_property
    def points(self) -> np.ndarray:
        """Relative time (1 is all-digital) and drop of each of `measured`, shape (n, 2)."""
        digital_s = self.problem.digital_cost.time_per_inference_s
        drops = np.array([bounds.estimate for bounds in self.bounds], dtype=float)
        return np.column_stack([self.costs["interval_s"] / digital_s, drops])

    @cached_property
    def costs(self) -> dict[CostObjective, np.ndarray]:
        """What each of `measured` costs, shape (n,)."""
        return {
            objective: np.array([each.cost.value(objective) for each in self.measured], dtype=float)
            for objective in COST_OBJECTIVES
        }

    @cached_property
    def _highs(self) -> np.ndarray:
        """Upper bounds of the drops of `measured`, shape (n,); infinite where another limit is broken."""
        return np.array(
            [
                bounds.high
                if all(excess <= 0 for name, excess in each.violations.items() if name != "drop")
                else np.inf
                for each, bounds in zip(self.measured, self.bounds, strict=True)
            ]
        )

    def feasible_at(self, max_drop: float) -> list[Evaluation]:
        """What keeps every limit of the problem if the largest accepted drop is this one.

        By the same statistical test. Its bounds hold at any threshold, but draws were only added until
        the problem's own was decided: with a fixed number of draws none is at a disadvantage.
        """
        return [self.measured[row] for row in self.rows_at(max_drop)]

    def rows_at(self, max_drop: float) -> np.ndarray:
        """Row numbers of `feasible_at` in `measured`."""
        is_kept = self._highs <= max_drop - DECIDED
        for row in np.flatnonzero(~is_kept & (self._highs <= max_drop + DECIDED)):
            is_kept[row] = drop_excess(self.bounds[row].high, max_drop) <= 0
        return np.flatnonzero(is_kept)

    def fastest_at(self, max_drop: float) -> Evaluation | None:
        """The fastest of `feasible_at`; of equal ones that of the least energy.

        None if there is none, or if all-digital keeps the limits and is faster.
        """
        fastest = min(
            self.feasible_at(max_drop),
            key=lambda evaluation: (evaluation.cost.time_per_inference_s, evaluation.cost.energy_j),
            default=None,
        )
        slower = fastest is not None and self.problem.gains(fastest.cost)[0] < 1.0
        return None if slower and is_option(self.problem) else fastest

    def to_frame(self, *, intervals: bool = True) -> pandas.DataFrame:
        """One row an evaluation, in the order in which they were proposed.

        Columns: `trial` (number in the record, from 0), `mapping`, `latency_s`, `energy_j`,
        `interval_s` (time per inference), `speedup` and `energy_gain` over all-digital,
        `analog_mac_ratio`, `fits` (whether there are enough crossbars), `drop` (the limit's statistic at
        its worst time) and its upper confidence bound `drop_high` (NaN where a broken cost limit spared
        the oracle, or the training diverged),
        `feasible`, `best` (True for the result: the verified trial, or the candidate where none is
        verified; for none where nothing beats all-digital), `verdict` (`verified` or `not verified` on
        test data; empty where it was not tested), `oracle_s`, `diverged` (whether the training did),
        `failed` (whether the evaluation did). Then the ends of the intervals of 95 % of costs and gains
        (see `best_estimates`): `latency_low_s`, `latency_high_s`, ..., `energy_gain_high`; NaN where the
        system does not say how well its constants are known. The errors of the constants are common to
        all rows, so that two mappings can be told apart better than that: see `Cost.gain_over`.

        Energies may be as small as 1e-11 J, which pandas' own `to_json` rounds to 0.

        Args:
            intervals: Whether all rows have intervals; otherwise only the best one has. For thousands of
                mappings, they take less than a second where costs are sums, some 2 ms each on a
                many-core, and some 50 ms each on a pipeline of a few cores (ResNet-20).
        """
        known = [k for k, each in enumerate(self.evaluations) if intervals or each is self.best]
        return self._frame(known)

    def _frame(self, with_intervals: Sequence[int]) -> pandas.DataFrame:
        """The frame; rows with these numbers have intervals."""
        said: dict[str, Sequence[object]] = {
            "trial": self.numbers,
            "best": [each is self.best for each in self.evaluations],
            "verdict": [
                self.verdict.says(each) if self.verdict else "" for each in self.evaluations
            ],
        }
        return frame_of(self.problem, self.evaluations, said, with_intervals)

    def __repr__(self) -> str:
        outcome = self.outcome
        if self.beats_all_digital:
            assert self.best is not None
            gains = (self.best_estimates[name] for name in ("speedup", "energy_gain"))
            speedup, energy_gain = (gain.said("{:.2f}x".format) for gain in gains)
            said = "candidate" if self.verdict is None else self.verdict.says(self.best)
            outcome = (
                f"{said or 'candidate'}: trial {self.best_trial}, speed-up {speedup}, "
                f"energy gain {energy_gain}"
            )
        return (
            f"SearchResult({self.label!r}, seed {self.seed}: {len(self)} trials, "
            f"{self.oracle_s:.3g} oracle seconds; {outcome})"
        )

    @property
    def outcome(self) -> str:
        """What must be said of the best mapping; empty for a trial that beats all-digital."""
        problem, digital = self.problem, self.digital
        if self.best is not None and not self.beats_all_digital:
            return "nothing beats all-digital"
        if problem.forced:
            digital_is = f"all-digital is no option: {problem.forced[0]} cannot run on the host"
        elif digital is not None and not digital.feasible:
            broken = [name for name, excess in digital.violations.items() if not excess <= 0]
            digital_is = f"all-digital breaks {', '.join(broken)}"
        elif self.best is not None:
            return ""
        elif any(evaluation.feasible for evaluation in self.evaluations):
            return "nothing costs less than all-digital"
        else:
            digital_is = "all-digital has not been measured yet"
        return digital_is if self.best is not None else f"nothing feasible; {digital_is}"

    def _repr_html_(self) -> str:
        from html import escape

        half = _SHOWN // 2
        shown = [k for k in range(len(self)) if k < half or k >= len(self) - half]
        frame = self._frame(shown)
        frame["mapping"] = [str(mapping) for mapping in frame["mapping"]]
        return f"<p>{escape(repr(self))}</p>{frame.to_html(index=False, max_rows=_SHOWN)}"

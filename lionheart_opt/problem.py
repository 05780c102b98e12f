"""The question: workload, system, cost model, oracle, objectives and limits; and its evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from math import inf, isnan
from numbers import Integral, Real
from typing import Literal

import numpy as np

from lionheart_opt.accuracy import Accuracy, AccuracyOracle, Anticipates, SaysMetric
from lionheart_opt.batches import check_batch
from lionheart_opt.cost import COST_OBJECTIVES, Cost, CostModel, CostObjective, Totals
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.estimates import Estimate, gain
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import AccuracyLimit, drop_excess
from lionheart_opt.mapping import TRAININGS, Candidate, Mapping, Training
from lionheart_opt.measuring import measured
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.prices import Prices
from lionheart_opt.questions import Answer, Question, consult
from lionheart_opt.signals import check_stopped
from lionheart_opt.space import Space
from lionheart_opt.statistics.bounds import Bounds
from lionheart_opt.text import shown
from lionheart_opt.uncertainty import ESTIMATED

Objective = CostObjective | Literal["drop"]
OBJECTIVES: tuple[Objective, ...] = (*COST_OBJECTIVES, "drop")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Problem(Space):
    """Minimise the objectives over mappings, within the limits.

    Args:
        workload: What must run.
        system: What it can run on.
        cost_model: Prices mappings, for free.
        oracle: Measures accuracy: what the budget is spent on.
        objectives: Names of what to minimise, at least one of `OBJECTIVES`.
        accuracy_limit: Largest accepted drop. The objective `drop` is its statistic (mean or quantile)
            at the worst of its times.
        cost_limits: Largest accepted `latency_s`, `energy_j` or `interval_s`.
        training: How weights are obtained where a candidate does not say.
        seed: Seed of the oracle (programming draws, training), common to all strategies.
        answers: Answers questions beside accuracy; None asks the oracle. A search answers from its
            record what it has asked before.
        prices: The costs that are kept.

    Raises:
        InputError: An objective, the training or a cost limit does not exist, a limit is not a positive
            number, the seed is not a whole number, or the cost model cannot price the workload's batch.
    """

    cost_model: CostModel
    oracle: AccuracyOracle
    objectives: tuple[Objective, ...]
    accuracy_limit: AccuracyLimit
    cost_limits: dict[CostObjective, float] = field(default_factory=dict)
    training: Training = "full"
    seed: int = 0
    answers: Callable[[Question], Answer] | None = None
    prices: Prices = field(default_factory=Prices)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.objectives:
            if not isinstance(name, str) or name not in OBJECTIVES:
                raise unknown("objective", name, OBJECTIVES)
        if not self.objectives:
            raise InputError(f"objectives: at least one of {', '.join(OBJECTIVES)} is needed")
        if not isinstance(self.training, str) or self.training not in TRAININGS:
            raise unknown("training", self.training, TRAININGS)
        if not isinstance(self.seed, Integral) or isinstance(self.seed, bool):
            raise InputError(f"seed: got {shown(self.seed)}; must be a whole number")
        for name, limit in self.cost_limits.items():
            if name not in COST_OBJECTIVES:
                raise unknown("cost limit", name, COST_OBJECTIVES)
            if not isinstance(limit, Real) or not 0.0 < limit < inf:
                raise InputError(
                    f"cost limit {name}: got {shown(limit)}; must be a positive number"
                )
        check_batch(self.cost_model, self.system, self.workload)

    def __repr__(self) -> str:
        limit = self.accuracy_limit
        times = ", ".join(f"{time_s:g} s" for time_s in limit.times_s)
        of = " of the baseline" if limit.relative else ""
        return (
            f"Problem({self.workload.name!r} on {self.system.name!r}: {len(self.units)} units to map, "
            f"minimise {', '.join(self.objectives)}, drop at most {limit.max_drop:g}{of} at {times})"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(unit.name)}</td><td>{self.workload.unit_macs(unit):,}</td>"
            f"<td>{escape(', '.join(self.choices[unit.name]))}</td></tr>"
            for unit in self.workload.units
        )
        head = "<thead><tr><th>unit</th><th>MACs</th><th>targets</th></tr></thead>"
        return f"<p>{escape(repr(self))}</p><table>{head}{rows}</table>"

    def pretrained(self, mapping: Mapping) -> Candidate:
        """The candidate that starts from the floating-point network."""
        return Candidate(mapping)

    def cost(self, mapping: Mapping) -> Cost:
        """Price a mapping; costs no budget."""
        return self.prices.cost(self.cost_model, self.system, self.workload, mapping)

    def totals(self, mapping: Mapping) -> Totals:
        """As `cost`, without its layers; of more mappings, it is kept."""
        return self.prices.totals(self.cost_model, self.system, self.workload, mapping)

    @cached_property
    def digital_cost(self) -> Cost:
        """Cost of all-digital: what speed-ups are measured against."""
        return self.cost(self.all_digital)

    def gains(self, cost: Cost | Totals) -> tuple[float, float]:
        """Speed-up and energy gain of a mapping over all-digital."""
        digital = self.digital_cost
        return (
            gain(digital.time_per_inference_s, cost.time_per_inference_s),
            gain(digital.energy_j, cost.energy_j),
        )

    def estimates(
        self, mappings: Sequence[Mapping], over: Mapping | None = None
    ) -> list[dict[str, Estimate]]:
        """Costs and gains of many mappings with their intervals of 95 %; `cost` takes much longer.

        Args:
            mappings: The mappings.
            over: The mapping that gains are over; None is all-digital.

        Returns:
            For each mapping: `latency_s`, `interval_s` (time per inference), `energy_j`, `speedup` and
            `energy_gain`.
        """
        reference = self.digital_cost.totals if over is None else self.totals(over)
        widths = self.half_widths(mappings, over)
        found = []
        for number, mapping in enumerate(mappings):
            values = _values(self.totals(mapping), reference)
            known = {name: float(widths[name][number]) for name in ESTIMATED}
            found.append(
                {
                    name: Estimate.within(values[name], None if isnan(width) else width)
                    for name, width in known.items()
                }
            )
        return found

    def half_widths(
        self, mappings: Sequence[Mapping], over: Mapping | None = None
    ) -> dict[str, np.ndarray]:
        """How well costs and gains of many mappings are known, as in `estimates`.

        Args:
            mappings: The mappings, n of them.
            over: The mapping that gains are over; None is all-digital.

        Returns:
            `latency_s`, `interval_s`, `energy_j`, `speedup` and `energy_gain` -> logarithm of the factor
            up to which the number is known with a confidence of 95 %, shape (n,); NaN where the system
            does not say.
        """
        shifts = self.prices.shifts(self.cost_model, self.system, self.workload)
        if shifts is None:
            return {name: np.full(len(mappings), np.nan) for name in ESTIMATED}
        if over is not None:
            return shifts.half_widths(mappings, shifts.of([over])[0])
        digital = self.digital_cost.spread
        assert digital is not None, "the system names errors"
        return shifts.half_widths(mappings, np.array([digital.shifts[k] for k in COST_OBJECTIVES]))

    @property
    def is_digital_exact(self) -> bool:
        """Whether all-digital is the floating-point network itself, so that its drop is 0."""
        return self.system.target(self.system.host).numerics == "fp32"

    def exact_digital(self, baseline: Accuracy | None) -> Evaluation:
        """The evaluation of all-digital on a host that computes in floating point.

        Args:
            baseline: Any accuracy of the same network, which gives baseline and times; None where
                nothing has been measured.
        """
        candidate = self.pretrained(self.all_digital)
        if baseline is not None:
            shape = (self.accuracy_limit.draws[-1], len(baseline.times_s))
            samples = np.full(shape, baseline.baseline)
            return self.evaluation(
                candidate,
                Accuracy(
                    samples=samples,
                    times_s=baseline.times_s,
                    baseline=baseline.baseline,
                    metric=baseline.metric,
                ),
            )
        evaluation = self.evaluation(candidate, None)
        objectives = {
            name: 0.0 if name == "drop" else value for name, value in evaluation.objectives.items()
        }
        return replace(evaluation, objectives=objectives)

    def cost_violations(self, cost: Cost | Totals) -> dict[str, float]:
        """Relative excess over each cost limit, and crossbars beyond each target's capacity."""
        violations: dict[str, float] = {
            name: cost.value(name) / limit - 1.0 for name, limit in self.cost_limits.items()
        }
        for target in self.system.targets:
            if target.tiles is not None:
                violations[f"tiles_{target.name}"] = float(
                    cost.tiles.get(target.name, 0) - target.tiles
                )
        return violations

    def resolved(self, candidate: Candidate) -> Candidate:
        """The candidate as oracles are asked about it.

        Every candidate of its lineage that does not say its training has the problem's.
        """
        return candidate.resolved(self.training)

    def evaluate(self, candidate: Candidate) -> Evaluation:
        """Price the candidate; if the cost limits hold, ask the oracle until the limit is decided.

        Raises:
            InputError: The mapping does not fit the problem.
        """
        check_stopped()
        self.check(candidate.mapping)
        if self.breaks_cost_limits(candidate.mapping):
            return self.evaluation(candidate, None)
        asked = self.resolved(candidate)
        limit = self.accuracy_limit
        accuracy = measured(self.oracle, asked, limit.first_look, self.seed)
        limit.check(accuracy.metric)
        while not accuracy.diverged and (look := limit.next_look(accuracy)) is not None:
            more = measured(self.oracle, asked, look, self.seed)
            accuracy = accuracy.extend(more) if look.draws[0] else accuracy.widen(more)
        return self.evaluation(candidate, accuracy)

    def expect(self, candidates: Sequence[Candidate]) -> None:
        """Tell the oracle what will be evaluated next, in this order; saves time, changes nothing."""
        if isinstance(self.oracle, Anticipates):
            asked = [
                self.resolved(candidate)
                for candidate in candidates
                if not self.breaks_cost_limits(candidate.mapping)
            ]
            self.oracle.expect(asked, self.accuracy_limit.first_look, self.seed)

    def breaks_cost_limits(self, mapping: Mapping) -> bool:
        """Whether the cost alone decides that it is infeasible, so that no oracle time is spent."""
        return any(
            violation > 0 for violation in self.cost_violations(self.totals(mapping)).values()
        )

    def ask(self, question: Question) -> Answer:
        """The oracle's answer to a question beside accuracy; a search pays for it once.

        Raises:
            InputError: The oracle does not answer such questions.
        """
        if self.answers is not None:
            return self.answers(question)
        return consult(self.oracle, question, self.seed)

    @property
    def metric(self) -> Metric:
        """What the oracle measures. It may have to load its data to say so."""
        return self.oracle.metric if isinstance(self.oracle, SaysMetric) else ACCURACY

    def check_limit(self) -> None:
        """Refuse a limit that does not fit what the oracle measures; see `AccuracyLimit.check`."""
        self.accuracy_limit.check(self.metric)

    @property
    def worst_drop(self) -> float:
        """A drop that stands for the worst: that of all accuracy, or far beyond the limit."""
        return (
            max(1.0, 1000.0 * self.accuracy_limit.max_drop)
            if self.accuracy_limit.max_drop > 1
            else 1.0
        )

    def evaluation(
        self,
        candidate: Candidate,
        accuracy: Accuracy | None,
        failed: str = "",
        cost: Totals | None = None,
    ) -> Evaluation:
        """The evaluation that follows from an accuracy; also how a record is read back.

        Args:
            candidate: The candidate.
            accuracy: Its accuracy, if the oracle was asked.
            failed: Why the oracle could not answer; the candidate is then not feasible.
            cost: What its mapping costs; None asks the cost model.
        """
        cost = cost or self.totals(candidate.mapping)
        violations = self.cost_violations(cost)
        drop = self.worst_drop  # where a broken cost limit spared the oracle
        measured: Bounds | None = None
        if accuracy is not None:
            bounds = self.accuracy_limit.bounds(accuracy)
            violations["drop"] = drop_excess(bounds.high, self.accuracy_limit.max_drop)
            if accuracy.diverged:
                violations["diverged"] = 1.0
            else:
                measured = bounds
            drop = bounds.estimate
        if failed:
            violations["failed"] = 1.0
        return Evaluation(
            candidate=candidate,
            cost=cost,
            accuracy=accuracy,
            objectives={
                name: drop if name == "drop" else cost.value(name) for name in self.objectives
            },
            violations=violations,
            oracle_s=accuracy.training_s + accuracy.evaluation_s if accuracy else 0.0,
            failed=failed,
            drop=measured,
        )


def _values(totals: Totals, reference: Totals) -> dict[str, float]:
    """The numbers of `estimates`."""
    return {
        **{str(name): totals.value(name) for name in COST_OBJECTIVES},
        "speedup": gain(reference.time_per_inference_s, totals.time_per_inference_s),
        "energy_gain": gain(reference.energy_j, totals.energy_j),
    }

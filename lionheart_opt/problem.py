"""The question: workload, system, cost model, oracle, objectives and limits; and its evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal, get_args

from lionheart_opt.accuracy import Accuracy, AccuracyOracle, Anticipates, Fidelity, consult
from lionheart_opt.cost import Cost, CostModel
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.questions import Answer, Question
from lionheart_opt.space import Space, by_macs_descending

Objective = Literal["latency_s", "energy_j", "interval_s", "drop"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
#: Prices kept, of some 30 kB each.
REMEMBERED = 2048

__all__ = ["OBJECTIVES", "Objective", "Problem", "by_macs_descending"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem(Space):
    """Minimise the objectives over mappings, within the limits.

    Args:
        workload: what must run.
        system: what it can run on.
        cost_model: prices mappings; free.
        oracle: measures accuracy; what the budget is spent on.
        objectives: names of what to minimise, at least one.
        accuracy_limit: largest accepted drop; the objective `drop` is its statistic (mean or quantile)
            at the worst of its times.
        cost_limits: largest accepted `latency_s`, `energy_j` or `interval_s`.
        training: how weights are obtained where a candidate does not say.
        seed: of the oracle (programming draws, training), common to all strategies.
        knowledge: answers questions beside accuracy; None asks the oracle. A study answers from its
            record what it has asked before.
    """

    cost_model: CostModel
    oracle: AccuracyOracle
    objectives: tuple[Objective, ...]
    accuracy_limit: AccuracyLimit
    cost_limits: dict[str, float] = field(default_factory=dict)
    training: Training = "full"
    seed: int = 0
    knowledge: Callable[[Question], Answer] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise unknown("objective", name, OBJECTIVES)
        if not self.objectives:
            raise InputError(f"objectives: at least one of {', '.join(OBJECTIVES)} is needed")
        for limit in self.cost_limits:
            if limit not in OBJECTIVES[:-1]:
                raise unknown("cost limit", limit, OBJECTIVES[:-1])

    def pretrained(self, mapping: Mapping) -> Candidate:
        """The candidate that starts from the floating-point network."""
        return Candidate(mapping)

    def cost(self, mapping: Mapping) -> Cost:
        """Price a mapping; costs no budget."""
        return self._cost(mapping)

    @cached_property
    def _cost(self) -> Callable[[Mapping], Cost]:
        """The last prices are remembered: a record holds the same mappings many times over."""
        return lru_cache(REMEMBERED)(lambda mapping: self.cost_model.cost(self.workload, mapping))

    @cached_property
    def digital_cost(self) -> Cost:
        """Cost of all-digital: what speed-ups are measured against."""
        return self.cost(self.all_digital)

    def cost_violations(self, cost: Cost) -> dict[str, float]:
        """Relative excess over each cost limit, and crossbars beyond each target's capacity."""
        values = {
            "latency_s": cost.latency_s,
            "energy_j": cost.energy_j,
            "interval_s": cost.time_per_inference_s,
        }
        violations = {name: values[name] / limit - 1.0 for name, limit in self.cost_limits.items()}
        for target in self.system.targets:
            if target.tiles is not None:
                violations[f"tiles_{target.name}"] = float(
                    cost.tiles.get(target.name, 0) - target.tiles
                )
        return violations

    def evaluate(self, candidate: Candidate) -> Evaluation:
        """Price the candidate; if the cost limits hold, ask the oracle until the limit is decided.

        Raises:
            InputError: the mapping does not fit the problem.
        """
        self.check(candidate.mapping)
        if self.breaks_cost_limits(candidate.mapping):
            return self.evaluation(candidate, None)
        training = candidate.training or self.training
        asked = candidate.resolved(self.training)
        accuracy: Accuracy | None = None
        done = 0
        for draws in self.accuracy_limit.draws:
            more = self.oracle.accuracy(
                asked, Fidelity(training=training, draws=(done, draws)), self.seed
            )
            accuracy = more if accuracy is None else accuracy.extend(more)
            done = draws
            if self.accuracy_limit.decision(accuracy) != "open":
                break
        return self.evaluation(candidate, accuracy)

    def expect(self, candidates: Sequence[Candidate]) -> None:
        """Tell the oracle what will be evaluated next, in this order; saves time, changes nothing."""
        if isinstance(self.oracle, Anticipates):
            asked = [
                one.resolved(self.training)
                for one in candidates
                if not self.breaks_cost_limits(one.mapping)
            ]
            self.oracle.expect(asked, (0, self.accuracy_limit.draws[0]), self.seed)

    def breaks_cost_limits(self, mapping: Mapping) -> bool:
        """Whether the cost alone decides that it is infeasible, so that no oracle time is spent."""
        return any(violation > 0 for violation in self.cost_violations(self.cost(mapping)).values())

    def ask(self, question: Question) -> Answer:
        """What the oracle knows beside accuracies; a search pays for it once.

        Raises:
            InputError: it cannot answer such questions.
        """
        if self.knowledge is not None:
            return self.knowledge(question)
        return consult(self.oracle, question, self.seed)

    def evaluation(self, candidate: Candidate, accuracy: Accuracy | None) -> Evaluation:
        """The evaluation that follows from an accuracy; also how a record is read back."""
        cost = self.cost(candidate.mapping)
        violations = self.cost_violations(cost)
        drop = 1.0  # the worst there is, where a broken cost limit spared the oracle
        if accuracy is not None:
            bounds = self.accuracy_limit.bounds(accuracy)
            violations["drop"] = bounds.high - self.accuracy_limit.max_drop
            drop = bounds.estimate
        values: dict[str, float] = {
            "latency_s": cost.latency_s,
            "energy_j": cost.energy_j,
            "interval_s": cost.time_per_inference_s,
            "drop": drop,
        }
        return Evaluation(
            candidate=candidate,
            cost=cost,
            accuracy=accuracy,
            objectives={name: values[name] for name in self.objectives},
            violations=violations,
            oracle_s=accuracy.training_s + accuracy.evaluation_s if accuracy else 0.0,
        )

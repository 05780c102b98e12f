"""The question: workload, system, cost model, oracle, objectives and limits; and its evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.feasibility import AccuracyLimit
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.protocols import (
    Accuracy,
    AccuracyOracle,
    Cost,
    CostModel,
    Evaluation,
    Fidelity,
)
from lionheart_opt.system import System
from lionheart_opt.workload import Unit, Workload

Objective = Literal["latency_s", "energy_j", "interval_s", "drop"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Minimise the objectives over mappings, within the limits.

    Args:
        workload: what must run.
        system: what it can run on.
        cost_model: prices mappings; free.
        oracle: measures accuracy; what the budget is spent on.
        objectives: names of what to minimise, at least one.
        accuracy_limit: largest accepted drop; its time is also where the objective `drop` is read.
        cost_limits: largest accepted `latency_s`, `energy_j` or `interval_s`.
        training: how weights are obtained where a candidate does not say.
        seed: of the oracle (programming draws, training), common to all strategies.
    """

    workload: Workload
    system: System
    cost_model: CostModel
    oracle: AccuracyOracle
    objectives: tuple[Objective, ...]
    accuracy_limit: AccuracyLimit
    cost_limits: dict[str, float] = field(default_factory=dict)
    training: Training = "full"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise unknown("objective", name, OBJECTIVES)
        if not self.objectives:
            raise InputError(f"objectives: at least one of {', '.join(OBJECTIVES)} is needed")
        for limit in self.cost_limits:
            if limit not in OBJECTIVES[:-1]:
                raise unknown("cost limit", limit, OBJECTIVES[:-1])

    @cached_property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """Unit -> names of the targets that can run it, host first; every unit of the workload."""
        return {
            unit.name: self.system.targets_of(self.workload, unit) for unit in self.workload.units
        }

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The units that have a choice, in execution order: the search space."""
        return tuple(unit for unit in self.workload.units if len(self.choices[unit.name]) > 1)

    @cached_property
    def all_digital(self) -> Mapping:
        """Every unit on the host."""
        return Mapping.of(dict.fromkeys(self.choices, self.system.host))

    @cached_property
    def all_analog(self) -> Mapping:
        """Every unit on the first analog target that can run it, the rest on the host."""
        return Mapping.of({unit: self.analog_target(unit) for unit in self.choices})

    def analog_target(self, unit: str) -> str:
        """The first analog target that can run the unit; the host where none can."""
        for name in self.choices[unit]:
            if name in self.system.analog_targets:
                return name
        return self.system.host

    def mapping(self, assignments: dict[str, str]) -> Mapping:
        """A complete mapping: the given assignments, everything else on the host.

        Raises:
            InputError: a unit does not exist or a target cannot run it.
        """
        mapping = self.all_digital
        for unit, target in assignments.items():
            mapping = mapping.move(unit, target)
        self.check(mapping)
        return mapping

    def check(self, mapping: Mapping) -> None:
        """Refuse a mapping that is incomplete or that asks a target for what it cannot run.

        Raises:
            InputError: naming the unit, the target and what is allowed.
        """
        for unit in mapping:
            if unit not in self.choices:
                raise unknown("unit", unit, self.choices, "mapping")
        for unit, allowed in self.choices.items():
            if mapping[unit] not in allowed:
                self.system.target(mapping[unit])
                raise InputError(
                    f"mapping: target {mapping[unit]!r} cannot run unit {unit!r}; "
                    f"allowed: {', '.join(allowed)}"
                )

    def pretrained(self, mapping: Mapping) -> Candidate:
        """The candidate that starts from the floating-point network."""
        return Candidate(mapping)

    def cost(self, mapping: Mapping) -> Cost:
        """Price a mapping; costs no budget."""
        return self.cost_model.cost(self.workload, mapping)

    @cached_property
    def digital_cost(self) -> Cost:
        """Cost of all-digital: what speed-ups are measured against."""
        return self.cost(self.all_digital)

    def analog_mac_ratio(self, mapping: Mapping) -> float:
        """Analog MACs / all MACs (LionHeart section IV-E)."""
        analog = sum(
            self.workload.unit_macs(unit)
            for unit in self.workload.units
            if mapping[unit.name] in self.system.analog_targets
        )
        return analog / self.workload.macs

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
        cost = self.cost(candidate.mapping)
        if any(violation > 0 for violation in self.cost_violations(cost).values()):
            return self.evaluation(candidate, None)
        training = candidate.training or self.training
        accuracy: Accuracy | None = None
        done = 0
        for draws in self.accuracy_limit.draws:
            more = self.oracle.accuracy(
                candidate, Fidelity(training=training, draws=(done, draws)), self.seed
            )
            accuracy = more if accuracy is None else accuracy.extend(more)
            done = draws
            if self.accuracy_limit.decision(accuracy) != "open":
                break
        return self.evaluation(candidate, accuracy)

    def evaluation(self, candidate: Candidate, accuracy: Accuracy | None) -> Evaluation:
        """The evaluation that follows from an accuracy; also how a record is read back."""
        cost = self.cost(candidate.mapping)
        violations = self.cost_violations(cost)
        drop = 1.0  # the worst there is, where a broken cost limit spared the oracle
        if accuracy is not None:
            violations["drop"] = self.accuracy_limit.violation(accuracy)
            drop = self.accuracy_limit.bounds(accuracy).estimate
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


def by_macs_descending(workload: Workload, units: Sequence[Unit]) -> list[Unit]:
    """Units by MACs, most first; ties keep execution order (LionHeart section III, step 1)."""
    return sorted(units, key=workload.unit_macs, reverse=True)

"""What records say: rows of `show`, `compare` and `cost`, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.feasibility import Bounds, paired
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.protocols import Accuracy, Cost, Evaluation, oracle_seconds
from lionheart_opt.space import Space
from lionheart_opt.study import incumbent

if TYPE_CHECKING:
    from lionheart_opt.studyfile import StudyFile

#: Drop at which a point is worth nothing to the hypervolume: LionHeart's largest threshold (10 %).
REFERENCE_DROP = 0.10


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One search as its record shows it.

    Args:
        label: what tables call the strategy.
        seed: of the strategy.
        problem: what it answers.
        evaluations: in the order in which they were proposed.
        checks: of the incumbent: name (`test`, ...) -> samples; see `lionheart_opt.final`.
    """

    label: str
    seed: int
    problem: Problem
    evaluations: Sequence[Evaluation]
    checks: dict[str, Accuracy] = field(default_factory=dict)

    @property
    def oracle_s(self) -> float:
        """Seconds of oracle time spent."""
        return oracle_seconds(self.evaluations)

    @property
    def best(self) -> Evaluation | None:
        """The incumbent."""
        return incumbent(self.evaluations)


def drop_of(problem: Problem, evaluation: Evaluation) -> float | None:
    """The limit's statistic (mean or quantile) at its worst time; None if nothing was measured."""
    if evaluation.accuracy is None:
        return None
    return problem.accuracy_limit.bounds(evaluation.accuracy).estimate


def check_drops(run: Run) -> dict[str, float]:
    """Name of each final check -> drop of the incumbent, as `drop_of`."""
    limit = run.problem.accuracy_limit
    return {name: limit.bounds(accuracy).estimate for name, accuracy in run.checks.items()}


def gains(problem: Problem, cost: Cost) -> tuple[float, float]:
    """Speed-up and energy gain over all-digital."""
    digital = problem.digital_cost
    return (
        digital.time_per_inference_s / cost.time_per_inference_s,
        digital.energy_j / cost.energy_j,
    )


def show_row(run: Run) -> dict[str, Any]:
    """One search: its incumbent and what it spent."""
    best = run.best
    row: dict[str, Any] = {
        "strategy": run.label,
        "seed": run.seed,
        "trials": len(run.evaluations),
        "oracle_seconds": run.oracle_s,
        "feasible": best is not None,
    }
    if best is None:
        keys = ("mapping", "drop", "latency_s", "energy_j", "speedup", "energy_gain")
        return {**row, **dict.fromkeys((*keys, "analog_mac_ratio"))}
    speedup, energy_gain = gains(run.problem, best.cost)
    return {
        **row,
        "mapping": best.mapping.to_json(),
        "drop": drop_of(run.problem, best),
        "latency_s": best.cost.latency_s,
        "energy_j": best.cost.energy_j,
        "speedup": speedup,
        "energy_gain": energy_gain,
        "analog_mac_ratio": run.problem.analog_mac_ratio(best.mapping),
    }


def binding(run: Run) -> str:
    """The limit that most often stood in the way, and how often; empty where nothing did."""
    broken: dict[str, int] = {}
    for one in run.evaluations:
        for name, violation in one.violations.items():
            if violation > 0:
                broken[name] = broken.get(name, 0) + 1
    if not broken:
        return ""
    name = max(broken, key=broken.__getitem__)
    return f"{name} in {broken[name]} of {len(run.evaluations)}"


def points(run: Run) -> np.ndarray:
    """Relative latency (1 is all-digital) and drop of every evaluation with an accuracy, (n, 2)."""
    digital = run.problem.digital_cost.time_per_inference_s
    pairs = [
        (one.cost.time_per_inference_s / digital, drop_of(run.problem, one))
        for one in run.evaluations
        if one.accuracy is not None
    ]
    return np.array(pairs, dtype=float).reshape(-1, 2)


def hypervolume(pairs: np.ndarray, reference: tuple[float, float] = (1.0, REFERENCE_DROP)) -> float:
    """Area that points (to be minimised) dominate below the reference, as a share of it.

    Drops below zero count as zero, so that a lucky draw gains nothing.

    Args:
        pairs: shape (n, 2): relative latency and drop.
        reference: the corner that is worth nothing.
    """
    clipped = np.clip(pairs, 0.0, None)
    inside = clipped[(clipped < reference).all(axis=1)]
    area, lowest = 0.0, reference[1]
    for latency, drop in inside[np.argsort(inside[:, 0], kind="stable")]:
        if drop < lowest:
            area += (reference[0] - latency) * (lowest - drop)
            lowest = drop
    return area / (reference[0] * reference[1])


def hypervolume_history(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Oracle seconds and hypervolume after each evaluation with an accuracy, each of shape (n,)."""
    seconds, values = [0.0], [0.0]
    count = 0
    every = points(run)
    for k, one in enumerate(run.evaluations):
        if one.accuracy is not None:
            count += 1
            seconds.append(oracle_seconds(run.evaluations[: k + 1]))
            values.append(hypervolume(every[:count]))
    return np.array(seconds), np.array(values)


def median_draws(runs: Sequence[Run]) -> float | None:
    """Programming draws that the limit's decision took, median over trials with an accuracy."""
    draws = [len(one.accuracy.samples) for run in runs for one in run.evaluations if one.accuracy]
    return float(np.median(draws)) if draws else None


def compare_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row a strategy: medians over its seeds, quartiles of the hypervolume."""
    labels = dict.fromkeys(run.label for run in runs)
    return [
        _compare_row(label, [run for run in runs if run.label == label], runs) for label in labels
    ]


def drop_above_best(runs: Sequence[Run], everyone: Sequence[Run]) -> Bounds | None:
    """By how much a strategy's incumbent drops more than the best of all strategies, draw by draw.

    Mean at the last of the limit's times. None where that says nothing: no incumbent, the same
    mapping, or answers to another problem.

    Args:
        runs: of the strategy.
        everyone: of all strategies.
    """
    problem = runs[0].problem
    mine = incumbent([one for run in runs for one in run.evaluations])
    others = [run for run in everyone if run.problem is problem]
    best = incumbent([one for run in others for one in run.evaluations])
    if mine is None or best is None or mine.mapping == best.mapping:
        return None
    if mine.accuracy is None or best.accuracy is None:
        return None
    return paired(mine.accuracy, best.accuracy, max(problem.accuracy_limit.times_s))


def _compare_row(label: str, runs: Sequence[Run], everyone: Sequence[Run]) -> dict[str, Any]:
    rows = [show_row(run) for run in runs]
    found = [row for row in rows if row["feasible"]]
    volumes = [hypervolume(points(run)) for run in runs]

    def median(key: str) -> float | None:
        return float(np.median([row[key] for row in found])) if found else None

    names = dict.fromkeys(name for run in runs for name in run.checks)
    drops = [check_drops(run) for run in runs]
    above = drop_above_best(runs, everyone)
    low, middle, high = np.quantile(volumes, [0.25, 0.5, 0.75])
    return {
        "strategy": label,
        "seeds": len(runs),
        "seeds_feasible": len(found),
        "trials": float(np.median([row["trials"] for row in rows])),
        "oracle_seconds": float(np.median([row["oracle_seconds"] for row in rows])),
        "draws": median_draws(runs),
        "drop": median("drop"),
        "drop_above_best": above
        and {"estimate": above.estimate, "interval": [above.low, above.high]},
        "drop_in_checks": {
            name: float(np.median([one[name] for one in drops if name in one])) for name in names
        },
        "speedup": median("speedup"),
        "energy_gain": median("energy_gain"),
        "analog_mac_ratio": median("analog_mac_ratio"),
        "hypervolume": float(middle),
        "hypervolume_quartiles": [float(low), float(high)],
        "mappings": len({tuple(sorted(row["mapping"].items())) for row in found}),
    }


def cost_report(
    problem_model: str, system: str, cost: Cost, digital: Cost, ratio: float
) -> dict[str, Any]:
    """JSON of `cost`: totals, gains over all-digital, one entry a layer."""
    return {
        "system": system,
        "model": problem_model,
        "latency_s": cost.latency_s,
        "interval_s": cost.time_per_inference_s,
        "energy_j": cost.energy_j,
        "speedup": digital.time_per_inference_s / cost.time_per_inference_s,
        "energy_gain": digital.energy_j / cost.energy_j,
        "analog_mac_ratio": ratio,
        "tiles": cost.tiles,
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "target": layer.target,
                "macs": layer.macs,
                "latency_s": layer.latency_s,
                "energy_j": layer.energy_j,
            }
            for layer in cost.layers
        ],
    }


def short(space: Space, mapping: Mapping) -> str:
    """The units that are not on the host, in one line; those without a choice are left out."""
    host = space.system.host
    free = [unit.name for unit in space.units]
    moved = [unit for unit in free if mapping[unit] != host]
    if not moved:
        return "all-digital"
    if mapping == space.all_analog:
        return "all-analog"
    several = len({mapping[unit] for unit in moved}) > 1
    return " ".join(f"{unit}={mapping[unit]}" if several else unit for unit in moved)


def plan(file: StudyFile) -> dict[str, Any]:
    """What `check` prints: the study resolved, the extreme mappings priced, the searches listed."""
    problem = file.problem
    extremes = []
    for name, mapping in (("all-digital", problem.all_digital), ("all-analog", problem.all_analog)):
        cost = problem.cost(mapping)
        speedup, energy_gain = gains(problem, cost)
        extremes.append(
            {
                "mapping": name,
                "latency_s": cost.latency_s,
                "energy_j": cost.energy_j,
                "speedup": speedup,
                "energy_gain": energy_gain,
                "analog_mac_ratio": problem.analog_mac_ratio(mapping),
                "tiles": cost.tiles,
                "violations": problem.cost_violations(cost),
            }
        )
    return {
        "study": file.name,
        "question": file.table.question,
        "system": file.system.name,
        "model": file.table.model.name,
        "macs": problem.workload.macs,
        "weights": problem.workload.weight_count,
        "mappings": prod(len(problem.choices[unit.name]) for unit in problem.units),
        "units": [
            {
                "name": unit.name,
                "macs": problem.workload.unit_macs(unit),
                "targets": list(problem.choices[unit.name]),
            }
            for unit in problem.workload.units
        ],
        "extremes": extremes,
        "limits": file.table.limits.model_dump(mode="json"),
        "objectives": list(problem.objectives),
        "storage": file.table.storage,
        "searches": [
            {
                "strategy": run.name,
                "seed": seed,
                "budget": (run.budget or file.table.budget).model_dump(mode="json"),
            }
            for run, seed in file.runs()
        ],
    }

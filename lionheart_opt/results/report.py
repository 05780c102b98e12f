"""What `check`, `cost` and `show` say, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.cost import COST_OBJECTIVES, Cost, CostObjective, LayerCost
from lionheart_opt.estimates import Estimate, names_with_ends, with_ends
from lionheart_opt.mapping import Mapping
from lionheart_opt.masking import shown_url
from lionheart_opt.oracle_context import SaysNumerics
from lionheart_opt.problem import Problem
from lionheart_opt.results.result import SearchResult
from lionheart_opt.space import Space
from lionheart_opt.uncertainty import ESTIMATED, estimates_of

#: Keys of a row of `show` that say what a mapping gains.
GAINS = (*names_with_ends(("speedup", "energy_gain")), "analog_mac_ratio")
#: Why costs have no interval.
NO_INTERVAL = "the system file says of no constant that matters here how well it is known"

if TYPE_CHECKING:
    from lionheart_opt.study.file import StudyFile
    from lionheart_opt.study.script import StudyScript


def show_row(result: SearchResult) -> dict[str, Any]:
    """One search as `show --json` prints it: its best mapping and what it spent.

    `trial` is the number of the best trial, from 0. It is None where nothing beats all-digital, which is
    then the mapping, unless it was proposed, too. `outcome` says in words what is to be said about that.
    `ended` is false where a run was interrupted or goes on.

    `baseline` is the accuracy of the floating-point network, `drop_high` the upper confidence bound of
    the drop, and `test_drop` the drop of the same mapping on test data with fresh draws. `verdict` says
    whether that shows that it keeps the limit (`verified`, `not verified`); `verified_high` is then the
    upper bound on test data, and `untested` the number of cheaper mappings that are still to be tested.
    `candidate_trial` is the number of the trial that is best by the data of the search alone: another one
    than `trial` where the test data verify a safer mapping only. What is not known is None. `diverged`
    and `failed` have the numbers of the trials whose training diverged, and whose evaluation failed.

    `latency_low_s`, `speedup_high` and so on are the ends of intervals of 95 %; None where the system
    says of no constant that matters how well it is known. Gains share the errors of the constants.
    """
    best = result.best
    row: dict[str, Any] = {
        "strategy": result.label,
        "seed": result.seed,
        "trial": result.best_trial,
        "trials": len(result.evaluations),
        "ended": result.has_ended,
        "oracle_seconds": result.oracle_s,
        "feasible": best is not None,
        "beats_all_digital": result.beats_all_digital,
        "outcome": result.outcome,
        "mapping": None,
        "baseline": result.baseline,
    }
    row |= dict.fromkeys(("drop", "drop_high", "test_drop"))
    row |= dict.fromkeys(("verdict", "untested", "candidate_trial", "verified_high"))
    row |= dict.fromkeys((*names_with_ends(ESTIMATED), "analog_mac_ratio"))
    row |= {"diverged": result.diverged, "failed": result.failed}
    if best is None:
        return row
    bounds = result.best_bounds
    if bounds is not None:
        row |= {"drop": bounds.estimate, "drop_high": bounds.high}
    if result.candidate is not None:
        row["candidate_trial"] = result.number_of(result.candidate)
    if result.verdict is not None:
        is_verified = result.verdict.verified is not None
        row["verdict"] = "verified" if is_verified else "not verified"
        row["untested"] = result.verdict.untested
        if is_verified:
            row["verified_high"] = result.verdict.bounds.high
    return {
        **row,
        "mapping": best.mapping.to_json(),
        "test_drop": result.best_checks.get("test"),
        **with_ends(result.best_estimates),
        "analog_mac_ratio": result.problem.analog_mac_ratio(best.mapping),
    }


def binding(run: SearchResult) -> str:
    """The limit that was broken most often, and how often; empty if none was broken."""
    broken: dict[str, int] = {}
    for evaluation in run.evaluations:
        for name, violation in evaluation.violations.items():
            if violation > 0:
                broken[name] = broken.get(name, 0) + 1
    if not broken:
        return ""
    name = max(broken, key=broken.__getitem__)
    return f"{name} in {broken[name]} of {len(run.evaluations)}"


def median_draws(runs: Sequence[SearchResult]) -> float | None:
    """Median number of programming draws of the trials that have an accuracy."""
    draws = [
        len(evaluation.accuracy.samples)
        for run in runs
        for evaluation in run.evaluations
        if evaluation.accuracy is not None
    ]
    return float(np.median(draws)) if draws else None


def per_token(cost: Cost, tokens: int | None) -> dict[str, Any]:
    """Tokens per second and joules per token, where an inference has so many tokens; otherwise None."""
    if tokens is None:
        names = ("tokens_per_s", "energy_per_token_j")
        return {"tokens": None, **dict.fromkeys(names_with_ends(names))}
    energy = cost.estimate("energy_j")
    estimates = {
        "tokens_per_s": cost.estimate("interval_s").inverse.times(tokens),
        "energy_per_token_j": energy.times(1.0 / tokens),
    }
    return {"tokens": tokens, **with_ends(estimates)}


def cost_report(model: str, system: str, cost: Cost, digital: Cost, ratio: float) -> dict[str, Any]:
    """JSON of `cost`: totals, gains over all-digital, one entry a layer, intervals of 95 %.

    Each layer has its `components`, which add up to its latency and energy.

    The ends of an interval are None where `no_interval` says why nothing is known. The intervals follow
    from the `errors`.
    """
    estimates = estimates_of(cost, digital)
    return {
        "system": system,
        "model": model,
        **with_ends(estimates),
        "no_interval": ""
        if estimates["latency_s"].low or estimates["energy_j"].low
        else NO_INTERVAL,
        "errors": list(cost.spread.errors) if cost.spread else [],
        "interval_bound_s": cost.interval_bound_s,
        **with_ends({"inferences_per_s": estimates["interval_s"].inverse}),
        "analog_mac_ratio": ratio,
        "fits": cost.fits,
        "misfit": cost.misfit,
        "not_priced": list(cost.not_priced),
        "tiles": cost.tiles,
        "reprogramming": {target: asdict(what) for target, what in cost.rewriting.items()},
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "target": layer.target,
                "place": layer.place,
                "macs": layer.macs,
                **with_ends(_estimates_of_layer(cost, layer)),
                "components": {
                    part: {"latency_s": latency_s, "energy_j": energy_j}
                    for part, (latency_s, energy_j) in layer.components.items()
                },
            }
            for layer in cost.layers
        ],
    }


def _estimates_of_layer(cost: Cost, layer: LayerCost) -> dict[str, Estimate]:
    latency, energy = cost.layer_estimates(layer)
    return {"latency_s": latency, "energy_j": energy}


def short(space: Space, mapping: Mapping) -> str:
    """The units that are not on the host, in one line; those without a choice are left out."""
    host = space.system.host
    free = [unit.name for unit in space.units]
    moved = [unit for unit in free if mapping[unit] != host]
    if not moved:
        return "all-digital"
    if mapping == space.all_analog:
        return "all-analog"
    name_targets = len({mapping[unit] for unit in moved}) > 1
    return " ".join(f"{unit}={mapping[unit]}" if name_targets else unit for unit in moved)


def plan(source: StudyFile | StudyScript, problem: Problem) -> dict[str, Any]:
    """What `check` prints: the study resolved, the extreme mappings priced, the searches listed.

    Args:
        source: The study.
        problem: Its problem.
    """
    extremes = []
    for name, mapping in (("all-digital", problem.all_digital), ("all-analog", problem.all_analog)):
        cost = problem.cost(mapping)
        extremes.append(
            {
                "mapping": name,
                **with_ends(estimates_of(cost, problem.digital_cost)),
                "analog_mac_ratio": problem.analog_mac_ratio(mapping),
                "fits": cost.fits,
                "misfit": cost.misfit,
                "tiles": cost.tiles,
                "violations": problem.cost_violations(cost),
            }
        )
    limit = problem.accuracy_limit
    limits: dict[CostObjective, float | None] = dict.fromkeys(COST_OBJECTIVES)
    return {
        "study": source.name,
        "question": source.question_text,
        "system": problem.system.name,
        "numerics": problem.oracle.numerics if isinstance(problem.oracle, SaysNumerics) else None,
        "model": source.model_name,
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
        "limits": {
            "max_drop": limit.max_drop,
            "metric": problem.metric.to_json(),
            "time_s": limit.times_s[0] if len(limit.times_s) == 1 else list(limit.times_s),
            "quantile": limit.quantile,
            "confidence": limit.confidence,
            "draws": list(limit.draws),
            **limits,
            **problem.cost_limits,
        },
        "objectives": list(problem.objectives),
        "storage": None if source.storage_url is None else shown_url(source.storage_url),
        "searches": [
            {
                "strategy": plan.label,
                "seed": plan.seed,
                "budget": asdict(plan.budget),
            }
            for plan in source.plans()
        ],
    }

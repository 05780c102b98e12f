"""Strategies on made-up problems whose best mappings are known by brute force.

The results are tendencies only: the problems are synthetic (`lionheart_opt.synthetic`), every budget is
small, and the oracle's seconds are made up, too (600 s a full training, 60 s a short one, 2 s a draw).

    python benchmarks/strategies_on_table.py --units 10 --hours 8 --seeds 10 --slow
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import optuna

from lionheart_opt.evaluation import Evaluation, oracle_seconds
from lionheart_opt.plugins import build
from lionheart_opt.problem import Problem
from lionheart_opt.results.metrics import hypervolume
from lionheart_opt.synthetic import synthetic_problem, tabulated
from lionheart_opt.testing import brute_force, drive

ENDS = {"enqueue": ["all-digital", "all-analog"]}
#: Row -> strategy and arguments.
ROWS: dict[str, tuple[str, dict[str, object]]] = {
    "first-last-digital": ("fixed", {}),
    "random": ("random", {}),
    "mac_greedy": ("mac_greedy", {}),
    "greedy, sensitivity": ("greedy", {"order": "sensitivity"}),
    "greedy, saving/loss": ("greedy", {}),
    "greedy, backward": ("greedy", {"start": "all-analog"}),
    "harmonica": ("harmonica", {}),
    "local_search": ("local_search", {}),
    "knapsack": ("knapsack", {}),
    "quadratic": ("quadratic", {}),
    "one_shot": ("one_shot", {}),
    "TPE": ("optuna", ENDS),
    "TPE, batch of 4": ("optuna", {**ENDS, "batch": 4}),
    "TPE, batch of 8": ("optuna", {**ENDS, "batch": 8}),
    "TPE, profile": ("optuna", {"profile": "none"}),
    "NSGA-II": ("optuna", {"sampler": "NSGAIISampler", "arguments": {"population_size": 10}}),
}
#: Half a second or more a proposal.
SLOW_ROWS: dict[str, tuple[str, dict[str, object]]] = {
    "GP": ("optuna", {"sampler": "GPSampler", **ENDS}),
    "GP, profile": ("optuna", {"sampler": "GPSampler", "profile": "none"}),
}


def speedup(problem: Problem, evaluations: list[Evaluation]) -> float:
    """All-digital latency over that of the fastest feasible mapping (all-digital at worst)."""
    digital = problem.digital_cost.latency_s
    feasible_s = [evaluation.cost.latency_s for evaluation in evaluations if evaluation.feasible]
    return digital / min([digital, *feasible_s])


def area(problem: Problem, evaluations: list[Evaluation]) -> float:
    """Hypervolume of feasible (latency, drop) below all-digital's latency and the largest drop."""
    digital = problem.digital_cost.latency_s
    points = [
        (evaluation.cost.latency_s / digital, evaluation.objectives["drop"])
        for evaluation in evaluations
        if evaluation.feasible
    ]
    return hypervolume(np.array(points).reshape(-1, 2), problem.accuracy_limit.max_drop)


def compare(
    rows: dict[str, tuple[str, dict[str, object]]],
    problems: list[Problem],
    metric: Callable[[Problem, list[Evaluation]], float],
    oracle_s: float,
) -> None:
    """Print the metric as a share of brute force's, trials and oracle hours, medians over problems."""
    best = [metric(problem, brute_force(problem)) for problem in problems]
    print(f"{'':22}{'share of brute force':>24}{'trials':>9}{'oracle hours':>14}")
    for row, (name, arguments) in rows.items():
        shares, counts, hours = [], [], []
        for seed, problem in enumerate(problems):
            evaluations = drive(
                build("strategies", name, arguments), problem, seed=seed, oracle_s=oracle_s
            )
            shares.append(metric(problem, evaluations) / best[seed])
            counts.append(len(evaluations))
            hours.append(oracle_seconds(evaluations) / 3600.0)
        low, middle, high = np.quantile(shares, [0.0, 0.5, 1.0])
        print(
            f"{row:22}{middle:10.3f} ({low:.3f}-{high:.3f})"
            f"{np.median(counts):9.0f}{np.median(hours):14.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=8)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--slow", action="store_true", help="also Gaussian processes")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = ROWS | SLOW_ROWS if options.slow else ROWS
    single, double = [], []
    for seed in range(options.seeds):
        problem = synthetic_problem(n_units=options.units, seed=seed, max_drop=0.03)
        problem = replace(problem, oracle=tabulated(problem))
        single.append(problem)
        limit = replace(problem.accuracy_limit, max_drop=0.2)
        double.append(replace(problem, objectives=("latency_s", "drop"), accuracy_limit=limit))
    print(f"One objective: speed-up at a drop of 3 points, {options.hours} oracle hours at most")
    compare(rows, single, speedup, options.hours * 3600.0)
    print("\nTwo objectives: hypervolume of (latency, drop) up to a drop of 20 points")
    compare(rows, double, area, options.hours * 3600.0)


if __name__ == "__main__":
    main()

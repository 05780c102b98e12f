"""How many programming draws are saved by stopping as soon as a limit is decided.

    python benchmarks/draws_saved.py
    python benchmarks/draws_saved.py --table accuracies.npz --max-drop 0.01

Both ways decide with the same confidence: `sequential` stops as soon as the confidence bounds are on one
side of the threshold, `fixed` takes the largest number of draws at once. Made-up candidates have true
drops on both sides of the threshold, at a distance in standard deviations of their draws; what is
undecided at the end counts as infeasible. With a table of recorded accuracies, its mappings are decided,
too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.oracle.table import AccuracyTable

MAX_DROP, DEVIATION, BASELINE = 0.05, 0.005, 0.9
LIMITS = {
    "mean": AccuracyLimit(max_drop=MAX_DROP, time_s=1.0, draws=(5, 10, 20)),
    "90 % quantile": AccuracyLimit(max_drop=MAX_DROP, time_s=1.0, quantile=0.9, draws=(15, 45, 90)),
}
#: True mean or quantile above the threshold, in standard deviations of the draws.
DISTANCES = (-4.0, -2.0, -1.0, -0.5, -0.05, 0.05, 0.5, 1.0, 2.0, 4.0)


def decide(limit: AccuracyLimit, accuracy: Accuracy) -> tuple[str, int]:
    """The decision and the draws that it took."""
    for draws in limit.draws:
        decision = limit.decision(replace(accuracy, samples=accuracy.samples[:draws]))
        if decision != "open":
            break
    return decision, draws


def standard_draws(shape: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of mean 0 and standard deviation 1; skewness 0 or 1."""
    return rng.normal(size=n) if shape == "normal" else (rng.gamma(4.0, size=n) - 4.0) / 2.0


def made_up(repetitions: int) -> list[dict[str, Any]]:
    """One row for each statistic, shape of the draws and distance from the threshold."""
    rows = []
    for statistic, limit in LIMITS.items():
        for shape in ("normal", "skewed"):
            rng = np.random.default_rng(0)
            zero = limit.statistic(standard_draws(shape, 10**6, rng))
            for distance in DISTANCES:
                counts = {"holds": 0, "broken": 0, "open": 0}
                fixed, draws = dict(counts), 0
                for _ in range(repetitions):
                    values = standard_draws(shape, limit.draws[-1], rng) - zero + distance
                    samples = BASELINE - MAX_DROP - DEVIATION * values[:, None]
                    accuracy = Accuracy(samples=samples, times_s=(1.0,), baseline=BASELINE)
                    decision, taken = decide(limit, accuracy)
                    counts[decision] += 1
                    draws += taken
                    fixed[decide(replace(limit, draws=limit.draws[-1:]), accuracy)[0]] += 1
                wrong = "holds" if distance > 0 else "broken"
                right = "broken" if distance > 0 else "holds"
                rows.append(
                    {
                        "statistic": statistic,
                        "shape": shape,
                        "distance": distance,
                        "draws": draws / repetitions,
                        "fixed_draws": limit.draws[-1],
                        "wrong": counts[wrong] / repetitions,
                        "fixed_wrong": fixed[wrong] / repetitions,
                        "right": counts[right] / repetitions,
                        "fixed_right": fixed[right] / repetitions,
                    }
                )
    return rows


def recorded(table: AccuracyTable, max_drop: float) -> dict[str, Any]:
    """The mappings of a table whose draws differ, decided in the order of their draws."""
    limit = replace(LIMITS["mean"], max_drop=max_drop, time_s=table.times_s[-1])
    fixed = replace(limit, draws=limit.draws[-1:])
    accuracies = [
        Accuracy(samples=samples.astype(float), times_s=table.times_s, baseline=table.baseline)
        for samples in table.samples
        if np.ptp(samples)
    ]
    decisions = [(*decide(limit, accuracy), decide(fixed, accuracy)[0]) for accuracy in accuracies]
    return {
        "mappings": len(accuracies),
        "max_drop": max_drop,
        "draws": float(np.mean([draws for _, draws, _ in decisions])),
        "fixed_draws": limit.draws[-1],
        "holds": sum(decision == "holds" for decision, _, _ in decisions),
        "fixed_holds": sum(decision == "holds" for _, _, decision in decisions),
        "contradictions": sum(
            {sequential, at_once} == {"holds", "broken"} for sequential, _, at_once in decisions
        ),
    }


def show(rows: Sequence[dict[str, Any]]) -> None:
    head = (
        f"{'':25}{'right':^20}{'wrong':^20}\n{'distance':>9}{'draws':>8}{'saved':>8}"
        f"{'sequential':>12}{'fixed':>8}{'sequential':>12}{'fixed':>8}"
    )
    before = ""
    for row in rows:
        title = f"{row['statistic']}, {row['shape']} draws, at most {row['fixed_draws']}"
        if title != before:
            print(f"\n{title}\n{head}")
            before = title
        saved = 1 - row["draws"] / row["fixed_draws"]
        print(
            f"{row['distance']:+9.2f}{row['draws']:8.1f}{saved:8.0%}{row['right']:12.1%}"
            f"{row['fixed_right']:8.1%}{row['wrong']:12.1%}{row['fixed_wrong']:8.1%}"
        )
    print("\nDistance of the true drop from the threshold: in standard deviations of the draws.")
    print("Draws: mean number until decided. Right, wrong: share of the candidates.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--table", type=Path, help="recorded accuracies (AccuracyTable.save)")
    parser.add_argument("--max-drop", type=float, default=0.01, help="threshold for the table")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data: dict[str, Any] = {"made_up": made_up(options.repetitions)}
    if options.table:
        data["recorded"] = recorded(AccuracyTable.load(options.table), options.max_drop)
    if options.json:
        print(json.dumps(data, indent=2))
        return
    show(data["made_up"])
    if options.table:
        print(
            "\nrecorded:",
            ", ".join(f"{name} {value:g}" for name, value in data["recorded"].items()),
        )


if __name__ == "__main__":
    main()

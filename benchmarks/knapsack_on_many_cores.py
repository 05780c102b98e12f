"""Does `knapsack` find what the best of all other strategies find on the many-core?

ResNet-18 on 256x256 images, ResNet-20 and MobileNet, for latency, energy and interval, once with an
oracle that accepts every mapping and once with one that does not: losses of units are drawn at random,
and about a third of all-analog's is allowed. A row has the least cost of any feasible mapping that each
strategy proposed within 300 trials, divided by the least of all: 1 is best.

    python benchmarks/knapsack_on_many_cores.py --kept rows.jsonl

Rows that are in the file already are not measured again, if they are of the same prices.

Measured: `knapsack` is at 1.0000 in all 18 rows. In four no other strategy reaches it: ResNet-18, latency
(1.0699 at best; 1.0466 with the strict oracle), and MobileNet, latency (1.0072 with both oracles).
MAC-ordered greedy is up to 1.9 times as slow (MobileNet, interval). In each of the six rows of energies,
another strategy reaches `knapsack`. MAC-ordered greedy takes up to 1.30 times the energy (ResNet-20,
strict oracle), local search 1.51 times (ResNet-18, strict). All rows take six minutes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from lionheart_opt.api import trace
from lionheart_opt.cost import COST_OBJECTIVES, CostObjective
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import TRAININGS
from lionheart_opt.plugins import build, cost_model, load_system
from lionheart_opt.problem import Problem
from lionheart_opt.synthetic import SyntheticOracle
from lionheart_opt.testing import drive
from lionheart_opt.workload import Workload

NETWORKS = {"resnet18": (3, 256, 256), "resnet20": (3, 32, 32), "mobilenet": (3, 32, 32)}
#: Row -> strategy and arguments.
ROWS: dict[str, tuple[str, dict[str, object]]] = {
    "knapsack": ("knapsack", {}),
    "mac_greedy": ("mac_greedy", {}),
    "greedy": ("greedy", {}),
    "greedy, backward": ("greedy", {"start": "all-analog"}),
    "local_search": ("local_search", {}),
    "quadratic": ("quadratic", {}),
    "TPE": ("optuna", {"enqueue": ["all-digital", "all-analog"]}),
    "harmonica": ("harmonica", {}),
    "random": ("random", {}),
}
TRIALS = 300
#: Largest accepted drop, and that of all-analog where the oracle is strict.
MAX_DROP, ALL_ANALOG_DROP = 0.02, 0.06


def problem_of(workload: Workload, objective: CostObjective, is_strict: bool) -> Problem:
    """The problem on the built-in many-core."""
    system = load_system("manycore")
    names = tuple(unit.name for unit in workload.units)
    losses = np.random.default_rng(0).lognormal(sigma=1.2, size=len(names))
    losses *= ALL_ANALOG_DROP / losses.sum() if is_strict else 0.0
    oracle = SyntheticOracle(
        units=names,
        analog={"ima": 1.0},
        single=dict.fromkeys(TRAININGS, losses),
        pair=np.zeros((len(names), len(names))),
        noise=0.0,
    )
    return Problem(
        workload=workload,
        system=system,
        cost_model=cost_model(system),
        oracle=oracle,
        objectives=(objective,),
        accuracy_limit=AccuracyLimit(max_drop=MAX_DROP, time_s=(86_400.0,)),
        training="none",
    )


def least_cost(problem: Problem, row: str) -> float:
    """The least cost of the feasible mappings that a strategy proposes, or all-digital's."""
    name, arguments = ROWS[row]
    evaluations = drive(build("strategies", name, arguments), problem, trials=TRIALS)
    objective = problem.objectives[0]
    assert objective != "drop"
    feasible = [each.objectives[objective] for each in evaluations if each.feasible]
    return min([problem.digital_cost.value(objective), *feasible])


def main() -> None:
    """Print one line a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument(
        "--objectives", nargs="*", default=list(COST_OBJECTIVES), choices=COST_OBJECTIVES
    )
    parser.add_argument("--kept", type=Path, help="file of the rows that are measured")
    chosen = parser.parse_args()
    print(f"{'network, objective, oracle':36}" + "".join(f"{row[:12]:>13}" for row in ROWS))
    kept = _read(chosen.kept)
    for name in chosen.networks:
        workload = trace(name, NETWORKS[name])
        for objective in chosen.objectives:
            for is_strict in (False, True):
                problem = problem_of(workload, objective, is_strict)
                label = f"{name}, {objective}, {'strict' if is_strict else 'accepts all'}"
                key = f"{label}, {problem.system.digest}"
                if key not in kept:
                    start = time.perf_counter()
                    costs = {row: least_cost(problem, row) for row in ROWS}
                    kept[key] = {"costs": costs, "seconds": time.perf_counter() - start}
                    if chosen.kept:
                        with chosen.kept.open("a") as file:
                            file.write(json.dumps({"row": key, **kept[key]}) + "\n")
                least = min(kept[key]["costs"].values())
                shares = "".join(f"{cost / least:13.4f}" for cost in kept[key]["costs"].values())
                print(f"{label:36}{shares}   {kept[key]['seconds']:.0f} s", flush=True)


def _read(path: Path | None) -> dict[str, dict[str, Any]]:
    """Rows that were measured before."""
    if path is None or not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row.pop("row"): row for row in rows}


if __name__ == "__main__":
    main()

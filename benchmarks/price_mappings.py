"""How many mappings the tables of the ALPINE model price in a second.

    python benchmarks/price_mappings.py

ResNet20 on LionHeart's system: 20 units, two targets. The aim is a million a second on two cores.
"""

from time import perf_counter

import numpy as np

from lionheart_opt.cost_models.alpine import Alpine
from lionheart_opt.plugins import load_system
from lionheart_opt.tracing import trace_model

N_MAPPINGS = 1_000_000
REPETITIONS = 5


def main() -> None:
    model, workload = Alpine(load_system("lionheart")), trace_model("resnet20")
    start = perf_counter()
    tables = model.tables(workload)
    print(f"tables of {len(tables.units)} units: {1e3 * (perf_counter() - start):.1f} ms")
    shape = (N_MAPPINGS, len(tables.units))
    assignments = np.random.default_rng(0).integers(0, len(tables.targets), shape, dtype=np.uint8)
    times_s = []
    for _ in range(REPETITIONS):
        start = perf_counter()
        tables.cost_batch(assignments)
        times_s.append(perf_counter() - start)
    print(f"{N_MAPPINGS / np.median(times_s) / 1e6:.1f} million mappings a second (median)")


if __name__ == "__main__":
    main()

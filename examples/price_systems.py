"""What does a network cost on each system, all-digital and all-analog? No data, no training.

python examples/price_systems.py
"""

import pandas

import lionheart_opt as lo

workload = lo.trace("resnet8")
rows = []
for system in ("lionheart", "imc-cluster", "diana"):
    digital = lo.cost(workload, system, "all-digital")
    analog = lo.cost(workload, system, "all-analog")
    rows.append(
        {
            "system": system,
            "latency_s": analog.latency_s,
            "energy_j": analog.energy_j,
            "speedup": digital.latency_s / analog.latency_s,
            "energy_gain": digital.energy_j / analog.energy_j,
        }
    )
print(pandas.DataFrame(rows).to_string(index=False))

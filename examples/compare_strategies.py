"""Strategies on a table of all 1,024 mappings of ResNet8 on Fashion-MNIST, which answers at once.

python examples/compare_strategies.py
"""

from pathlib import Path

import lionheart_opt as lo
from lionheart_opt.strategies.knapsack import Knapsack

TABLE_STUDY = Path(__file__).parents[1] / "studies" / "fashion-mnist" / "on-table.toml"
problem = lo.load(TABLE_STUDY).problem
searches = {"random": "random", "lionheart": "each_threshold", "knapsack": Knapsack("one_shot")}
study = lo.Study.of(problem, searches, seeds=range(3), trials=40)
study.run()
frame = study.to_frame()
print("Largest speed-up that surely keeps one point, for each seed:")
kept = frame[frame["drop_high"] <= 0.01]
print(kept.groupby(["search", "seed"])["speedup"].max().unstack().round(2).to_string())

"""Map neural networks onto analog tiles and digital cores, as constrained search."""

from lionheart_opt.accuracy import Accuracy, AccuracyOracle, Fidelity
from lionheart_opt.cost import Cost, CostModel, LayerCost
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.strategy import Strategy
from lionheart_opt.system import Link, System, Target
from lionheart_opt.workload import Layer, Mvm, Unit, Workload

__all__ = [
    "Accuracy",
    "AccuracyOracle",
    "Candidate",
    "Cost",
    "CostModel",
    "Evaluation",
    "Fidelity",
    "InputError",
    "Layer",
    "LayerCost",
    "Link",
    "Mapping",
    "Mvm",
    "Strategy",
    "System",
    "Target",
    "Unit",
    "Workload",
]

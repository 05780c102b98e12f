"""Map neural networks onto analog tiles and digital cores, as constrained search.

    import lionheart_opt as lo

    data = lo.dataset(train=(images, labels), test=(test_images, test_labels))
    problem = lo.problem(network, data, system="lionheart", max_drop=0.01, time="1 day")
    result = lo.search(problem, "knapsack", trials=40, storage="sqlite:///k.db")
    result.best.mapping
    result.to_frame()

Importing the package loads neither torch nor Optuna: names are looked up when they are first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lionheart_opt import plots as plot
    from lionheart_opt.accuracy import Accuracy, AccuracyOracle, Fidelity
    from lionheart_opt.aging.calibration_cost import CalibrationCost, calibration_cost
    from lionheart_opt.analyses import diagnose, lifetime
    from lionheart_opt.api import check, cost, load, problem, search, trace
    from lionheart_opt.api_fit import fit
    from lionheart_opt.api_hardware import roofline, systems
    from lionheart_opt.cost import Cost, CostModel, LayerCost
    from lionheart_opt.datasets import Dataset
    from lionheart_opt.datasets.arrays import from_arrays as dataset
    from lionheart_opt.errors import InputError
    from lionheart_opt.evaluation import Evaluation
    from lionheart_opt.explorations import explore
    from lionheart_opt.mapping import Candidate, Mapping
    from lionheart_opt.metric import Metric
    from lionheart_opt.problem import Problem
    from lionheart_opt.results.result import SearchResult
    from lionheart_opt.strategy import Proposals, Strategy
    from lionheart_opt.studies import Study
    from lionheart_opt.system import Link, System, Target
    from lionheart_opt.tasks import Task
    from lionheart_opt.workload import Layer, Mvm, Unit, Workload

    __version__: str

#: Name -> `module:attribute`, or a module.
_NAMES = {
    "Accuracy": "accuracy:Accuracy",
    "AccuracyOracle": "accuracy:AccuracyOracle",
    "CalibrationCost": "aging.calibration_cost:CalibrationCost",
    "Candidate": "mapping:Candidate",
    "Cost": "cost:Cost",
    "CostModel": "cost:CostModel",
    "Dataset": "datasets:Dataset",
    "Evaluation": "evaluation:Evaluation",
    "Fidelity": "accuracy:Fidelity",
    "InputError": "errors:InputError",
    "Layer": "workload:Layer",
    "LayerCost": "cost:LayerCost",
    "Link": "system:Link",
    "Mapping": "mapping:Mapping",
    "Metric": "metric:Metric",
    "Mvm": "workload:Mvm",
    "Problem": "problem:Problem",
    "Proposals": "strategy:Proposals",
    "SearchResult": "results.result:SearchResult",
    "Strategy": "strategy:Strategy",
    "Study": "studies:Study",
    "System": "system:System",
    "Task": "tasks:Task",
    "Target": "system:Target",
    "Unit": "workload:Unit",
    "Workload": "workload:Workload",
    "calibration_cost": "aging.calibration_cost:calibration_cost",
    "check": "api:check",
    "cost": "api:cost",
    "dataset": "datasets.arrays:from_arrays",
    "diagnose": "analyses:diagnose",
    "explore": "explorations:explore",
    "fit": "api_fit:fit",
    "lifetime": "analyses:lifetime",
    "load": "api:load",
    "plot": "plots",
    "problem": "api:problem",
    "roofline": "api_hardware:roofline",
    "search": "api:search",
    "systems": "api_hardware:systems",
    "trace": "api:trace",
}

__all__ = [
    "Accuracy",
    "AccuracyOracle",
    "CalibrationCost",
    "Candidate",
    "Cost",
    "CostModel",
    "Dataset",
    "Evaluation",
    "Fidelity",
    "InputError",
    "Layer",
    "LayerCost",
    "Link",
    "Mapping",
    "Metric",
    "Mvm",
    "Problem",
    "Proposals",
    "SearchResult",
    "Strategy",
    "Study",
    "System",
    "Target",
    "Task",
    "Unit",
    "Workload",
    "calibration_cost",
    "check",
    "cost",
    "dataset",
    "diagnose",
    "explore",
    "fit",
    "lifetime",
    "load",
    "plot",
    "problem",
    "roofline",
    "search",
    "systems",
    "trace",
]


class _FrontDoor(ModuleType):
    """The package itself: `lo.cost` and `lo.problem` stay functions.

    Some modules have the same names. Python binds a module to its package when it is first imported,
    which would replace the function.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in {"cost", "problem"} and isinstance(value, ModuleType):
            return  # `from lionheart_opt.cost import Cost` needs no such binding
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version(__name__)
        if name not in _NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, attribute = _NAMES[name].partition(":")
        value = import_module(f"{__name__}.{module}")
        value = getattr(value, attribute) if attribute else value
        setattr(self, name, value)
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        """Plug-ins that use `lo` travel to worker processes, which import it."""
        return import_module, (self.__name__,)

    def __dir__(self) -> list[str]:
        return sorted([*__all__, *(name for name in super().__dir__() if name.startswith("__"))])


sys.modules[__name__].__class__ = _FrontDoor

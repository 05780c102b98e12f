"""Searches whose every number can be worked out by hand: k of five units analog cost 1 - k / 10."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cost import Cost, LayerCost
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.problem import Problem
from lionheart_opt.results.result import SearchResult
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.testing import tiny_problem
from lionheart_opt.workload import Workload

#: Labels that no table may take for markup, or cut.
ODD_LABELS = ("[/x]", "[bold]x[/bold]", ":smile:", "a long label with several words in it " * 2)


@dataclass(frozen=True)
class Halves:
    """A unit takes 1 s and 1 J on the host, 0.5 s and 0.25 J anywhere else."""

    analog: tuple[float, float] = (0.5, 0.25)

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        layers = []
        for layer in workload.layers:
            unit = workload.unit_of.get(layer.name)
            target = mapping[unit] if unit else "cpu"
            amounts = (1.0, 1.0) if target == "cpu" else self.analog
            layers.append(
                LayerCost(
                    name=layer.name,
                    kind="linear",
                    target=target,
                    macs=1,
                    components={"compute": amounts if unit else (0.0, 0.0)},
                )
            )
        return Cost(layers=tuple(layers))


def made_up_problem(**changes) -> Problem:
    """Five units, a whole front asked for, drops up to 10 points."""
    changes = {"cost_model": Halves(), "objectives": ("latency_s", "drop"), **changes}
    return replace(tiny_problem(max_drop=0.1), **changes)


def priced_problem(system: str = "lionheart", **changes) -> Problem:
    """The same questions about convolutions on a system that says how well its constants are known."""
    machine = load_system(system)
    workload = convolutional_workload()
    return made_up_problem(
        workload=workload, system=machine, cost_model=cost_model(machine), **changes
    )


def first_analog(problem: Problem, k: int) -> Mapping:
    mapping = problem.all_digital
    for unit in problem.units[:k]:
        mapping = mapping.move(unit.name, "tile")
    return mapping


def answer(
    problem: Problem, k: int, drop: float | None, training_s: float = 0.0, shared_s: float = 0.0
) -> Evaluation:
    """The first k units analog, with the same drop in four draws; None where nothing was measured."""
    accuracy = drop is not None and Accuracy(
        samples=np.full((4, 1), 0.9 - drop),
        times_s=(86_400.0,),
        baseline=0.9,
        training_s=training_s,
        evaluation_s=1.0,
        shared_s=shared_s,
    )
    return problem.evaluation(problem.pretrained(first_analog(problem, k)), accuracy or None)


def search(
    label: str, *answers: Evaluation, problem: Problem, seed: int = 0, **fields
) -> SearchResult:
    return SearchResult(label=label, seed=seed, problem=problem, evaluations=answers, **fields)

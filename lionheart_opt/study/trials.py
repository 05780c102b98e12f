"""An evaluation as a trial of Optuna, and back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.artifacts import links
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.study.dashboard import feasibility
from lionheart_opt.study.finished_trials import FinishedTrial
from lionheart_opt.study.record import FAILED, plain_attributes
from lionheart_opt.study.recorded_prices import SEAL, TOTALS, check_costs, recorded_prices

#: User attribute of a trial with the name of the artifact that says which examples are right.
OUTCOMES = "outcomes"
#: User attributes of a trial that say what was evaluated, and the answer.
NEEDED = ("lineage", "accuracy", *TOTALS, SEAL, FAILED)


def trial_of(problem: Problem, evaluation: Evaluation, kept: dict[str, str]) -> FrozenTrial:
    """The trial that keeps an evaluation.

    Args:
        problem: The question.
        evaluation: The evaluation.
        kept: `OUTCOMES` -> name of the artifact with its outcomes; empty where there is none.
    """
    units, accuracy = [unit.name for unit in problem.units], evaluation.accuracy
    weights = accuracy.weights if accuracy else ""
    linked = links({"examples.npz": kept.get(OUTCOMES, ""), "weights.pt": weights})
    trial = create_trial(
        state=TrialState.FAIL if evaluation.failed else TrialState.COMPLETE,
        values=None if evaluation.failed else list(evaluation.objectives.values()),
        params={unit: evaluation.mapping[unit] for unit in units},
        distributions={unit: CategoricalDistribution(problem.choices[unit]) for unit in units},
        user_attrs=attributes_of(problem, evaluation) | kept,
        system_attrs=feasibility(evaluation.violations) | linked,
        constraints=evaluation.violations,
    )
    assert trial.datetime_complete is not None
    trial.datetime_start = trial.datetime_complete - timedelta(seconds=evaluation.oracle_s)
    return trial


def attributes_of(problem: Problem, evaluation: Evaluation) -> dict[str, Any]:
    """The user attributes of a trial, without `OUTCOMES`."""
    prices = recorded_prices(problem).attributes(evaluation)
    return plain_attributes(problem, evaluation) | prices


def evaluation_of(problem: Problem, trial: FinishedTrial, study_name: str) -> Evaluation:
    """The evaluation that a trial keeps, without its outcomes.

    Args:
        problem: The question.
        trial: The trial, with the user attributes in `NEEDED` at least.
        study_name: Name of the Optuna study, for messages.

    Raises:
        InputError: The problem's cost model gives other costs than those recorded.
    """
    attributes, accuracy = trial.attributes, None
    candidate = Candidate.from_json(attributes["lineage"])
    if "accuracy" in attributes:
        accuracy = Accuracy.from_json(attributes["accuracy"])
    recorded = {name: float(attributes[name]) for name in ("latency_s", "energy_j")}
    if trial.values is not None:
        objectives = zip(problem.objectives, map(float, trial.values), strict=True)
        recorded |= {f"objective {name}": value for name, value in objectives}
    failed = str(attributes.get(FAILED, ""))
    cost = recorded_prices(problem).totals(problem, candidate, attributes)
    evaluation = problem.evaluation(candidate, accuracy, failed, cost)
    check_costs(f"trial {trial.number} of study {study_name!r}", evaluation, recorded)
    return evaluation

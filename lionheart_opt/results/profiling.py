"""Measuring a sensitivity profile, and reading it back from its record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import oracle_seconds
from lionheart_opt.mapping import Training
from lionheart_opt.metric import ACCURACY
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Divergences, Proxies, check_screening, questions_of
from lionheart_opt.results.running import live
from lionheart_opt.results.sensitivity import Interaction, Profile, Sensitivity
from lionheart_opt.space import analog_moves, analog_units, neighbours
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.tasks.divergence import DIVERGENCE

if TYPE_CHECKING:
    from lionheart_opt.study.file import StudyFile


def measured_profile(
    file: StudyFile,
    training: Training,
    *,
    pairs: bool = False,
    proxies: bool = False,
    screen: bool = False,
    progress: bool | None = None,
) -> Profile:
    """The profile of a study, measured as far as its record does not hold it.

    Args:
        file: The study.
        training: Training of the weights.
        pairs: Whether to measure pairs of units, too.
        proxies: Whether to compute the oracle's proxies, if they are not in the record yet.
        screen: Whether to measure divergences instead, see `screened_profile`.
        progress: Whether to show progress; None shows it on a terminal and in a notebook.

    Raises:
        InputError: See `profile_search`, `read_profile` and `check_screening`.
    """
    if screen:
        if pairs:
            raise InputError("profile: screen: does not go with pairs; leave one of them out")
        check_screening(file.oracle, training, "profile: screen")
    search = profile_search(file, training, pairs)
    name = search.record.name
    with live(file.oracle, progress, [name]) as shown_live, search.record.claimed():
        if screen:
            return screened_profile(search.record, proxies=proxies)
        shown_live.ended(name, search.run(shown_live.start(search, name)))
        return read_profile(search.record, training, proxies=proxies)


def profile_search(file: StudyFile, training: Training, pairs: bool) -> Search:
    """The search that measures a profile, with its record opened or created; run it or resume it.

    Every candidate gets the most draws of the study's accuracy limit. Cost limits do not apply.

    Args:
        file: The study.
        training: Training of the weights.
        pairs: Whether to measure pairs of units, too.

    Raises:
        InputError: The record was made for another network, data, oracle, system, time or number of
            draws.
    """
    from lionheart_opt.study.optuna_keeper import OptunaKeeper

    problem = _profile_problem(file.problem, training)
    specification = _specification(file, problem, training)
    contents, name = file.contents, f"profile/{training}"
    if training == "none":  # nothing is trained, so that the meaning of a training does not matter
        contents = {key: value for key, value in contents.items() if key != "format"}
    name = file.stored_name(name, specification, file.storage)
    sources = {"oracle": file.oracle_sources}
    keeper = OptunaKeeper.open(
        problem, name, file.storage, specification, contents, sources, file.outcomes
    )
    arguments = {"training": training, "pairs": pairs}
    strategy = plugins.build("strategies", "one_at_a_time", arguments)
    trials = len(analog_moves(problem))
    if pairs:
        trials += len(neighbours(problem, analog_units(problem)))
    budget = Budget(trials=trials)
    return Search(Record(problem, keeper), strategy, seed=0, budget=budget, recommends=False)


def read_profile(record: Record, training: Training, *, proxies: bool = False) -> Profile:
    """The profile in the record of `profile_search`.

    Args:
        record: The record of the search.
        training: Training of the weights, as for the search.
        proxies: Whether to compute the oracle's proxies if they are not in the record yet. Second
            derivatives take much longer than the measurements of most networks.

    Raises:
        InputError: Proxies are asked for, and the oracle has none.
    """
    problem = record.problem
    time_s, n_draws = max(problem.accuracy_limit.times_s), problem.accuracy_limit.draws[-1]
    evaluations = record.evaluations()
    accuracies = {
        evaluation.mapping: evaluation.accuracy
        for evaluation in evaluations
        if evaluation.accuracy is not None and evaluation.measured
    }
    drops = {mapping: accuracy.drops_at(time_s) for mapping, accuracy in accuracies.items()}
    singles = {move: problem.all_digital.move(*move) for move in analog_moves(problem)}
    moments = {move: _moments(drops[each]) for move, each in singles.items() if each in drops}
    sensitivities = []
    for unit, target in analog_moves(problem):
        mean, deviation = moments.get((unit, target), (None, None))
        sensitivities.append(
            Sensitivity(
                unit=unit,
                target=target,
                drop=mean,
                deviation=deviation,
                standard_error=None if deviation is None else deviation / n_draws**0.5,
            )
        )
    interactions = []
    for producer, consumer in neighbours(problem, analog_units(problem)):
        both, *alone = (
            problem.analog(units) for units in ((producer, consumer), (producer,), (consumer,))
        )
        if all(mapping in drops for mapping in (both, *alone)):
            mean, deviation = _moments(drops[both] - drops[alone[0]] - drops[alone[1]])
            interactions.append(
                Interaction(
                    producer=producer,
                    consumer=consumer,
                    drop=float(np.mean(drops[both])),
                    interaction=mean,
                    deviation=deviation,
                )
            )
    return Profile(
        training=training,
        time_s=time_s,
        n_draws=n_draws,
        baseline=next((accuracy.baseline for accuracy in accuracies.values()), None),
        oracle_s=oracle_seconds(evaluations),
        sensitivities=tuple(sensitivities),
        interactions=tuple(interactions),
        proxies=_proxies(record, proxies),
        metric=next((accuracy.metric for accuracy in accuracies.values()), ACCURACY),
        n_evaluations=len(accuracies),
    )


def screened_profile(record: Record, *, proxies: bool = False) -> Profile:
    """How far each unit alone moves the network's outputs, on a third of the chips of a profile.

    Args:
        record: The record of `profile_search` without training; answers are kept there.
        proxies: As in `read_profile`.

    Raises:
        InputError: Proxies are asked for, and the oracle has none.
    """
    problem = record.problem
    time_s = max(problem.accuracy_limit.times_s)
    n_draws = max(1, problem.accuracy_limit.draws[-1] // 3)
    moves = analog_moves(problem)
    rows: dict[tuple[str, str], Sensitivity] = {}
    oracle_s = 0.0
    for target in problem.system.analog_targets:
        units = tuple(unit for unit, where in moves if where == target)
        if not units:
            continue
        question = Divergences(
            units=units,
            target=target,
            others=problem.all_digital.to_json(),
            time_s=time_s,
            n_draws=n_draws,
        )
        answer = record.ask(question)
        oracle_s += answer.oracle_s
        rows |= {
            (unit, target): Sensitivity(
                unit=unit,
                target=target,
                drop=answer.values["divergence"][unit],
                deviation=None,
                standard_error=answer.values["standard_error"][unit],
            )
            for unit in units
        }
    return Profile(
        training="none",
        time_s=time_s,
        n_draws=n_draws,
        baseline=0.0,
        oracle_s=oracle_s,
        sensitivities=tuple(rows[move] for move in moves),
        interactions=(),
        proxies=_proxies(record, proxies),
        metric=DIVERGENCE,
        screened=True,
        n_evaluations=len(moves),
    )


def _proxies(record: Record, asked: bool) -> dict[str, dict[str, float]]:
    workload = record.problem.workload
    units = analog_units(record.problem)
    macs = {unit: float(workload.unit_macs(workload.unit(unit))) for unit in units}
    question = Proxies(units=units)
    answer = record.answer(question)
    if answer is None and asked:
        check_proxies(record.problem.oracle, "profile")
        answer = record.ask(question)
    return {"macs": macs} if answer is None else {"macs": macs, **answer.values}


def check_proxies(oracle: object, where: str) -> None:
    """Refuse to compute proxies where the oracle has none.

    Args:
        oracle: The oracle.
        where: What asks for them, for the message.

    Raises:
        InputError: It answers no such question.
    """
    if Proxies not in questions_of(oracle):
        raise InputError(
            f'{where}: proxies: the study\'s oracle has none; an oracle that has: [oracle] kind = "hat"'
        )


def _specification(file: StudyFile, problem: Problem, training: Training) -> dict[str, Any]:
    """Everything that decides a profile; objectives, thresholds and cost limits do not."""
    return {
        **file.oracle_specification,
        "times_s": list(problem.accuracy_limit.times_s),
        "draws": problem.accuracy_limit.draws[-1],
        "profile": training,
    }


def _profile_problem(problem: Problem, training: Training) -> Problem:
    """The mean drop with all draws of the limit, whatever the cost.

    Its own training is never the profile's, so that every candidate of the record names its training.
    """
    limit = problem.accuracy_limit
    return replace(
        problem,
        objectives=("drop",),
        accuracy_limit=replace(limit, quantile=None, draws=limit.draws[-1:], examples=("all",)),
        cost_limits={},
        training="full" if training == "none" else "none",
    )


def _moments(values: np.ndarray) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))

"""The sensitivity profile: what each unit alone loses on an analog target; proxies if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import oracle_seconds
from lionheart_opt.mapping import Training
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Proxies, questions_of
from lionheart_opt.results.screened import (
    check_screening,
    estimated_moments,
    measuring_loss,
    screened_trials,
)
from lionheart_opt.space import analog_moves, analog_units, neighbours
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Budget, Search
from lionheart_opt.study.specification import identity

if TYPE_CHECKING:
    import pandas

    from lionheart_opt.study.file import StudyFile


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The drop with one unit on an analog target and all others on the host.

    Args:
        unit: Name of the unit.
        target: Name of the analog target.
        drop: Mean drop over draws at the profile's time; None where it was not measured.
        deviation: Standard deviation of the drop over draws; None where it was not measured.
        standard_error: Standard error of `drop` over draws; None where it was not measured.
    """

    unit: str
    target: str
    drop: float | None
    deviation: float | None
    standard_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """The drop with two analog units beyond the drops of each alone.

    Args:
        producer: Name of the unit whose result the other one reads.
        consumer: Name of the other unit.
        drop: Mean drop with both analog over draws.
        interaction: Mean over draws of that drop minus the drops of the two alone in the same draw.
        deviation: Standard deviation of the interaction over draws.
    """

    producer: str
    consumer: str
    drop: float
    interaction: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Spearman's rank correlation over units.

    Args:
        rho: The correlation, in [-1, 1].
        p_value: Probability of a correlation at least as large by chance.
    """

    rho: float
    p_value: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Profile:
    """Measured sensitivities of units, interactions of pairs, and proxies.

    Args:
        training: Training of the weights.
        time_s: Time after programming, in seconds.
        n_draws: Number of programming draws of each measurement.
        baseline: Accuracy of the floating-point network; None where nothing was measured.
        oracle_s: Oracle seconds of the measurements.
        sensitivities: One for each unit and analog target, in execution order.
        interactions: One for each measured pair of units; empty where none was measured.
        proxies: Name of the proxy -> unit -> value.
        metric: What drops are of.
        screened: Whether groups of units were measured, and drops are estimated from them.
        n_evaluations: Number of measurements.
    """

    training: Training
    time_s: float
    n_draws: int
    baseline: float | None
    oracle_s: float
    sensitivities: tuple[Sensitivity, ...]
    interactions: tuple[Interaction, ...]
    proxies: dict[str, dict[str, float]]
    metric: Metric = ACCURACY
    screened: bool = False
    n_evaluations: int = 0

    @property
    def drops(self) -> dict[str, float]:
        """Unit -> mean drop on its first analog target, where it was measured."""
        first: dict[str, float] = {}
        for sensitivity in self.sensitivities:
            if sensitivity.drop is not None:
                first.setdefault(sensitivity.unit, sensitivity.drop)
        return first

    def correlations(self) -> dict[str, Correlation | None]:
        """Proxy -> rank correlation with `drops`; None for fewer than three units or no variation."""
        drops = self.drops
        return {
            name: rank_correlation([values[unit] for unit in drops], list(drops.values()))
            for name, values in self.proxies.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data, correlations included."""
        correlations = {
            name: correlation and asdict(correlation)
            for name, correlation in self.correlations().items()
        }
        return {**asdict(self), "metric": self.metric.to_json(), "correlations": correlations}

    def to_frame(self) -> pandas.DataFrame:
        """One row a unit and analog target, in execution order.

        Columns: `unit`, `target`, `drop`, `drop_deviation`, `drop_standard_error` (missing where not
        measured), and one for each proxy.
        """
        import pandas

        columns = ["unit", "target", "drop", "drop_deviation", "drop_standard_error"]
        columns += self.proxies
        rows = [
            [
                sensitivity.unit,
                sensitivity.target,
                sensitivity.drop,
                sensitivity.deviation,
                sensitivity.standard_error,
                *(values[sensitivity.unit] for values in self.proxies.values()),
            ]
            for sensitivity in self.sensitivities
        ]
        numbers = dict.fromkeys(columns[2:], float)
        return pandas.DataFrame(rows, columns=columns).astype(numbers)

    def __repr__(self) -> str:
        drops = self.drops
        how = "estimated" if self.screened else "measured"
        text = f"{len(drops)} of {len({each.unit for each in self.sensitivities})} units {how}"
        if drops:
            worst = max(drops, key=lambda unit: drops[unit])
            text += f", largest drop {drops[worst]:.4g} ({worst})"
        return (
            f"Profile({text}, training={self.training!r}, time_s={self.time_s:g}, "
            f"n_draws={self.n_draws}, interactions={len(self.interactions)}, "
            f"proxies={list(self.proxies)})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(index=False)}"


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> Correlation | None:
    """Spearman's rank correlation; ties get their mean rank.

    None for fewer than three values, or where the values of either side are all the same.
    """
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    from scipy.stats import spearmanr  # slow to import

    result = spearmanr(a, b)
    return Correlation(rho=float(result.statistic), p_value=float(result.pvalue))


def profile_search(
    file: StudyFile, training: Training, pairs: bool, screen: bool = False
) -> Search:
    """The search that measures a profile, with its record opened or created; run it or resume it.

    Every candidate gets the most draws of the study's accuracy limit. Cost limits do not apply.

    Args:
        file: The study.
        training: Training of the weights.
        pairs: Whether to measure pairs of units, too.
        screen: Whether to measure the loss of about a third as many groups of units; see
            `lionheart_opt.screening`.

    Raises:
        InputError: The record was made for another network, data, oracle, system, time or number of
            draws; or there is nothing to be gained from screening.
    """
    from lionheart_opt.study.optuna_keeper import OptunaKeeper

    problem = _profile_problem(file.problem, training)
    specification = _specification(file, problem, training)
    contents, name = file.contents, f"profile/{training}"
    if screen:
        check_screening(problem, pairs)
        with file.beside():
            problem = replace(problem, oracle=measuring_loss(file.oracle))
            contents = identity(problem.oracle)
        # other profiles and searches must not take losses for accuracies
        specification["oracle"] = {**specification["oracle"], "measures": "loss"}
        name += "-screened"
    if training == "none":  # nothing is trained, so that the meaning of a training does not matter
        contents = {key: value for key, value in contents.items() if key != "format"}
    name = file.stored_name(name, specification, file.storage)
    sources = {"oracle": file.oracle_sources}
    keeper = OptunaKeeper.open(
        problem, name, file.storage, specification, contents, sources, file.outcomes
    )
    arguments = {"training": training, "pairs": pairs, "screen": screen}
    strategy = plugins.build("strategies", "one_at_a_time", arguments)
    trials = screened_trials(problem) if screen else len(analog_moves(problem))
    if pairs:
        trials += len(neighbours(problem, analog_units(problem)))
    budget = Budget(trials=trials)
    return Search(Record(problem, keeper), strategy, seed=0, budget=budget, recommends=False)


def read_profile(
    record: Record, training: Training, *, proxies: bool = False, screen: bool = False
) -> Profile:
    """The profile in the record of `profile_search`.

    Args:
        record: The record of the search.
        training: Training of the weights, as for the search.
        proxies: Whether to compute the oracle's proxies if they are not in the record yet. Second
            derivatives take much longer than the measurements of most networks.
        screen: Whether groups of units were measured, as for the search.

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
    if screen:
        moments = estimated_moments(problem, drops)
    else:
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
        screened=screen,
        n_evaluations=len(accuracies),
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

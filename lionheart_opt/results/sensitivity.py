"""The sensitivity profile: what each unit alone loses on an analog target, and what foretells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.accuracy import questions_of
from lionheart_opt.evaluation import oracle_seconds
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Proxies
from lionheart_opt.space import Space, analog_moves
from lionheart_opt.strategy import Proposals
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Budget, Search
from lionheart_opt.workload import INPUT

if TYPE_CHECKING:
    from lionheart_opt.study.file import StudyFile


@dataclass(frozen=True)
class Probing:
    """Asks for every unit alone on each of its analog targets, in execution order; then for pairs.

    Lammie (IEEE CAL 2026, arXiv 2606.02672, stage 2) perturbs one unit at a time; CLADO (arXiv
    2307.05657) measures pairs, too, here those that share data flow.

    Args:
        training: how weights are obtained.
        pairs: whether to measure `neighbours`, both on their first analog targets.
    """

    training: Training
    pairs: bool = False

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """Two batches at most; `rng` is not used."""
        yield self._candidates([problem.all_digital.move(*move) for move in analog_moves(problem)])
        if self.pairs:
            yield self._candidates([_both(problem, *pair) for pair in neighbours(problem)])

    def _candidates(self, mappings: list[Mapping]) -> list[Candidate]:
        return [Candidate(one, training=self.training) for one in mappings]


def neighbours(space: Space) -> list[tuple[str, str]]:
    """(producer, consumer) of units with an analog target, through layers of no such unit only.

    Data may pass activations, norms, residual additions and units without a choice on the way.
    """
    owner = {
        layer: unit for layer, unit in space.workload.unit_of.items() if _is_mappable(space, unit)
    }
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    sources: dict[str, list[str]] = {INPUT: []}  # units whose results a layer's result carries
    for layer in space.workload.layers:
        reached = list(dict.fromkeys(unit for name in layer.inputs for unit in sources[name]))
        unit = owner.get(layer.name)
        for producer in reached:
            if unit is not None and producer != unit:
                pairs.setdefault(frozenset((producer, unit)), (producer, unit))
        sources[layer.name] = reached if unit is None else [unit]
    return list(pairs.values())


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What one unit alone loses.

    Args:
        unit: that is analog, all others on the host.
        target: that runs it.
        drop: mean over draws at the profile's time; None where it does not fit the target.
        deviation: standard deviation over draws.
    """

    unit: str
    target: str
    drop: float | None
    deviation: float | None


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """What two units lose together beyond what each loses alone, draw by draw.

    Args:
        producer: unit whose result the other reads.
        consumer: the other one.
        drop: of both, mean over draws.
        interaction: mean of that drop minus the drops of the two alone, in the same draws.
        deviation: standard deviation of the interaction over draws.
    """

    producer: str
    consumer: str
    drop: float
    interaction: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Spearman's rank correlation over units, and the probability of one as large by chance."""

    rho: float
    p_value: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """Measured sensitivities, and proxies beside them.

    Args:
        training: how weights were obtained.
        time_s: since programming.
        n_draws: programming draws of each measurement.
        baseline: accuracy of the floating-point network; None where nothing was measured.
        oracle_s: seconds that the measurements cost.
        sensitivities: one for each unit and analog target, in execution order.
        interactions: of pairs; empty where they were not measured.
        proxies: name -> unit -> value.
    """

    training: Training
    time_s: float
    n_draws: int
    baseline: float | None
    oracle_s: float
    sensitivities: tuple[Sensitivity, ...]
    interactions: tuple[Interaction, ...]
    proxies: dict[str, dict[str, float]]

    @property
    def drops(self) -> dict[str, float]:
        """Unit -> mean drop on its first analog target, where it was measured."""
        first: dict[str, float] = {}
        for one in self.sensitivities:
            if one.drop is not None:
                first.setdefault(one.unit, one.drop)
        return first

    def correlations(self) -> dict[str, Correlation | None]:
        """Proxy -> rank correlation with the drops; None for fewer than three units or no variation."""
        drops = self.drops
        return {
            name: rank_correlation([values[unit] for unit in drops], list(drops.values()))
            for name, values in self.proxies.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data, correlations included."""
        correlations = self.correlations()
        return {
            **asdict(self),
            "correlations": {name: one and asdict(one) for name, one in correlations.items()},
        }


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> Correlation | None:
    """Spearman's, ties with their mean rank; None where fewer than three values or none differ."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    from scipy.stats import spearmanr  # slow to import

    result = spearmanr(a, b)
    return Correlation(rho=float(result.statistic), p_value=float(result.pvalue))


def profile_search(file: StudyFile, training: Training, pairs: bool) -> Search:
    """The search that measures a profile, its record opened or created: run or resume it.

    Every candidate gets the most draws of the study's limit, whatever cost limits there are.

    Raises:
        InputError: the record was made for another network, data, oracle, system, time or number of
            draws.
    """
    from lionheart_opt.study.optuna_keeper import OptunaKeeper

    problem = _question(file.problem)
    keeper = OptunaKeeper.open(
        problem, _name(training), file.storage, _specification(file, training)
    )
    record = Record(problem, keeper)
    count = len(analog_moves(problem)) + (len(neighbours(problem)) if pairs else 0)
    return Search(record, Probing(training, pairs), seed=0, budget=Budget(trials=count))


def read_profile(record: Record, training: Training) -> Profile:
    """What a search for a profile has found; proxies that are not in the record yet are computed.

    Args:
        record: of `profile_search`.
        training: as there.
    """
    problem = record.problem
    time_s, n_draws = max(problem.accuracy_limit.times_s), problem.accuracy_limit.draws[-1]
    evaluations = record.evaluations()
    known = {one.mapping: one.accuracy for one in evaluations if one.accuracy is not None}
    drops = {mapping: accuracy.drops_at(time_s) for mapping, accuracy in known.items()}
    sensitivities = []
    for unit, target in analog_moves(problem):
        found = drops.get(problem.all_digital.move(unit, target))
        mean, deviation = (None, None) if found is None else _moments(found)
        sensitivities.append(Sensitivity(unit=unit, target=target, drop=mean, deviation=deviation))
    interactions = []
    for producer, consumer in neighbours(problem):
        alone = [_alone(problem, producer), _alone(problem, consumer)]
        both = _both(problem, producer, consumer)
        if all(one in drops for one in (both, *alone)):
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
        baseline=next((one.baseline for one in known.values()), None),
        oracle_s=oracle_seconds(evaluations),
        sensitivities=tuple(sensitivities),
        interactions=tuple(interactions),
        proxies=_proxies(record),
    )


def _proxies(record: Record) -> dict[str, dict[str, float]]:
    workload = record.problem.workload
    units = tuple(dict.fromkeys(unit for unit, _ in analog_moves(record.problem)))
    macs = {unit: float(workload.unit_macs(workload.unit(unit))) for unit in units}
    if Proxies not in questions_of(record.problem.oracle):
        return {"macs": macs}
    return {"macs": macs, **record.ask(Proxies(units=units)).values}


def _name(training: Training) -> str:
    return f"profile/{training}"


def _specification(file: StudyFile, training: Training) -> dict[str, Any]:
    """Everything that decides a profile; objectives, thresholds and cost limits do not."""
    limit = _question(file.problem).accuracy_limit
    return {
        **file.oracle_specification,
        "times_s": list(limit.times_s),
        "draws": limit.draws[-1],
        "profile": training,
    }


def _question(problem: Problem) -> Problem:
    """Mean drop with all draws of the limit, whatever it costs in seconds and joules."""
    limit = problem.accuracy_limit
    return replace(
        problem,
        objectives=("drop",),
        accuracy_limit=replace(limit, quantile=None, draws=limit.draws[-1:]),
        cost_limits={},
    )


def _is_mappable(space: Space, unit: str) -> bool:
    return space.analog_target(unit) != space.system.host and len(space.choices[unit]) > 1


def _alone(space: Space, unit: str) -> Mapping:
    return space.all_digital.move(unit, space.analog_target(unit))


def _both(space: Space, a: str, b: str) -> Mapping:
    return _alone(space, a).move(b, space.analog_target(b))


def _moments(values: np.ndarray) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))

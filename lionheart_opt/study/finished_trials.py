"""Finished trials of an Optuna study, without what a record does not need: ten thousand take a second.

From a database, Optuna makes an object of every parameter and attribute. Here, each table is read with
one query.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from lionheart_opt.study.attribute_parts import PART, joined
from lionheart_opt.study.outages import again

if TYPE_CHECKING:
    import optuna
    from sqlalchemy import Engine

_FINISHED = (TrialState.COMPLETE, TrialState.FAIL)


@dataclass(frozen=True, slots=True)
class FinishedTrial:
    """A trial that is complete or has failed.

    Args:
        number: Number of the trial in its study, from 0.
        has_failed: Whether it has failed.
        values: Its objectives; None where it has none.
        attributes: Its user attributes, at least those that were asked for.
    """

    number: int
    has_failed: bool
    values: Sequence[float] | None
    attributes: dict[str, Any]


def finished_trials(study: optuna.Study, names: Sequence[str]) -> Iterator[FinishedTrial]:
    """The finished trials of a study, by number.

    Args:
        study: The Optuna study.
        names: User attributes that are needed.
    """
    engine = _engine(study)
    if engine is None:
        trials = study.get_trials(deepcopy=False, states=_FINISHED)
        for trial in sorted(trials, key=lambda trial: trial.number):
            has_failed = trial.state == TrialState.FAIL
            yield FinishedTrial(trial.number, has_failed, trial.values, trial.user_attrs)
        return
    trials_of, values, attributes = again(_tables)(engine, study._study_id, names)
    for number, trial_id, state in sorted(trials_of):
        own = values[trial_id]
        yield FinishedTrial(
            number=number,
            has_failed=state == TrialState.FAIL,
            values=[own[objective] for objective in sorted(own)] or None,
            attributes=joined(
                {name: json.loads(text) for name, text in attributes.pop(trial_id, {}).items()}
            ),
        )


def count_trials(study: optuna.Study) -> int:
    """The number of all trials of a study, whatever their state."""
    engine = _engine(study)
    if engine is None:
        return len(study.get_trials(deepcopy=False))
    from optuna.storages._rdb.models import TrialModel
    from sqlalchemy import func, select

    query = select(func.count()).where(TrialModel.study_id == study._study_id)

    def count() -> int:
        with engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    return again(count)()


def _engine(study: optuna.Study) -> Engine | None:
    """What connects to the database of a study; None where its storage is something else."""
    storage = study._storage
    engine: Engine | None = getattr(getattr(storage, "_backend", storage), "engine", None)
    return engine


def _tables(
    engine: Engine, study_id: int, names: Sequence[str]
) -> tuple[
    list[tuple[int, int, TrialState]], dict[int, dict[int, float]], dict[int, dict[str, str]]
]:
    """Number, identity and state of each finished trial; its objectives; its attributes as JSON."""
    from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel, TrialValueModel
    from sqlalchemy import select

    is_wanted = (TrialModel.study_id == study_id) & TrialModel.state.in_(_FINISHED)
    value, attribute = TrialValueModel, TrialUserAttributeModel
    of_trials = select(TrialModel.number, TrialModel.trial_id, TrialModel.state).where(is_wanted)
    is_named = attribute.key.in_(names) | attribute.key.startswith(PART)
    of_values = (
        select(value.trial_id, value.objective, value.value, value.value_type)
        .join(TrialModel, value.trial_id == TrialModel.trial_id)
        .where(is_wanted)
    )
    of_attributes = (
        select(attribute.trial_id, attribute.key, attribute.value_json)
        .join(TrialModel, attribute.trial_id == TrialModel.trial_id)
        .where(is_wanted & is_named)
    )
    values: dict[int, dict[int, float]] = defaultdict(dict)
    attributes: dict[int, dict[str, str]] = defaultdict(dict)
    with engine.connect() as connection:  # what others finish after the first query is left out
        trials = [(number, key, state) for number, key, state in connection.execute(of_trials)]
        for trial_id, objective, stored, kind in connection.execute(of_values):
            values[trial_id][objective] = value.stored_repr_to_value(stored, kind)
        for trial_id, name, text in connection.execute(of_attributes):
            attributes[trial_id][name] = text
    return trials, values, attributes

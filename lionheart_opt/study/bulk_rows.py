"""Writes a finished trial into a database with a few statements.

Optuna asks the database twice about each parameter and attribute: most of the time of a driver.
"""

from __future__ import annotations

import copy
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class RowsInBulk(RDBStorage):
    """Optuna's storage in a database; the rows of a new trial are written together.

    The rows, and the transaction that they are written in, are Optuna's.
    """

    @cached_property
    def _checked(self) -> dict[tuple[int, str], tuple[BaseDistribution, str]]:
        """Study and parameter -> the distribution that the database has accepted, and its JSON."""
        return {}

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> Any:
        if template_trial is None:
            return super()._get_prepared_new_trial(study_id, template_trial, session)
        from optuna.storages._rdb import models
        from sqlalchemy import insert

        params: list[dict[str, Any]] = []
        bare = copy.copy(template_trial)
        bare.params, bare.distributions, bare.user_attrs, bare.system_attrs = {}, {}, {}, {}
        bare.values = None
        for name, value in template_trial.params.items():
            distribution = template_trial.distributions[name]
            accepted, text = self._checked.get((study_id, name), (None, ""))
            if accepted == distribution:
                number = distribution.to_internal_repr(value)
                row = {"param_name": name, "param_value": number, "distribution_json": text}
                params.append(row)
            else:  # Optuna compares it with that of earlier trials
                bare.params |= {name: value}
                bare.distributions |= {name: distribution}
        trial = super()._get_prepared_new_trial(study_id, bare, session)
        for model, rows in (
            (models.TrialValueModel, _values(template_trial)),
            (models.TrialParamModel, params),
            (models.TrialUserAttributeModel, _rows(template_trial.user_attrs)),
            (models.TrialSystemAttributeModel, _rows(template_trial.system_attrs)),
        ):
            if rows:
                table: Any = model.__table__
                session.execute(
                    insert(table), [{"trial_id": trial.trial_id, **row} for row in rows]
                )
        for name, distribution in bare.distributions.items():
            self._checked[study_id, name] = distribution, distribution_to_json(distribution)
        return trial


def _values(trial: FrozenTrial) -> list[dict[str, Any]]:
    from optuna.storages._rdb.models import TrialValueModel

    stored = map(TrialValueModel.value_to_stored_repr, trial.values or ())
    return [
        {"objective": number, "value": value, "value_type": kind}
        for number, (value, kind) in enumerate(stored)
    ]


def _rows(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value_json": json.dumps(value)} for name, value in attributes.items()]

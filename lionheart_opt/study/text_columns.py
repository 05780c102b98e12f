"""Long attributes in databases whose columns of text are short, such as those of MySQL."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from lionheart_opt.signals import held_back
from lionheart_opt.study.attribute_parts import (
    in_parts,
    reads_parts,
    with_whole_attributes,
    writes_parts,
)
from lionheart_opt.study.bulk_rows import RowsInBulk

if TYPE_CHECKING:
    from sqlalchemy import Engine

T = TypeVar("T")

#: Databases, by SQLAlchemy's names of the dialects, in whose columns of the type TEXT not every text fits
#: (https://dev.mysql.com/doc/refman/8.4/en/storage-requirements.html). They may cut longer texts off
#: without an error, as their `sql_mode` says.
SHORT = frozenset({"mysql", "mariadb"})


def most_bytes(engine: Engine) -> int | None:
    """Bytes that the shortest column for attributes holds, as the database says; None for any number."""
    if engine.dialect.name not in SHORT:
        return None
    from sqlalchemy import text

    query = (
        "select min(character_octet_length) from information_schema.columns "
        "where table_schema = database() and column_name = 'value_json'"
    )
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


@reads_parts
@writes_parts
class WholeTexts(RowsInBulk):
    """Optuna's storage in a database, in which attributes of any length can be kept.

    An attribute that is too long for its column is written in parts, attributes, too, and then its digest
    under its own name. What is read is whole again.
    """

    @cached_property
    def most_bytes(self) -> int | None:
        """Bytes of an attribute at most; None for any number."""
        return most_bytes(self.engine)

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        if template_trial is None or self.most_bytes is None:
            return super()._create_new_trial(study_id, template_trial)
        written = copy.copy(template_trial)
        written.user_attrs = in_parts(template_trial.user_attrs, self.most_bytes)
        written.system_attrs = in_parts(template_trial.system_attrs, self.most_bytes)
        return with_whole_attributes(super()._create_new_trial(study_id, written))

    def _build_frozen_trial_from_trial_model(self, trial: Any) -> FrozenTrial:
        return with_whole_attributes(super()._build_frozen_trial_from_trial_model(trial))


def whole(operation: Callable[..., T]) -> Callable[..., T]:
    """The same operation, which signals end only afterwards: half a read keeps an SQLite file locked."""

    @wraps(operation)
    def held(*arguments: Any, **options: Any) -> T:
        with held_back():
            return operation(*arguments, **options)

    return held


# Optuna's cache calls the private ones.
for _name in {*BaseStorage.__abstractmethods__, "_create_new_trial", "_get_trials"}:
    if hasattr(WholeTexts, _name):
        setattr(WholeTexts, _name, whole(getattr(WholeTexts, _name)))

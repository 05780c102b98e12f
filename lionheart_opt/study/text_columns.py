"""Long attributes in databases whose columns of text are short, such as those of MySQL."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from lionheart_opt.signals import held_back
from lionheart_opt.study.bulk_rows import RowsInBulk

if TYPE_CHECKING:
    from optuna.study._frozen import FrozenStudy
    from sqlalchemy import Engine

T = TypeVar("T")

#: Databases, by SQLAlchemy's names of the dialects, in whose columns of the type TEXT not every text fits
#: (https://dev.mysql.com/doc/refman/8.4/en/storage-requirements.html). They may cut longer texts off
#: without an error, as their `sql_mode` says.
SHORT = frozenset({"mysql", "mariadb"})
#: How the names of parts begin; the digest of the whole text and the number of the part follow.
PART = "part/"
#: Keys of what an attribute holds instead of a text that is kept in parts.
PARTS, DIGEST = "parts", "sha256 of the parts"


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


class WholeTexts(RowsInBulk):
    """Optuna's storage in a database, in which attributes of any length can be kept.

    An attribute that is too long for its column is written in parts, attributes, too, and then its digest
    under its own name. What is read is whole again.
    """

    @cached_property
    def _most_bytes(self) -> int | None:
        return most_bytes(self.engine)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """As Optuna's."""
        for name, part in self._in_parts({key: value}).items():
            super().set_study_user_attr(study_id, name, part)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """As Optuna's."""
        for name, part in self._in_parts({key: value}).items():
            super().set_study_system_attr(study_id, name, part)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """As Optuna's."""
        for name, part in self._in_parts({key: value}).items():
            super().set_trial_user_attr(trial_id, name, part)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """As Optuna's."""
        for name, part in self._in_parts({key: value}).items():
            super().set_trial_system_attr(trial_id, name, part)

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        if template_trial is None or self._most_bytes is None:
            return super()._create_new_trial(study_id, template_trial)
        written = copy.copy(template_trial)
        written.user_attrs = self._in_parts(template_trial.user_attrs)
        written.system_attrs = self._in_parts(template_trial.system_attrs)
        return _whole(super()._create_new_trial(study_id, written))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """As Optuna's."""
        return joined(super().get_study_user_attrs(study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """As Optuna's."""
        return joined(super().get_study_system_attrs(study_id))

    def get_trial_user_attrs(self, trial_id: int) -> dict[str, Any]:
        """As Optuna's."""
        return joined(super().get_trial_user_attrs(trial_id))

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """As Optuna's."""
        return joined(super().get_trial_system_attrs(trial_id))

    def get_all_studies(self) -> list[FrozenStudy]:
        """As Optuna's."""
        return [_whole(study) for study in super().get_all_studies()]

    def _build_frozen_trial_from_trial_model(self, trial: Any) -> FrozenTrial:
        return _whole(super()._build_frozen_trial_from_trial_model(trial))

    def _in_parts(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """Attributes that fit; the parts of one come before it."""
        most = self._most_bytes
        if most is None:
            return attributes
        written: dict[str, Any] = {}
        for name, value in attributes.items():
            text = json.dumps(value)  # as Optuna writes it: ASCII
            if len(text) <= most:
                written[name] = value
                continue
            length = (most - 2) // 2  # a part is JSON, too: two quotes, and a letter may need two
            texts = [text[start : start + length] for start in range(0, len(text), length)]
            digest = hashlib.sha256(text.encode()).hexdigest()
            written |= {f"{PART}{digest}/{number}": part for number, part in enumerate(texts)}
            written[name] = {PARTS: len(texts), DIGEST: digest}
        return written


def joined(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a study or a trial, those that are kept in parts whole again.

    Raises:
        ValueError: A part is missing, or is another one.
    """
    if not any(name.startswith(PART) for name in attributes):
        return attributes
    whole = {}
    for name, value in attributes.items():
        if name.startswith(PART):
            continue
        if isinstance(value, dict) and value.keys() == {PARTS, DIGEST}:
            names = [f"{PART}{value[DIGEST]}/{number}" for number in range(value[PARTS])]
            text = "".join(str(attributes.get(each, "")) for each in names)
            if hashlib.sha256(text.encode()).hexdigest() != value[DIGEST]:
                raise ValueError(f"{name}: parts of it are missing or damaged")
            value = json.loads(text)
        whole[name] = value
    return whole


def _whole(thing: T) -> T:
    """A trial or a study with whole attributes."""
    either: Any = thing
    either.user_attrs, either.system_attrs = joined(either.user_attrs), joined(either.system_attrs)
    return thing


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

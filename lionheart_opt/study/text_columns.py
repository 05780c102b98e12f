"""How much text a database keeps in one column: on MySQL and MariaDB, 64 KiB."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lionheart_opt.errors import InputError

if TYPE_CHECKING:
    import optuna

#: Bytes that an attribute may take, by SQLAlchemy's name of the dialect. Optuna keeps attributes as JSON
#: in columns of the type TEXT (https://dev.mysql.com/doc/refman/8.4/en/storage-requirements.html).
#: MySQL may cut longer texts off without an error, as its `sql_mode` says.
MOST_BYTES = {"mysql": 65_535, "mariadb": 65_535}
_NAMES = {"mysql": "MySQL", "mariadb": "MariaDB"}


def check_texts(
    storage: optuna.storages.BaseStorage, study_name: str, attributes: dict[str, Any]
) -> None:
    """Refuse attributes that do not fit into a column of the storage's database.

    Args:
        storage: Any Optuna storage; only databases whose columns are short refuse something.
        study_name: Name of the Optuna study, for the message.
        attributes: Attributes of a study or of a trial, before they are written.

    Raises:
        InputError: An attribute does not fit.
    """
    engine = getattr(getattr(storage, "_backend", storage), "engine", None)
    dialect = "" if engine is None else engine.dialect.name
    if dialect not in MOST_BYTES:
        return
    for name, value in attributes.items():
        n_bytes = len(json.dumps(value))  # as Optuna writes it: ASCII
        if n_bytes > MOST_BYTES[dialect]:
            raise InputError(
                f"study {study_name!r}: {name!r} takes {n_bytes:,} bytes; "
                f"{_NAMES.get(dialect, dialect)} keeps at most {MOST_BYTES[dialect]:,}. Give the study "
                "another storage: PostgreSQL, SQLite and journal files have no such limit. "
                "It was not written"
            )

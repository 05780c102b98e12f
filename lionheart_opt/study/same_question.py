"""Whether a record answers the question that is asked now, and what differs if it does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lionheart_opt.errors import InputError
from lionheart_opt.study.specification import FORMAT, differences, remedy
from lionheart_opt.text import one_line

if TYPE_CHECKING:
    import optuna

#: User attributes of the Optuna study: what decides the results, what the names in that stand for, and
#: the format of the record.
SPECIFICATION, CONTENTS, RECORD_FORMAT = "specification", "contents", "format"
#: User attributes that help readers: versions of packages, sources of own plug-ins (of the oracle, the
#: cost model and the strategy), and the traced network.
VERSIONS, SOURCES, NETWORK = "versions", "sources", "network"
#: Characters that messages say of what differs between a record and what is asked.
MOST_SAID = 110


def check_contents(study: optuna.Study, contents: dict[str, Any]) -> None:
    """Refuse to resume a record that other weights, data or hardware decide.

    Records that do not hold their contents were made when all trainings of a lineage saw the same
    batches (format 1 of `lionheart_opt.oracle.weights`).

    Raises:
        InputError: The record was made with others.
    """
    now = json.loads(json.dumps(contents))
    recorded = study.user_attrs.get(CONTENTS)
    if recorded is None and now.get("format", 1) != 1:
        raise InputError(
            f"study {study.study_name!r}: it was recorded by an older version, in which every training "
            "of a lineage saw the same batches; resuming it would mix two oracles. Give the run another "
            "label or the study another storage; show, compare and plot still read it"
        )
    if recorded is not None and (differs := differences(recorded, now)):
        raise InputError(
            f"study {study.study_name!r} was recorded with another network, data or hardware: "
            f"{one_line('; '.join(differs), MOST_SAID)}. Change them back, or give the run another label "
            "or the study another storage. The record was not changed"
        )


def answers_same(recorded: dict[str, Any], specification: dict[str, Any]) -> bool:
    """Whether a recorded specification is this one."""
    return not differences(recorded, json.loads(json.dumps(specification)))


def same_question(study: optuna.Study, specification: dict[str, Any]) -> optuna.Study:
    """The study, if it is a record that was made for this specification and can be read.

    Raises:
        InputError: It is not; the message says what differs.
    """
    record_format = study.user_attrs.get(RECORD_FORMAT, 1)
    if record_format > FORMAT:
        raise InputError(
            f"study {study.study_name!r}: its record has format {record_format}; this version reads "
            f"up to {FORMAT}: install a newer lionheart_opt"
        )
    recorded = study.user_attrs[SPECIFICATION]
    now = json.loads(json.dumps(specification))  # tuples become lists, as in the storage
    if differs := differences(recorded, now):
        raise InputError(
            f"study {study.study_name!r} was recorded with other settings: "
            f"{one_line('; '.join(differs), MOST_SAID)}. "
            f"{remedy(differs)}. The record was not changed"
        )
    return study

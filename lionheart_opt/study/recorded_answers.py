"""Reads what the records of a storage hold, for whoever asks the same oracle again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import optuna

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.study.finished_trials import finished_trials
from lionheart_opt.study.optuna_keeper import DIGITAL, unused_sampler
from lionheart_opt.study.same_question import CONTENTS, RECORD_FORMAT, SOURCES, SPECIFICATION
from lionheart_opt.study.sources import Sources
from lionheart_opt.study.specification import FORMAT, differences
from lionheart_opt.study.storage import reading
from lionheart_opt.study.trials import OUTCOMES


def studies_of(
    storage: optuna.storages.BaseStorage,
    part: dict[str, Any],
    contents: dict[str, Any],
    sources: Sources | None = None,
) -> list[optuna.Study]:
    """Optuna studies of a storage that asked the same oracle.

    Records of a newer format are left out: this version may misread them. So are records of an oracle
    with plug-ins of the study's own whose sources differ, or are not recorded.

    Args:
        storage: Any Optuna storage.
        part: What their specifications must agree with, in all that it says.
        contents: What their contents must agree with, in all that they say.
        sources: Sources of the oracle's plug-ins.
    """
    part, contents = json.loads(json.dumps([part, contents]))
    with reading("storage: its records cannot be read"):
        return _studies_of(storage, part, contents, sources or {})


def _studies_of(
    storage: optuna.storages.BaseStorage,
    part: dict[str, Any],
    contents: dict[str, Any],
    sources: Sources,
) -> list[optuna.Study]:
    return [
        optuna.load_study(study_name=summary.study_name, storage=storage, sampler=unused_sampler())
        for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)
        if summary.user_attrs.get(RECORD_FORMAT, 1) <= FORMAT
        and (summary.user_attrs.get(SOURCES) or {}).get("oracle", {}) == sources
        and _agree(summary.user_attrs.get(CONTENTS, {}), contents)
        and not differences(
            part,
            {
                key: value
                for key, value in summary.user_attrs.get(SPECIFICATION, {}).items()
                if key in part
            },
        )
    ]


def recorded_accuracies(
    study: optuna.Study, training: Training
) -> Iterator[tuple[Candidate, Accuracy, str | None]]:
    """Resolved candidates, their recorded accuracies, and the names of artifacts with their outcomes.

    Of records that were made before the meaning of a training changed, only those without a training.

    Args:
        study: The Optuna study of a record.
        training: Used where neither the candidate nor the study's specification says one.
    """
    with reading(f"study {study.study_name!r}: its record cannot be read"):
        yield from list(_recorded(study, training))


def _recorded(
    study: optuna.Study, training: Training
) -> Iterator[tuple[Candidate, Accuracy, str | None]]:
    usual = study.user_attrs[SPECIFICATION].get("training", training)
    is_old = (
        CONTENTS not in study.user_attrs
    )  # its trainings mean something else, see `check_contents`
    for trial in finished_trials(study, ("lineage", "accuracy", OUTCOMES)):
        if not trial.has_failed and "accuracy" in trial.attributes:
            candidate = Candidate.from_json(trial.attributes["lineage"]).resolved(usual)
            if is_old and any(each.training != "none" for each in candidate.lineage):
                continue
            accuracy = Accuracy.from_json(trial.attributes["accuracy"])
            yield candidate, accuracy, trial.attributes.get(OUTCOMES)
    if DIGITAL in study.user_attrs:
        data = study.user_attrs[DIGITAL]
        candidate = Candidate.from_json(data["lineage"]).resolved(usual)
        yield candidate, Accuracy.from_json(data["accuracy"]), data.get(OUTCOMES)


def _agree(recorded: dict[str, Any], now: dict[str, Any]) -> bool:
    return not differences(recorded, {key: value for key, value in now.items() if key in recorded})

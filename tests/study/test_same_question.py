"""Whether a record answers what is asked now."""

from __future__ import annotations

import optuna
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.study.same_question import (
    MOST_SAID,
    answers_same,
    check_contents,
    same_question,
)
from lionheart_opt.study.specification import FORMAT

SAID = {"seed": 0, "limits": {"max_drop": 0.1, "draws": [4, 8]}}


def record(**attributes) -> optuna.Study:
    study = optuna.create_study(study_name="s")
    for name, value in attributes.items():
        study.set_user_attr(name, value)
    return study


def test_the_same_question_is_known_by_its_content():
    tuples = {"seed": 0, "limits": {"max_drop": 0.1, "draws": (4, 8)}}
    assert answers_same(SAID, tuples)
    assert not answers_same(SAID, {**SAID, "seed": 1})
    study = record(specification=SAID, format=FORMAT)
    assert same_question(study, tuples) is study


def test_what_differs_is_said_and_a_newer_format_refused():
    study = record(specification=SAID)
    with pytest.raises(InputError, match=r"limits\.max_drop: recorded 0\.1, now 0\.2"):
        same_question(study, {**SAID, "limits": {**SAID["limits"], "max_drop": 0.2}})
    with pytest.raises(InputError) as error:
        same_question(study, {**SAID, "x": "y" * 1000})
    assert len(str(error.value)) < MOST_SAID + 300
    with pytest.raises(InputError, match="install a newer lionheart_opt"):
        same_question(record(specification=SAID, format=FORMAT + 1), SAID)


def test_other_contents_are_refused():
    study = record(contents={"data": "a"})
    check_contents(study, {"data": "a"})
    with pytest.raises(InputError, match="another network, data or hardware: data: recorded 'a'"):
        check_contents(study, {"data": "b"})
    check_contents(record(), {"format": 1})
    with pytest.raises(InputError, match="recorded by an older version"):
        check_contents(record(), {"format": 2})

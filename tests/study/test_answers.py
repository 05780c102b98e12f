"""Answers beside accuracy, as records of both formats keep them."""

from __future__ import annotations

import optuna
import pytest

from lionheart_opt.questions import Proxies
from lionheart_opt.study.answers import ANSWERS, answer_of, recorded_answer

QUESTION = Proxies(units=("a", "b"))
PLAIN = {"values": {"hessian": {"a": 1.0, "b": 2.0}}, "oracle_s": 3.0}


def test_both_formats_are_read():
    study = optuna.create_study()
    assert recorded_answer(study, QUESTION) is None
    for said in (PLAIN, {"question": "proxies", "asked": {}, "answer": PLAIN}):
        study.set_user_attr(ANSWERS + QUESTION.digest, said)
        answer = recorded_answer(study, QUESTION)
        assert answer == answer_of(said)
        assert answer is not None and answer.oracle_s == 3.0
        assert answer.values == {"hessian": {"a": 1.0, "b": 2.0}}


def test_an_answer_that_lacks_a_unit_is_damaged():
    study = optuna.create_study()
    study.set_user_attr(ANSWERS + QUESTION.digest, {**PLAIN, "values": {"hessian": {"a": 1.0}}})
    with pytest.raises(ValueError, match="hessian has no value for b"):
        recorded_answer(study, QUESTION)

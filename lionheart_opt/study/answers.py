"""Answers beside accuracy, as a record keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lionheart_opt.questions import Answer, Question

if TYPE_CHECKING:
    import optuna

#: Prefix of the user attributes with answers beside accuracy; the question's digest follows. Records of
#: format 1 have the same.
ANSWERS = "knowledge/"


def recorded_answer(study: optuna.Study, question: Question) -> Answer | None:
    """The answer that a study recorded; None if the question was not asked."""
    said = study.user_attrs.get(ANSWERS + question.digest)
    if said is None:
        return None
    answer = answer_of(said)
    asked = vars(question)
    for name, values in answer.values.items():
        if missing := set(asked.get("units", asked.get("prices", ()))) - set(values):
            raise ValueError(f"{name} has no value for {', '.join(sorted(missing))}")
    return answer


def answer_of(said: dict[str, Any]) -> Answer:
    """The answer to a question beside accuracy, from its user attribute."""
    plain = said.get("answer", said)  # format 1 has the fields of question and answer side by side
    values = {
        str(name): {str(unit): float(value) for unit, value in units.items()}
        for name, units in plain["values"].items()
    }
    return Answer(values=values, oracle_s=float(plain["oracle_s"]))

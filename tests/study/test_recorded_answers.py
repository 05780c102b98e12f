"""What the records of a storage hold is found for whoever asks the same oracle."""

from __future__ import annotations

import optuna
import pytest
from recorded_search import SAID, searched

from lionheart_opt.study.answers import recorded_answer
from lionheart_opt.study.recorded_answers import recorded_accuracies, studies_of


@pytest.fixture
def storage() -> optuna.storages.BaseStorage:
    return optuna.storages.InMemoryStorage()


def test_studies_of_the_same_oracle_are_found(storage):
    for name in ("a", "b"):
        searched(storage, name)
    optuna.create_study(storage=storage, study_name="somebody else's")
    names = [study.study_name for study in studies_of(storage, {"oracle": {"a": 1}}, {})]
    assert names == ["a", "b"]
    assert studies_of(storage, {"oracle": {"a": 2}}, {}) == []


def test_accuracies_of_a_study_are_read_with_their_training(storage):
    keeper = searched(storage)
    pairs = list(recorded_accuracies(keeper.study, "short"))
    assert len(pairs) == 5 and {candidate.training for candidate, _, _ in pairs} == {"short"}
    said = {**SAID, "training": "full"}
    keeper.study.set_user_attr("specification", said)
    assert {each.training for each, _, _ in recorded_accuracies(keeper.study, "short")} == {"full"}
    from lionheart_opt.questions import Proxies

    assert recorded_answer(keeper.study, Proxies(units=("a",))) is None

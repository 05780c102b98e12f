"""The small copy of an oracle: the same code, few examples, nothing kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from oracle_setup import NAMES, SETTINGS, candidate, small_oracle

from lionheart_opt.accuracy import Fidelity, Rehearses
from lionheart_opt.mapping import Training
from lionheart_opt.oracle.rehearsal import BATCH_SIZE, STEPS, few_examples, short_trainings
from lionheart_opt.oracle.settings import HatRecipe


def test_few_examples_of_each_part(tmp_path: Path) -> None:
    splits = small_oracle(tmp_path).splits
    few = few_examples(splits)
    sizes = len(few.train), len(few.validation), len(few.test)
    assert sizes == (STEPS * BATCH_SIZE, BATCH_SIZE, BATCH_SIZE)
    assert few.train.targets.equal(splits.train.targets[: len(few.train)])


def test_short_trainings_keep_what_decides_whether_they_work() -> None:
    hat = HatRecipe(epochs=300, short_epochs=9, one_shot_epochs=9, batch_size=4, learning_rate=7.0)
    settings = replace_settings(hat=hat, batch_size=64, verify_on="aihwkit")
    short = short_trainings(settings)
    assert (short.hat.epochs, short.hat.short_epochs, short.hat.one_shot_epochs) == (1, 1, 1)
    assert (short.hat.steps, short.hat.batch_size, short.hat.learning_rate) == (STEPS, 4, 7.0)
    assert short.pretrain is not None and short.pretrain.batch_size == BATCH_SIZE
    assert (short.times_s, short.engine, short.verify_on) == (
        settings.times_s,
        settings.engine,
        "aihwkit",
    )
    assert short_trainings(replace_settings(pretrain=None)).pretrain is None


def replace_settings(**changes: object) -> object:
    return SETTINGS.model_copy(update=changes)


@pytest.mark.parametrize("training", ["none", "short", "full", "one_shot"])
def test_a_small_copy_answers_at_all_times_and_keeps_nothing(
    tmp_path: Path, training: Training
) -> None:
    oracle = small_oracle(tmp_path / "artifacts")
    assert isinstance(oracle, Rehearses)
    small = oracle.small_copy()
    asked = candidate(*NAMES).with_training(training)
    answer = small.accuracy(asked, Fidelity(draws=(0, 1)), 0)
    assert answer.samples.shape == (1, len(SETTINGS.times_s)) and answer.n_examples == BATCH_SIZE
    assert not (tmp_path / "artifacts").exists()
    assert replace(oracle).identity == oracle.identity  # the oracle itself is as it was

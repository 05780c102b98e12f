"""What drives a strategy: batches in, answers out, the replay checked where new ground begins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.strategies.random import Random
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import tiny_problem


def in_memory(strategy: Strategy, trials: int | None = None) -> Search:
    return Search(Record(tiny_problem()), strategy, seed=7, budget=Budget(trials=trials))


@pytest.mark.parametrize("yields", ["mapping", "candidate", "mappings", "nothing"])
def test_a_strategy_that_yields_something_else_is_told_what_to_yield(yields):
    @dataclass(frozen=True)
    class Wrong:
        def search(self, problem, rng):
            mapping = problem.all_analog
            yield {
                "mapping": mapping,
                "candidate": problem.pretrained(mapping),
                "mappings": [mapping],
                "nothing": None,
            }[yields]

    with pytest.raises(InputError, match=r"Wrong: yielded .*; must be a list of candidates"):
        in_memory(Wrong()).run()


def test_an_empty_batch_is_answered_with_nothing():
    @dataclass(frozen=True)
    class Pauses:
        def search(self, problem, rng):
            answers = yield []
            assert answers == []
            yield [problem.pretrained(problem.all_analog)]

    pausing = in_memory(Pauses())
    assert pausing.run() == "finished" and len(pausing.record) == 1


def test_the_replay_is_checked_once_and_not_at_every_batch(monkeypatch):
    checks = []
    monkeypatch.setattr(Search, "_check_replay", lambda *_: checks.append(1))
    search = in_memory(Random(), trials=12)
    search.run()
    Search(search.record, Random(), seed=7, budget=Budget(trials=20)).run()
    assert checks == [1, 1], "once a run, where new ground begins"


def test_numbers_of_numpy_are_numbers(tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    problem = replace(tiny_problem(), seed=0)
    plans = lo.Study.of(problem, ["random"], seeds=np.arange(2), trials=np.int64(2), storage=url)
    assert [result.name for result in plans.run()] == ["random/seed0", "random/seed1"]
    options = {"trials": 3, "storage": url, "label": "x"}
    plain = lo.search(problem, "exhaustive", arguments={"most": 99}, **options)
    numpy = lo.search(problem, "exhaustive", arguments={"most": np.int64(99)}, **options)
    assert len(plain) == len(numpy) == 3

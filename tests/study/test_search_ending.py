"""Whether its last run went to the end is part of a search's record."""

from __future__ import annotations

import pytest

from lionheart_opt.strategies.random import Random
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Progress, Search
from lionheart_opt.testing import tiny_problem


def search_in(record: Record, trials: int) -> Search:
    return Search(record, Random(), seed=0, budget=Budget(trials=trials))


def test_a_record_says_whether_the_last_run_went_to_its_end() -> None:
    record = Record(tiny_problem(max_drop=0.9))
    keeper = record.keeper
    assert keeper.has_ended is None
    search_in(record, 1).run()
    assert keeper.has_ended is True

    def interrupt(progress: Progress) -> None:
        assert keeper.has_ended is False
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_in(record, 3).run(interrupt)
    assert keeper.has_ended is False
    search_in(record, 3).run()
    assert keeper.has_ended is True

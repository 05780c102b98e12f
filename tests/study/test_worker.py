"""What a worker process does, in this process."""

from __future__ import annotations

import cloudpickle
import pytest
import torch
from deadly import deadly, toy

import lionheart_opt as lo
from lionheart_opt.study.worker import Evaluate, SentProblem, work_for


def test_a_problem_is_built_once(monkeypatch):
    sent = SentProblem.of(toy())
    candidate = toy().pretrained(toy().all_analog)
    first = work_for(sent, Evaluate(candidate), threads=torch.get_num_threads())
    monkeypatch.setattr(cloudpickle, "loads", None)
    same = cloudpickle.dumps(sent)
    monkeypatch.undo()
    again = cloudpickle.loads(same)
    monkeypatch.setattr(cloudpickle, "loads", None)
    second = work_for(again, Evaluate(candidate), threads=torch.get_num_threads())
    assert first.objectives == second.objectives
    assert sent == again != SentProblem.of(toy())


def test_torch_uses_the_threads_that_the_worker_has():
    threads = torch.get_num_threads()
    try:
        sent = SentProblem.of(toy())
        work_for(sent, Evaluate(toy().pretrained(toy().all_analog)), threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)


def test_torch_without_memory_is_a_memory_error(tmp_path):
    problem = deadly(tmp_path, how="torch")
    with pytest.raises(MemoryError, match="can't allocate memory"):
        Evaluate(problem.pretrained(problem.all_analog))(problem)


def test_what_cannot_be_rebuilt_is_said():
    sent = SentProblem(b"nonsense", None)
    with pytest.raises(lo.InputError, match="cannot be rebuilt in another process"):
        work_for(sent, Evaluate(toy().pretrained(toy().all_analog)), threads=1)

"""The front door: what its functions return, whatever kind of data and numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from front_door import data, examples, made_up, outcome

import lionheart_opt as lo
from lionheart_opt.study.record import Record


@pytest.fixture(scope="module")
def problem() -> lo.Problem:
    return made_up()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_of_another_precision_is_traced_with_such_an_example(kind: torch.dtype) -> None:
    network = torch.nn.Linear(3, 2).to(kind)
    with pytest.warns(UserWarning, match="it is computed in float32"):
        workload = lo.trace(network, torch.zeros(1, 3, dtype=kind))
    assert workload.macs == 6
    with pytest.warns(UserWarning, match="it is computed in float32"):
        assert lo.cost(network, example={"input": torch.zeros(1, 3, dtype=kind)}).energy_j > 0


def test_arrays_and_tensors_are_the_same_data():
    images, labels = examples()
    mine = lo.dataset(
        train=(images[:160].numpy(), labels[:160].numpy()),
        test=(images[160:].numpy(), labels[160:].numpy().astype(np.int32)),
    )
    assert mine.split().digest == data().split().digest


def test_a_label_tells_two_searches_of_a_storage_apart(problem, tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    lo.search(problem, "random", trials=2, storage=url)
    with pytest.raises(lo.InputError, match=r"strategy\.arguments\.training: recorded None"):
        lo.search(problem, "random", arguments={"training": "none"}, trials=2, storage=url)
    other = lo.search(
        problem, "random", arguments={"training": "none"}, trials=2, storage=url, label="untrained"
    )
    assert other.label == "untrained" and len(other) == 2


def test_a_search_waits_for_another_driver_if_it_is_asked_to(problem, monkeypatch):
    asked, claimed = [], Record.claimed

    def spy(record, *, wait=False):
        asked.append(wait)
        return claimed(record, wait=wait)

    monkeypatch.setattr(Record, "claimed", spy)
    lo.search(problem, "random", trials=1)
    lo.search(problem, "random", trials=1, wait=True)
    assert asked.count(True) == 1
    with pytest.raises(lo.InputError, match=r"wait: got 1; must be True or False"):
        lo.search(problem, "random", trials=1, wait=1)


def test_a_strategy_that_proposes_nothing_has_an_empty_result(problem):
    class Idle:
        def search(self, problem, rng):
            yield from ()

    assert len(lo.search(problem, Idle())) == 0


def test_numbers_of_numpy_are_numbers(tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    plain = {"draws": [2, 4], "max_drop": 0.25, "seed": 3, "confidence": 0.5625}
    numpy = {
        "draws": np.array([2, 4]),
        "max_drop": np.float32(0.25),
        "seed": np.int64(3),
        "confidence": np.float32(0.5625),
    }
    results = [
        lo.search(made_up(**kind), "random", trials=np.int64(2), seed=np.int64(1), storage=url)
        for kind in (numpy, plain)
    ]
    assert outcome(results[0]) == outcome(results[1])


def test_prices_of_one_mapping_in_three_ways():
    by_name = lo.cost("resnet8", "lionheart", {"fc": "tile"})
    workload = lo.trace("resnet8")
    system = lo.problem("resnet8", oracle={"kind": "front_door:MadeUp"}, draws=[2]).system
    units = {unit.name: "core" for unit in workload.units}
    assert by_name == lo.cost(workload, system, lo.Mapping.of({**units, "fc": "tile"}))
    frame = lo.cost("resnet8").to_frame()
    assert list(frame.columns) == [
        "name",
        "kind",
        "target",
        "place",
        "macs",
        "latency_s",
        "energy_j",
        "latency_low_s",
        "latency_high_s",
        "energy_low_j",
        "energy_high_j",
    ]
    assert frame["latency_s"].sum() == pytest.approx(lo.cost("resnet8").latency_s)


def test_a_problem_of_a_batch_is_searched():
    problem = made_up(batch=4)
    assert problem.workload.batch == 4
    result = lo.search(problem, "knapsack", trials=3)
    best = result.best
    assert best is not None
    cost = lo.cost(problem.workload, problem.system, best.mapping)
    assert best.cost.latency_s == cost.latency_s
    assert cost.interval_s == pytest.approx(cost.latency_s / 4)

"""The front door says in one line what it cannot use, and which record answers another question."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from front_door import Small, data, made_up, small

import lionheart_opt as lo
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.random import Random


@pytest.fixture(scope="module")
def problem() -> lo.Problem:
    return made_up()


# --- records of other questions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": small(1)}, "oracle.weights"),
        ({"dataset": data(shift=0.5)}, "oracle.data"),
        ({"max_drop": 0.4}, "limits.max_drop: recorded 0.5, now 0.4"),
        ({"oracle": {"hat": {"epochs": 2}}}, "oracle.settings.hat.epochs: recorded 50, now 2"),
        ({"seed": 1}, "seed: recorded 0, now 1"),
        ({"training": "short"}, "training: recorded 'none', now 'short'"),
        ({"digital": ["last"]}, "digital: recorded [], now ['last']"),
        ({"system": "alpine-low-power"}, "oracle.rpu_config: recorded"),
        ({"objectives": ["energy_j"]}, "objectives: recorded ['latency_s'], now ['energy_j']"),
        ({"cost_limits": {"energy_j": 1.0}}, "limits.energy_j: recorded None, now 1.0"),
    ],
)
def test_a_record_of_another_problem_is_refused_with_what_differs(tmp_path, changes, message):
    def question(**changes: Any) -> lo.Problem:
        usual = {"model": small(), "dataset": data(), "max_drop": 0.5, "training": "none"}
        arguments = {**usual, "draws": [2], **changes}
        return lo.problem(arguments.pop("model"), arguments.pop("dataset"), **arguments)

    url = f"sqlite:///{tmp_path / 'k.db'}"
    lo.search(question(), Random(), trials=0, storage=url)
    lo.search(question(), Random(), trials=0, storage=url)  # the same question, made again
    before = (tmp_path / "k.db").read_bytes()
    with pytest.raises(lo.InputError) as error:
        lo.search(question(**changes), Random(), trials=0, storage=url)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert (tmp_path / "k.db").read_bytes() == before


def test_weights_that_differ_from_run_to_run_are_named(tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    lo.search(lo.problem(Small(), data(), draws=[2]), "random", trials=0, storage=url)
    with pytest.raises(lo.InputError, match=r"weights of the network differ.*torch\.manual_seed"):
        lo.search(lo.problem(Small(), data(), draws=[2]), "random", trials=0, storage=url)


# --- bad arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": "soon"}, "time: got 'soon'; must be seconds, or a number with one of"),
        ({"time": None}, "time: got None"),
        ({"time": []}, "at least one time"),
        ({"time": b"x"}, "time: got b'x'"),
        ({"draws": b"x"}, "draws: got b'x'"),
        ({"over": []}, r"unknown over '\[\]'"),
        ({"time": -1}, "time: got -1"),
        (
            {"max_drop": 2},
            "max_drop: got 2; must be from 0 to 1, the range of accuracy",
        ),
        ({"max_drop": "1%"}, "max_drop: got '1%'"),
        ({"max_drop": float("nan")}, "max_drop: got nan"),
        ({"objectives": ["speed"]}, "unknown objective 'speed'; allowed: drop"),
        ({"objectives": []}, "objectives: at least one of"),
        ({"objectives": [3]}, "unknown objective '3'"),
        ({"training": "hard"}, "unknown training 'hard'; allowed: full"),
        ({"training": None}, "unknown training 'None'"),
        ({"draws": [1]}, "can never be decided with 1: the last must be at least 2"),
        ({"draws": [5, 10], "quantile": 0.9}, "must be at least 29"),
        ({"draws": "5"}, "draws: got '5'"),
        ({"draws": [5, 4]}, "each above the one before"),
        ({"quantile": 2}, "quantile: got 2"),
        ({"confidence": None}, "confidence"),
        ({"digital": ["fc9"]}, r"unknown unit 'fc9' \(did you mean 'fc'\?\)"),
        ({"units": {"a": ["fc9"]}}, "unknown unit 'fc9'"),
        ({"units": 3}, "units: got 3"),
        ({"units": ["a"]}, "units: 'a': unknown unit 'a'"),
        ({"units": "block"}, "units: got 'block'; must be"),
        ({"system": "lion"}, r"system: unknown system 'lion' \(did you mean 'lionheart'\?\)"),
        ({"system": 3}, "system: got an object of type int"),
        ({"system": "no.toml"}, "no.toml"),
        ({"cost_limits": {"speed": 1}}, "unknown cost limit 'speed'"),
        ({"cost_limits": {"latency_s": "x"}}, "cost limit latency_s: got 'x'"),
        ({"cost_limits": [1]}, "cost_limits: got"),
        ({"model": "resnet9"}, r"unknown model 'resnet9' \(did you mean 'resnet8'"),
        ({"model": small()}, "dataset: is missing"),
        ({"dataset": (1, 2)}, "dataset: got an object of type tuple; make one with lo.dataset"),
        ({"dataset": "digits"}, "dataset: got an object of type str"),
        ({"oracle": {"kind": "nosuch"}}, "unknown oracle 'nosuch'; allowed: hat, table"),
        ({"oracle": {"kind": 3}}, "kind: got 3"),
        ({"oracle": {"kind": "front_door:small"}}, "has no `from_study`"),
        ({"seed": "x"}, "seed: got 'x'"),
    ],
)
def test_a_bad_argument_of_problem_is_one_clear_line(changes, message):
    with pytest.raises(lo.InputError, match=message) as error:
        made_up(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("resnet8", {"dataset": None}, "dataset: is missing; make one with lo.dataset"),
        (small(), {"oracle": {"epochs": 1}}, "unknown key 'epochs'; allowed: batch_size"),
        (small(), {"oracle": {"times_s": [1.0]}}, "must be one of the oracle's times_s: 1"),
        (small(), {"oracle": "hat"}, "oracle: got 'hat'; must be a dictionary"),
        (small(), {"digital": ["fourth"]}, "unknown unit 'fourth'; allowed: first, last, second"),
        (None, {}, "model: got None"),
        (Small, {}, "model: got the class Small, not an instance"),
    ],
)
def test_a_bad_argument_beside_data_is_one_clear_line(model, changes, message):
    arguments = {"dataset": data(), **changes}
    with pytest.raises(lo.InputError, match=message) as error:
        lo.problem(model, arguments.pop("dataset"), **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("strategy", "changes", "message"),
    [
        ("rand", {}, r"unknown strategy 'rand' \(did you mean 'random'\?\)"),
        ("nosuch:X", {}, "no module 'nosuch'"),
        (None, {}, "strategy: got None; must be a name, or an object with a method `search`"),
        (MacGreedy, {}, r"strategy: got the class MacGreedy; give an instance: MacGreedy\(\)"),
        (MacGreedy(), {"arguments": {"training": "full"}}, "arguments: training given beside"),
        ("random", {"arguments": {"x": 1}}, "unknown argument 'x'; allowed: training"),
        ("random", {"arguments": 3}, "arguments: got 3; must be a dictionary"),
        ("random", {"workers": 0}, "workers: got 0; must be a whole number from 1 to 1024"),
        ("random", {"workers": 1.5}, "workers: got 1.5"),
        ("random", {"trials": -1}, "trials: got -1"),
        ("random", {"trials": "4"}, "trials: got '4'"),
        ("random", {"oracle_s": -1}, "oracle_s: got -1"),
        ("random", {"seed": -1}, "seed: got -1; must be a whole number from 0 on"),
        ("random", {"seed": "a"}, "seed: got 'a'"),
        ("random", {"label": 3}, "label: got 3"),
        ("random", {"trainings": np.array([1, 2])}, "trainings: got array"),
        ("random", {"trainings": 0.0}, r"trainings: got 0\.0"),
        ("random", {"storage": "k.db"}, "storage: got 'k.db'; must be a URL such as sqlite"),
        ("random", {"storage": 3}, "storage: got 3"),
        ("random", {"storage": "sqlite:////no/such/k.db"}, "folder /no/such does not exist"),
        ("random", {"storage": "nosuch://k.db"}, "storage: cannot open 'nosuch://k.db'"),
    ],
)
def test_a_bad_argument_of_search_is_one_clear_line(problem, strategy, changes, message):
    with pytest.raises(lo.InputError, match=message) as error:
        lo.search(problem, strategy, **{"trials": 1, **changes})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: lo.search(None, "random"), "problem: got an object of type NoneType"),
        (lambda _: lo.load("nosuch"), "nosuch: No such file"),
        (lambda _: lo.Mapping({"fc": "tile"}), r"write Mapping.of\(\{unit: target"),
        (lambda _: lo.trace(3, (1, 4, 4)), "model: got an object of type int"),
        (lambda _: lo.trace(small()), "example: is missing"),
        (lambda _: lo.trace(small(), (2, 4, 4)), r"example of shape \(1, 2, 4, 4\)"),
        (lambda _: lo.cost("resnet8", "lionheart", "all"), "unknown mapping 'all'"),
        (lambda _: lo.cost("resnet8", "lionheart", ["fc"]), "mapping: got an object of type list"),
        (lambda _: lo.cost("resnet8", "lionheart", np.ones(2)), "got an object of type ndarray"),
        (lambda _: lo.cost("resnet8", "lionheart", {"fc9": "tile"}), "unknown unit 'fc9'"),
        (lambda _: lo.cost("resnet8", "lionheart", {"fc": "moon"}), "unknown target 'moon'"),
        *(
            (
                lambda _, call=call: call(lo.trace("resnet8"), example=(3, 9, 9)),
                "example: got .*'resnet8'",
            )
            for call in (lo.cost, lo.systems, lo.roofline)
        ),
        *(
            (lambda _, task=task: lo.problem(small(), {"train": 0, "test": 0}, task=task), "task")
            for task in ("", 0, [], np.ones(2))
        ),
        (lambda _: lo.dataset(train=(1, 2), test=3), "inputs of shape"),
    ],
)
def test_other_bad_arguments_are_one_clear_line(problem, call, message):
    with pytest.raises(lo.InputError, match=message) as error:
        call(problem)
    assert "\n" not in str(error.value)

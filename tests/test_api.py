"""The front door: scripts of ten lines run as printed, resume, and say clearly what they cannot use."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import front_door
import numpy as np
import pytest
import torch
from front_door import data, examples, made_up, outcome, output_of, python, small, wait_until

import lionheart_opt as lo
from lionheart_opt.results.result import COLUMNS

HAT = {"hat": {"epochs": 1, "batch_size": 64}}

#: A script of a user: everything is defined in it, and nothing guards its main part.
SCRIPT = """
import sys
from dataclasses import dataclass
import torch
from torch import nn
import lionheart_opt as lo

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(16, 12), nn.Linear(12, 3)

    def forward(self, images):
        return self.last(torch.relu(self.first(images.flatten(1))))

@dataclass(frozen=True)
class EachUnit:
    backwards: bool = False

    def search(self, problem, rng):
        units = problem.units[::-1] if self.backwards else problem.units
        yield [problem.pretrained(problem.mapping({unit.name: "tile"})) for unit in units]

torch.manual_seed(0)
labels = torch.arange(120) % 3
images = torch.randn(120, 1, 4, 4)
network = Network()
data = lo.dataset(train=(images[:80], labels[:80]), test=(images[80:], labels[80:]))
problem = lo.problem(
    network, data, system="lionheart", max_drop=0.9, time="1 day", draws=[2, 3],
    objectives=["latency_s", "drop"], training="none",
)
workers, storage = int(sys.argv[1]), sys.argv[2] if sys.argv[2:] else None
result = lo.search(problem, EachUnit(backwards=True), seed=0, storage=storage, workers=workers)
print(result.best.mapping.units_on("tile"), len(result.front()))
print(result.to_frame().drop(columns="oracle_s").to_string(float_format="%.17g"))
"""

#: A search on made-up accuracies, slow enough to be stopped.
SLOW_SCRIPT = """
import sys
from front_door import made_up
import lionheart_opt as lo
workers, storage, strategy = int(sys.argv[1]), *sys.argv[2:]
lo.search(made_up(), strategy, trials=10, storage=storage, workers=workers)
"""


@pytest.fixture(scope="module")
def problem() -> lo.Problem:
    return made_up()


# --- scripts ------------------------------------------------------------------------------------------


def test_the_script_of_the_design_runs_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, dataset = small(), data()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    problem = lo.problem(
        model,
        dataset,
        system="lionheart",
        max_drop=0.5,
        time="1 day",
        objectives=["latency_s", "drop"],
        draws=[2, 3],
        oracle=HAT,
    )
    result = lo.search(problem, "knapsack", trials=5, seed=0, storage="sqlite:///k.db")
    assert result.best is not None and set(result.best.mapping) == {"first", "second", "last"}
    assert result.front() and len(result.to_frame()) == len(result)
    again = lo.search(problem, "knapsack", trials=5, seed=0, storage="sqlite:///k.db")
    assert outcome(again) == outcome(result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k.db"], "nothing trained"
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items()), (
        "left untouched"
    )
    assert len(lo.cost(model, "lionheart", "all-analog", example=(1, 4, 4)).to_frame()) == 5
    assert [unit.name for unit in lo.trace(model, dataset.train.images[:1]).units] == list(
        result.best.mapping
    )


def test_arrays_and_tensors_are_the_same_data():
    images, labels = examples()
    mine = lo.dataset(
        train=(images[:160].numpy(), labels[:160].numpy()),
        test=(images[160:].numpy(), labels[160:].numpy().astype(np.int32)),
    )
    assert mine.split().digest == data().split().digest


def test_a_script_without_a_guard_runs_with_workers_and_storages(tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT)
    printed = output_of(tmp_path, "mine.py", 1)
    assert printed.startswith("('last',) 2\n"), printed
    assert output_of(tmp_path, "mine.py", 2, "sqlite:///k.db") == printed
    assert output_of(tmp_path, "mine.py", 1, "sqlite:///k.db") == printed, "resumed, nothing to do"


def test_cells_of_a_notebook_run(tmp_path):
    """A notebook's `__main__` has no file; its classes are known by value only."""
    cells = SCRIPT.split("\ntorch.manual_seed(0)")
    notebook = (
        "import sys, types\n"
        "sys.argv = ['', '2', 'journal:///k.log']\n"
        "main = types.ModuleType('__main__')\n"
        "sys.modules['__main__'] = main\n"
        f"for cell in {[cells[0], 'torch.manual_seed(0)' + cells[1]]!r}:\n"
        "    exec(compile(cell, '<cell>', 'exec'), main.__dict__)\n"
    )
    assert output_of(tmp_path, "-c", notebook).startswith("('last',) 2\n")


# --- interrupted and resumed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "strategy", "workers"), [("journal", "optuna", 1), ("sqlite", "random", 2)]
)
def test_a_killed_script_resumes_where_it_was(tmp_path, scheme, strategy, workers):
    (tmp_path / "mine.py").write_text(SLOW_SCRIPT)
    url = f"{scheme}:///{tmp_path / 'killed'}"
    problem = made_up()
    dice = random.Random(f"{scheme} {strategy}")
    for stop in (signal.SIGKILL, signal.SIGINT):
        process = python(tmp_path, "mine.py", workers, url, strategy, pause_s=0.1)
        wait_for_a_trial(process, problem, strategy, url)
        time.sleep(dice.uniform(0.0, 0.2))
        process.send_signal(stop)
        process.communicate(timeout=60)
    recorded = n_recorded(problem, strategy, url)
    assert 1 <= recorded
    result = lo.search(problem, strategy, trials=10, storage=url)
    assert outcome(result) == outcome(lo.search(problem, strategy, trials=10))


def wait_for_a_trial(
    process: subprocess.Popen[str], problem: lo.Problem, strategy: str, url: str
) -> None:
    known = n_recorded(problem, strategy, url)
    wait_until(lambda: n_recorded(problem, strategy, url) > known or process.poll() is not None)


def n_recorded(problem: lo.Problem, strategy: str, url: str) -> int:
    results = lo.Study.of(problem, [strategy], trials=10, storage=url).results()
    return sum(len(result) for result in results)


def test_an_interrupted_search_resumes_in_the_same_process(tmp_path):
    class Interrupts(front_door.MadeUp):
        left = 5

        def accuracy(self, candidate, fidelity, seed):
            Interrupts.left -= 1
            if Interrupts.left == 0:
                raise KeyboardInterrupt
            return super().accuracy(candidate, fidelity, seed)

    front_door.Interrupts = Interrupts
    problem = made_up(oracle={"kind": "front_door:Interrupts"})
    url = f"sqlite:///{tmp_path / 'k.db'}"
    with pytest.raises(KeyboardInterrupt):
        lo.search(problem, "random", trials=6, storage=url)
    assert n_recorded(problem, "random", url) in range(1, 5)
    result = lo.search(problem, "random", trials=6, storage=url)
    assert outcome(result) == outcome(lo.search(made_up(), "random", trials=6))


# --- results ------------------------------------------------------------------------------------------

TYPES = {
    "trial": "int64",
    "mapping": "object",
    "feasible": "bool",
    **dict.fromkeys(
        (
            *("latency_s", "energy_j", "interval_s", "speedup", "energy_gain"),
            *("analog_mac_ratio", "drop", "drop_high", "oracle_s"),
        ),
        "float64",
    ),
}


def test_frames_hold_what_the_evaluations_hold(problem):
    half = lo.cost(problem.workload).latency_s * 1.2
    limited = made_up(cost_limits={"latency_s": half})
    result = lo.search(limited, "random", trials=12)
    frame = result.to_frame()
    assert list(frame.columns) == [
        *("trial", "mapping", "latency_s", "energy_j", "interval_s", "speedup", "energy_gain"),
        *("analog_mac_ratio", "drop", "drop_high", "feasible", "oracle_s"),
    ]
    assert frame.dtypes.astype(str).to_dict() == TYPES
    digital = limited.cost(limited.all_digital)
    unpriced = 0
    for number, (row, evaluation) in enumerate(
        zip(frame.itertuples(index=False), result.evaluations, strict=True)
    ):
        cost, mapping = limited.cost(evaluation.mapping), evaluation.mapping
        assert (row.trial, row.mapping, row.oracle_s) == (number, mapping, evaluation.oracle_s)
        assert (row.latency_s, row.energy_j, row.interval_s) == (
            *(cost.latency_s, cost.energy_j, cost.time_per_inference_s),
        )
        assert row.speedup == digital.latency_s / cost.latency_s
        assert row.energy_gain == digital.energy_j / cost.energy_j
        macs = {unit.name: limited.workload.unit_macs(unit) for unit in limited.workload.units}
        analog = sum(macs[unit] for unit in mapping.units_on("tile"))
        assert row.analog_mac_ratio == pytest.approx(analog / limited.workload.macs)
        assert row.feasible == all(excess <= 0 for excess in evaluation.violations.values())
        if evaluation.accuracy is None:
            unpriced += 1
            assert np.isnan(row.drop) and np.isnan(row.drop_high) and not row.feasible
        else:
            bounds = limited.accuracy_limit.bounds(evaluation.accuracy)
            assert (row.drop, row.drop_high) == (bounds.estimate, bounds.high)
            assert row.drop == pytest.approx(np.mean(evaluation.accuracy.drops_at(86_400.0)))
    assert 0 < unpriced < len(frame)


def test_an_empty_result_is_a_frame_with_the_same_types(problem):
    result = lo.search(problem, "random", trials=0)
    assert len(result) == 0 and result.best is None and result.front() == []
    assert result.to_frame().dtypes.astype(str).to_dict() == TYPES
    assert "nothing feasible" in repr(result)


def test_a_study_made_in_python(problem, tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    study = lo.Study.of(problem, ["random", "mac_greedy"], seeds=[0, 1], trials=4, storage=url)
    both = {"search": "str", "seed": "int64", **COLUMNS}
    assert study.to_frame().dtypes.astype(str).to_dict() == both
    results = study.run(only="random")
    assert [result.name for result in results] == ["random/seed0", "random/seed1"]
    assert [result.name for result in study.run()] == [
        *("random/seed0", "random/seed1", "mac_greedy/seed0", "mac_greedy/seed1"),
    ]
    frame = study.to_frame()
    assert frame.dtypes.astype(str).to_dict() == both
    assert len(frame) == sum(len(result) for result in study.results())
    assert set(frame["search"]) == {"random", "mac_greedy"}
    rows = study.compare().to_frame()
    assert list(rows["strategy"]) == ["random", "mac_greedy"] and list(rows["seeds"]) == [2, 2]
    again = lo.Study.of(problem, ["random", "mac_greedy"], seeds=[0, 1], trials=4, storage=url)
    assert [outcome(result) for result in again.results()] == [
        outcome(result) for result in study.results()
    ]


def test_a_label_tells_two_searches_of_a_storage_apart(problem, tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    lo.search(problem, "random", trials=2, storage=url)
    with pytest.raises(lo.InputError, match=r"strategy\.arguments\.training: recorded None"):
        lo.search(problem, "random", arguments={"training": "none"}, trials=2, storage=url)
    other = lo.search(
        problem, "random", arguments={"training": "none"}, trials=2, storage=url, label="untrained"
    )
    assert other.label == "untrained" and len(other) == 2


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
    assert list(frame.columns) == ["name", "kind", "target", "macs", "latency_s", "energy_j"]
    assert frame["latency_s"].sum() == pytest.approx(lo.cost("resnet8").latency_s)


# --- the package --------------------------------------------------------------------------------------


def test_importing_the_package_loads_nothing_heavy(tmp_path):
    heavy = "torch optuna pandas matplotlib numba typer rich cloudpickle loky scipy pydantic"
    code = (
        "import sys, lionheart_opt as lo\n"
        "lo.Mapping, dir(lo)\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    assert output_of(tmp_path, "-c", code).strip() == "[]"


def test_a_search_without_a_storage_needs_neither_optuna_nor_pytest(tmp_path):
    code = (
        "import sys\n"
        "from lionheart_opt import search\n"
        "from lionheart_opt.synthetic import synthetic_problem\n"
        "for strategy in ('mac_greedy', 'random', 'knapsack'):\n"
        "    assert len(search(synthetic_problem(n_units=4), strategy, trials=3))\n"
        "print([name for name in ('optuna', 'pytest', 'torch') if name in sys.modules])"
    )
    assert output_of(tmp_path, "-c", code).strip() == "[]"


@pytest.mark.parametrize(
    "imports",
    [
        "import lionheart_opt.cost, lionheart_opt.problem; lo.cost",
        "lo.cost, lo.problem; import lionheart_opt.problem, lionheart_opt.cost",
        "from lionheart_opt.cost import Cost; from lionheart_opt.problem import Problem",
        "from lionheart_opt import problem, cost; from lionheart_opt.problem import Problem",
        "import lionheart_opt.api, lionheart_opt.cli.main",
        "from lionheart_opt import Accuracy, Cost, LayerCost, Mapping, System, Workload",
    ],
)
def test_functions_stay_functions_whatever_is_imported(imports, tmp_path):
    code = (
        f"import lionheart_opt as lo\n{imports}\n"
        "import lionheart_opt.api as api\n"
        "assert (lo.cost, lo.problem) == (api.cost, api.problem)\n"
        "from lionheart_opt import cost, problem\n"
        "assert (cost, problem) == (api.cost, api.problem)\n"
        "from lionheart_opt.cost import Cost\n"
        "from lionheart_opt.problem import Problem\n"
        "assert (lo.Cost, lo.Problem) == (Cost, Problem)\n"
    )
    output_of(tmp_path, "-c", code)


def test_names_of_the_package():
    assert [name for name in dir(lo) if not name.startswith("__")] == sorted(lo.__all__)
    assert set(lo.__all__) == set(lo._NAMES)
    for name in lo.__all__:
        assert getattr(lo, name) is not None
    assert lo.plot.__name__ == "lionheart_opt.plots"
    with pytest.raises(AttributeError, match="module 'lionheart_opt' has no attribute 'nosuch'"):
        _ = lo.nosuch
    with pytest.raises(ImportError, match="nosuch"):
        from lionheart_opt import nosuch  # noqa: F401


def test_a_study_file_in_python(tmp_path):
    folder = Path(__file__).parent / "old_records" / "journal"
    for name in ("study.toml", "table.npz"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    study = lo.load(tmp_path)
    assert study.name == tmp_path.name and len(study.searches) == 5
    [result] = study.run(only="mac_greedy")
    assert len(study.to_frame()) == len(result) and study.truth() is not None
    assert json.dumps(study.check()) and json.dumps(study.compare().to_json())

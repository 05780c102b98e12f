"""Scripts of ten lines run as printed, in files and notebooks, and resume where they were stopped."""

from __future__ import annotations

import random
import signal
import subprocess
import time

import front_door
import pytest
import torch
from front_door import data, made_up, outcome, output_of, python, small, wait_until
from made_up_drops import light

import lionheart_opt as lo

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
from made_up_drops import light
import lionheart_opt as lo
workers, storage, strategy = int(sys.argv[1]), *sys.argv[2:]
lo.search(light(), strategy, trials=10, storage=storage, workers=workers)
"""


@pytest.fixture(scope="module")
def problem() -> lo.Problem:
    return made_up()


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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifacts", "k.db"]
    kept = [path.name for path in (tmp_path / "artifacts").iterdir()]
    assert kept and all(len(name) == 64 for name in kept), "nothing trained"
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items()), (
        "left untouched"
    )
    assert len(lo.cost(model, "lionheart", "all-analog", example=(1, 4, 4)).to_frame()) == 5
    assert [unit.name for unit in lo.trace(model, dataset.train.inputs[:1]).units] == list(
        result.best.mapping
    )


def test_a_script_without_a_guard_runs_with_workers_and_storages(tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT)
    printed = output_of(tmp_path, "mine.py", 1)
    assert printed.startswith("() 1\n"), (
        "so small a network is slower on a tile: nothing beats all-digital"
    )
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
    assert output_of(tmp_path, "-c", notebook).startswith("() 1\n")


@pytest.mark.parametrize(
    ("scheme", "strategy", "workers"), [("journal", "optuna", 1), ("sqlite", "random", 2)]
)
def test_a_killed_script_resumes_where_it_was(tmp_path, scheme, strategy, workers):
    (tmp_path / "mine.py").write_text(SLOW_SCRIPT)
    url = f"{scheme}:///{tmp_path / 'killed'}"
    problem = light()
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
    wait_until(lambda: process.poll() is not None or n_recorded(problem, strategy, url) > known)


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

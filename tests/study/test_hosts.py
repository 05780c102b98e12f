"""Several hosts on a network whose cables are pulled: a scheduler, two workers and a driver."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import hosts
import pytest
from front_door import outcome, wait_until
from signals_heard import hear_signals

import lionheart_opt as lo

pytestmark = pytest.mark.slow

#: Seconds after which Dask takes a connection without answers for broken; 30 by default, 11 at least.
TIMEOUT_S = 11
#: Seconds that a run takes at most, on a machine with other work.
PATIENCE_S = 600.0
STUDY = """question = "Do cables matter?"
objectives = ["latency_s", "drop"]
system = "lionheart"
storage = "sqlite:///study.db"
model = {{name = "digits_cnn"}}
oracle = {{kind = "slow_oracle:Slow"}}
limits = {{max_drop = 0.05, draws = [2, 4], time_s = 86400.0}}
budget = {{trials = {trials}}}
run = [{{strategy = "random"}}]
"""
ORACLE = '''"""Drops that depend on mapping, draw and seed alone; it says where it computes."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import lionheart_opt as lo
from lionheart_opt.digest import digest


@dataclass(frozen=True)
class Slow:
    @classmethod
    def from_study(cls, context, settings):
        return cls()

    def accuracy(self, candidate, fidelity, seed):
        if host := os.environ.get("HOST_OF_TEST"):
            with (Path(__file__).parent / f"{host}.log").open("a") as log:
                log.write(candidate.digest + "\\n")
            time.sleep(0.5)
        drops = []
        for draw in range(*fidelity.draws):
            dice = np.random.default_rng(int(digest([seed, draw, candidate.digest]), 16))
            drops.append([0.01 * len(candidate.mapping.units_on("tile")) + 0.002 * dice.normal()])
        return lo.Accuracy(samples=0.9 - np.array(drops), times_s=(86_400.0,), baseline=0.9)
'''


class Lab:
    """The hosts `scheduler`, `left`, `right` and `driver`, and a folder that all of them see."""

    def __init__(self, folder: Path, network: hosts.Network, exits: ExitStack) -> None:
        self.folder, self.network, self._exits = folder, network, exits
        self.study = folder / "study"
        self.scheduler = f"tcp://{network.address('scheduler')}:8786"

    def write(self, trials: int) -> Path:
        self.study.mkdir(exist_ok=True)
        (self.study / "slow_oracle.py").write_text(ORACLE)
        (self.study / "study.toml").write_text(STUDY.format(trials=trials))
        return self.study

    def start(self, host: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """Start Python on a host; it is stopped when the test ends."""
        path = [str(Path(__file__).parents[1] / "helpers"), os.environ.get("PYTHONPATH", "")]
        changes = {
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": f"{TIMEOUT_S}s",
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": f"{TIMEOUT_S}s",
            "HOST_OF_TEST": host,
        }
        process = subprocess.Popen(
            [*self.network.on(host), sys.executable, "-m", *arguments],
            env={**os.environ, **changes},
            text=True,
            preexec_fn=hear_signals,
            **options,
        )
        self._exits.callback(_end, process)
        return process

    def serve(self, host: str, *arguments: str) -> None:
        """Start a part of the cluster; what it says goes to a file."""
        log = self._exits.enter_context((self.folder / f"{host}.dask").open("a"))
        own = ("--host", self.network.address(host), "--no-dashboard")
        self.start(host, *arguments, *own, stdout=log, stderr=log)

    def serve_worker(self, host: str) -> None:
        self.serve(host, "distributed.cli.dask_worker", self.scheduler, "--nthreads", "1")

    def run(self) -> subprocess.Popen[str]:
        """The command line on the host of the driver."""
        return self.start(
            "driver",
            *("lionheart_opt.cli.main", "run", str(self.study), "--scheduler", self.scheduler),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def begun(self, host: str) -> int:
        """Number of measurements that have begun on a host."""
        log = self.study / f"{host}.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def outcome(self) -> list[object]:
        [result] = lo.load(self.study).results()
        return outcome(result)

    def outcome_of_one_process(self) -> list[object]:
        text = (self.study / "study.toml").read_text().replace("study.db", "alone.db")
        alone = self.study / "alone.toml"
        alone.write_text(text)
        [result] = lo.load(alone).run()
        return outcome(result)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def lab(tmp_path) -> Iterator[Lab]:
    pytest.importorskip("distributed")
    if lacks := hosts.missing():
        pytest.skip(lacks)
    with ExitStack() as exits:
        network = hosts.Network(("scheduler", "left", "right", "driver"))
        exits.callback(network.remove)
        made = Lab(tmp_path, network, exits)
        made.serve("scheduler", "distributed.cli.dask_scheduler")
        for host in ("left", "right"):
            made.serve_worker(host)
        yield made


def test_hosts_give_the_record_of_one_process_also_when_cables_are_pulled(lab):
    """First a worker's, in the middle of a candidate; then the driver's; the same command resumes."""
    lab.write(trials=16)
    process = lab.run()
    wait_until(lambda: lab.begun("left") > 2 and lab.begun("right") > 0, PATIENCE_S)
    lab.network.cut("left")
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert not lab.begun("driver")
    assert lab.outcome() == lab.outcome_of_one_process()

    lab.network.mend("left")
    lab.serve_worker("left")  # Dask's workers end when their connection breaks
    lab.write(trials=36)
    before = {host: lab.begun(host) for host in ("left", "right")}
    process = lab.run()
    wait_until(
        lambda: all(lab.begun(host) > count + 1 for host, count in before.items()), PATIENCE_S
    )
    lab.network.cut("driver")
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2, err
    *trials, said = err.splitlines()
    assert said.startswith(f"error: scheduler: the connection to {lab.scheduler} is lost"), err
    assert all(line.startswith("random/seed0 trial ") for line in trials), err
    lab.network.mend("driver")
    process = lab.run()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert lab.outcome() == lab.outcome_of_one_process()

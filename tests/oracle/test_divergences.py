"""Divergences of single units: on the same chips as candidates, with errors that hold."""

from pathlib import Path

import numpy as np
import pytest
import torch
from oracle_setup import NAMES, candidate, small_oracle
from torch.nn import functional as F

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.oracle.divergences import standard_error
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.questions import Divergences, consult


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> HatOracle:
    return small_oracle(tmp_path_factory.mktemp("artifacts"))


def question(oracle: HatOracle, units=NAMES, **changes: object) -> Divergences:
    settings = {"target": "tile", "time_s": oracle.settings.times_s[-1], "n_draws": 2, **changes}
    host = {unit.name: oracle.system.host for unit in oracle.workload.units}
    return Divergences(units=tuple(units), others=host, **settings)  # type: ignore[arg-type]


def test_every_unit_moves_the_outputs_and_errors_are_positive(oracle: HatOracle) -> None:
    values = consult(oracle, question(oracle), 0).values
    for name in NAMES:
        assert values["divergence"][name] > 0 and values["standard_error"][name] > 0


def test_more_noise_moves_them_further(oracle: HatOracle) -> None:
    soon = consult(oracle, question(oracle, time_s=0.0), 0).values["divergence"]
    late = consult(oracle, question(oracle, time_s=3.15e8), 0).values["divergence"]
    assert all(late[name] > soon[name] for name in NAMES)


def test_it_is_measured_on_the_chips_of_candidates(oracle: HatOracle, monkeypatch) -> None:
    """The outputs of a candidate, taken from its own measurement, have that divergence."""
    seen = []
    task = type(oracle.task)
    statistics = task.statistics
    monkeypatch.setattr(
        task,
        "statistics",
        lambda self, outputs, batch: (seen.append(outputs), statistics(self, outputs, batch))[1],
    )
    oracle.baseline("validation")
    seen.clear()
    alone = candidate(NAMES[0]).with_training("none")
    oracle.accuracy(alone, Fidelity(draws=(0, 1)), 0)
    times, batches = len(oracle.settings.times_s), len(seen) // len(oracle.settings.times_s)
    assert times * batches == len(seen)
    outputs = torch.cat(seen[-batches:])
    network, data = oracle._network(oracle.pretrained).eval(), oracle._examples("validation")
    with torch.no_grad():
        wanted = network(data.inputs)
    expected = F.kl_div(
        outputs.log_softmax(1), wanted.log_softmax(1), log_target=True, reduction="batchmean"
    )
    monkeypatch.undo()
    values = consult(oracle, question(oracle, NAMES[:1], n_draws=1), 0).values
    assert values["divergence"][NAMES[0]] == pytest.approx(float(expected), rel=1e-4)


def test_a_host_of_less_precision_is_not_counted(tmp_path: Path) -> None:
    """What int8 adds by itself is taken off, so that a unit on it loses nothing of its own."""
    oracle = small_oracle(tmp_path)
    host = next(t for t in oracle.system.targets if t.name == oracle.system.host)
    changed = host.model_copy(update={"numerics": "int4"})
    targets = tuple(changed if t is host else t for t in oracle.system.targets)
    system = oracle.system.model_copy(update={"targets": targets})
    coarse = type(oracle)(
        **{
            name: getattr(oracle, name)
            for name in ("workload", "model", "splits", "settings", "store")
        },
        system=system,
    )
    assert coarse.numerics[system.host] == "int4"
    fine = consult(oracle, question(oracle), 0).values["divergence"]
    rough = consult(coarse, question(coarse), 0).values["divergence"]
    base = coarse.accuracy(candidate().with_training("none"), Fidelity(draws=(0, 1)), 0)
    assert base.baseline != base.samples[0, 0], "int4 changes answers"
    for name in NAMES:
        assert rough[name] == pytest.approx(fine[name], rel=2.0)


def test_standard_errors_are_those_of_crossed_samples() -> None:
    rng = np.random.default_rng(0)
    chips, examples, rest = 0.3, 0.5, 0.2
    means, errors = [], []
    for _ in range(400):
        values = chips * rng.normal(size=(4, 1)) + examples * rng.normal(size=(1, 30))
        values = values + rest * rng.normal(size=(4, 30))
        means.append(values.mean())
        errors.append(standard_error(values))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(means), rel=0.15)
    assert standard_error(np.array([[1.0, 2.0, 3.0]])) == pytest.approx(1 / np.sqrt(3))

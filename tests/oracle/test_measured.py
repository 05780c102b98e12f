"""The same oracle by metric and by loss: same weights, same chips, another number."""

from pathlib import Path

import numpy as np
import pytest
import torch
from oracle_setup import NAMES, candidate, small_oracle
from torch.nn import functional as F

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.screening import MeasuresLoss

TWO_DRAWS = Fidelity(draws=(0, 2))


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> HatOracle:
    return small_oracle(tmp_path_factory.mktemp("artifacts"))


def test_the_loss_is_that_of_the_validation_data(oracle: HatOracle) -> None:
    assert isinstance(oracle, MeasuresLoss)
    by_loss = oracle.measured_by_loss()
    network, data = oracle._network(oracle.pretrained).eval(), oracle._examples("validation")
    with torch.no_grad():
        expected = float(F.cross_entropy(network(data.inputs), data.targets))
    assert by_loss.baseline("validation") == pytest.approx(expected, rel=1e-5)
    answer = by_loss.accuracy(candidate(*NAMES).with_training("none"), TWO_DRAWS, 0)
    assert answer.metric.name == "loss" and np.all(np.isfinite(answer.samples))
    assert answer.drops_at(answer.times_s[-1]).mean() > 0, "noise raises the loss"


def test_the_oracle_itself_goes_on_with_its_metric_and_weights(oracle: HatOracle) -> None:
    trained = candidate(*NAMES).with_training("short")
    before = oracle.accuracy(trained, TWO_DRAWS, 0)
    answer = oracle.measured_by_loss().accuracy(trained, TWO_DRAWS, 0)
    assert answer.weights == before.weights, "trainings are the same"
    after = oracle.accuracy(trained, TWO_DRAWS, 0)
    np.testing.assert_array_equal(after.samples, before.samples)
    assert oracle.identity != oracle.measured_by_loss().identity


def test_a_relative_limit_does_not_make_losses_relative(tmp_path: Path) -> None:
    oracle = small_oracle(tmp_path)
    oracle.relative = True
    assert oracle.metric.relative and not oracle.measured_by_loss().metric.relative

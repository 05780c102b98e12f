"""Errors and correlations, against NumPy."""

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import Regression

GENERATOR = torch.Generator().manual_seed(0)
SAID = torch.randn(40, 1, generator=GENERATOR)
RIGHT = 0.7 * SAID[:, 0] + torch.randn(40, generator=GENERATOR) + 1.0

EXPECTED = {
    "mae": np.abs(SAID[:, 0] - RIGHT).mean(),
    "mse": ((SAID[:, 0] - RIGHT) ** 2).mean(),
    "rmse": np.sqrt(((SAID[:, 0] - RIGHT) ** 2).mean()),
    "correlation": np.corrcoef(SAID[:, 0], RIGHT)[0, 1],
    "r2": r2_score(RIGHT, SAID[:, 0]),
}


@pytest.mark.parametrize("measure", list(EXPECTED))
def test_measures(measure: str) -> None:
    task = Regression(measure=measure)
    examples = Examples(inputs=SAID, targets=RIGHT, task=task)
    means = task.statistics(SAID, examples).double().mean(0).numpy()
    assert float(task.metric.of(means)) == pytest.approx(float(EXPECTED[measure]), rel=1e-5)
    assert task.metric.higher_is_better == (measure in ("correlation", "r2"))


def test_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"unknown measure 'mape'.*allowed: correlation, mae"):
        Regression(measure="mape")
    with pytest.raises(InputError, match="r2 needs one number for each example"):
        Examples(inputs=SAID, targets=torch.zeros(40, 2), task=Regression(measure="r2"))
    with pytest.raises(InputError, match="NaN or infinite values"):
        Examples(inputs=SAID, targets=torch.full((40,), torch.inf), task=Regression())
    examples = Examples(inputs=SAID, targets=RIGHT, task=Regression())
    with pytest.raises(InputError, match=r"returns \(40, 2\); \(40,\) is needed"):
        examples.task.check(torch.zeros(40, 2), examples, [examples])


@pytest.mark.parametrize("shape", [(40, 3, 2), (40, 6), (40, 2, 3, 2)])
def test_numbers_in_another_order_are_refused(shape: tuple[int, ...]) -> None:
    """As many numbers, but others would be compared."""
    examples = Examples(inputs=SAID, targets=torch.zeros(40, 2, 3), task=Regression())
    with pytest.raises(InputError, match=r"\(40, 2, 3\) is needed"):
        examples.task.check(torch.zeros(shape), examples, [examples])


def test_axes_of_length_one_may_be_left_out() -> None:
    examples = Examples(inputs=SAID, targets=torch.zeros(40, 1, 3), task=Regression())
    for shape in [(40, 3), (40, 3, 1), (40, 1, 3)]:
        examples.task.check(torch.zeros(shape), examples, [examples])


@pytest.mark.parametrize("measure", ["correlation", "r2"])
def test_equal_targets_have_no_correlation(measure: str) -> None:
    """R2 was 1 and no network lost anything."""
    examples = Examples(inputs=SAID, targets=torch.ones(40), task=Regression(measure=measure))
    with pytest.raises(
        InputError, match=f"all 40 of .* data are 1, of which there is no {measure}"
    ):
        examples.task.check(SAID, examples, [examples])
    means = examples.task.statistics(SAID, examples).mean(0).numpy()
    if measure == "r2":
        assert np.isnan(examples.task.metric.of(means))

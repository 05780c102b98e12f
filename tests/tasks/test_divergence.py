"""Divergences of outputs: what they are, for which rows, and what they refuse."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import Classification, LanguageModel, Regression, Segmentation
from lionheart_opt.tasks.divergence import Divergence

GENERATOR = torch.Generator().manual_seed(0)


def scores(*shape):
    return torch.randn(*shape, generator=GENERATOR)


@pytest.mark.parametrize(
    ("task", "shape"),
    [(Classification(), (5, 7)), (LanguageModel(), (5, 3, 7)), (Segmentation(), (5, 7, 3, 2))],
)
def test_of_classes_it_is_the_mean_kullback_leibler_divergence(task, shape):
    said, wanted = scores(*shape), scores(*shape)
    axis = task.class_axis
    expected = F.kl_div(
        said.log_softmax(axis), wanted.log_softmax(axis), reduction="none", log_target=True
    )
    expected = expected.sum(axis).reshape(5, -1).mean(1)
    np.testing.assert_allclose(task.divergence(said, wanted), expected, rtol=1e-4)
    assert task.divergence(wanted, wanted).abs().max() == 0


def test_of_numbers_it_is_the_mean_squared_error():
    said, wanted = scores(5, 2), scores(5, 2)
    np.testing.assert_allclose(
        Regression().divergence(said, wanted), (said - wanted).square().mean(1), rtol=1e-5
    )


def test_a_class_that_is_ruled_out_adds_nothing():
    wanted = torch.tensor([[0.0, 1.0, -torch.inf]])
    assert Classification().divergence(wanted + 1, wanted) == pytest.approx(0, abs=1e-12)
    said = torch.tensor([[0.0, -torch.inf, 0.0]])
    assert Classification().divergence(said, wanted) == torch.inf


def test_it_is_the_mean_rise_of_the_loss_where_the_probabilities_are_right():
    """The reason why it stands for the loss: labels are drawn from the other network."""
    wanted = scores(1, 4)
    said = wanted + 0.1 * scores(1, 4)
    labels = torch.multinomial(wanted.softmax(1)[0], 200_000, replacement=True)
    rises = wanted.log_softmax(1)[0, labels] - said.log_softmax(1)[0, labels]
    error = float(rises.std() / len(labels) ** 0.5)
    divergence = float(Classification().divergence(said, wanted))
    assert divergence == pytest.approx(float(rises.mean()), abs=4 * error)
    assert divergence > 8 * error, "the test can tell them from nothing"


def test_outputs_are_compared_with_those_of_the_network_on_the_same_inputs():
    network = nn.Linear(3, 4).eval()
    examples = Examples(inputs=scores(6, 3), targets=torch.zeros(6, dtype=torch.int64))
    task = Divergence(examples.task, network)
    with torch.no_grad():
        assert task.statistics(network(examples.inputs), examples).abs().max() == 0
        moved = task.statistics(network(examples.inputs) + scores(6, 4), examples)
    assert moved.shape == (6, 1) and bool((moved > 0).all())


def test_windows_of_an_example_are_averaged():
    class Windows(nn.Linear):
        def forward(self, x):
            return super().forward(x).repeat_interleave(2, dim=0)

    examples = Examples(inputs=scores(3, 4), targets=torch.zeros(3, dtype=torch.int64))
    network = Windows(4, 4)
    task, said = Divergence(Classification(), network), scores(6, 4)
    with torch.no_grad():
        each = Classification().divergence(said, network(examples.inputs))
        measured = task.statistics(said, examples)[:, 0]
    np.testing.assert_allclose(measured, each.reshape(3, 2).mean(1))


def test_what_is_not_finite_is_refused():
    examples = Examples(inputs=scores(2, 4), targets=torch.zeros(2, dtype=torch.int64))
    task = Divergence(Classification(), nn.Linear(4, 4))
    with pytest.raises(InputError, match="NaN or infinity"):
        task.statistics(torch.full((2, 4), torch.nan), examples)

"""Tensors that no memory holds are refused before they are allocated."""

import pytest
import torch
from torch import nn

from lionheart_opt import models
from lionheart_opt.errors import InputError
from lionheart_opt.models import memory
from lionheart_opt.models.memory import limited_memory
from lionheart_opt.tracing import example_of, trace_model


@pytest.fixture
def small_memory(monkeypatch):
    """A machine with 2,000 bytes: 250 numbers are half of it."""
    monkeypatch.setattr(memory, "memory_bytes", lambda: 2_000)


def test_half_of_the_memory_is_the_limit(small_memory):
    with limited_memory("network"):
        torch.empty(250)
    with pytest.raises(InputError, match=r"^network: needs .* or more"), limited_memory("network"):
        torch.empty(251)


def test_everything_that_is_made_counts(small_memory):
    with limited_memory("network"):
        nn.Linear(10, 22)  # 220 weights and 22 biases
    with pytest.raises(InputError), limited_memory("network"):
        nn.Linear(10, 22)
        torch.zeros(3, 3)
    with pytest.raises(InputError), limited_memory("network"):
        torch.ones((2, 126))
    with pytest.raises(InputError), limited_memory("network"):
        torch.full((2, 126), 1.0)


def test_other_threads_and_later_tensors_are_not_limited(small_memory):
    with limited_memory("network"):
        pass
    assert len(torch.empty(10_000)) == 10_000


@pytest.mark.parametrize("name", ["digits_cnn", "resnet8", "own_plugins:network"])
def test_a_network_of_a_billion_channels_is_refused(name):
    key = "hidden" if ":" in name else "in_channels"
    with pytest.raises(InputError, match=r"needs .* GB or more; this machine has"):
        models.build_seeded(name, {key: 10**12})


def test_an_input_that_fills_the_memory_is_refused():
    for shape in ((3, 10**6, 10**6), (2**40, 2**40, 2**40)):
        with pytest.raises(InputError, match="needs"):
            example_of(shape)
        with pytest.raises(InputError, match="needs"):
            trace_model("own_plugins:network", shape)


@pytest.mark.parametrize("shape", [(-1,), (0, 3), (True, 3), (2.5,), ("3",)])
def test_a_shape_has_positive_whole_numbers(shape):
    with pytest.raises(InputError, match=r"must be positive whole numbers"):
        example_of(shape)


def test_what_the_zoo_cannot_build_is_one_line():
    for arguments in ({"in_channels": -1}, {"in_channels": 0, "n_classes": -3}):
        with pytest.raises(InputError, match=r"model 'resnet8'") as error:
            models.build_seeded("resnet8", arguments)
        assert "\n" not in str(error.value)

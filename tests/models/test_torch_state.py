"""Results do not depend on what the program around has set in torch, nor on its other threads."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Thread

import pytest
import torch
from torch import nn

import lionheart_opt as lo
from lionheart_opt.models.torch_state import usual_torch

X = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
HAT = {"epochs": 1, "short_epochs": 1, "batch_size": 16}
NETWORK = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 2))


def result() -> tuple[float, ...]:
    """Latency and drop of a mapping that is trained for, which vary in the last digit."""
    data = {"train": (X, X[:, :2] + 0.3), "test": (X, X[:, :2])}
    problem = lo.problem(
        NETWORK,
        data,
        task="regression",
        max_drop=9.0,
        draws=[2],
        training="short",
        oracle={"hat": HAT},
    )
    found = lo.search(problem, "fixed", trials=1, arguments={"mapping": "all-analog"})
    frame = found.to_frame()
    return tuple(float(frame[name].iloc[0]) for name in ("latency_s", "drop", "drop_high"))


@contextmanager
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


STATES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "default type": float64,
    "default device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "no gradients": torch.no_grad,
}


@pytest.fixture(scope="module")
def expected() -> tuple[float, ...]:
    return result()


@pytest.mark.parametrize("name", STATES)
def test_states_of_torch_do_not_count(name: str, expected: tuple[float, ...]) -> None:
    with STATES[name]():
        assert result() == expected


def test_the_state_is_put_back() -> None:
    with torch.device("meta"), torch.no_grad(), torch.autocast("cpu"), float64():
        with usual_torch():
            assert torch.ones(1).device.type == "cpu" and torch.ones(1).dtype == torch.float32
            assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
        with usual_torch(keeps_device=True):
            assert torch.ones(1).device.type == "meta"
        assert torch.ones(1).device.type == "meta" and torch.ones(1).dtype == torch.float64
        assert not torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")


def test_threads_do_not_disturb_each_other(expected: tuple[float, ...]) -> None:
    """They share torch's random generator."""
    results: list[tuple[float, ...]] = []
    threads = [Thread(target=lambda: results.append(result())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4

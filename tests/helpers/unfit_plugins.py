"""What a study may name that a run would refuse: networks, data, hardware, strategies and oracles."""

from dataclasses import dataclass, replace
from typing import Any

import own_plugins
import torch
from aihwkit.inference import ReRamWan2022NoiseModel
from torch import nn

from lionheart_opt.datasets import Dataset
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.questions import Proxies


class Scaled(nn.Linear):
    """A linear layer whose forward pass is not that of its class."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2.0 * super().forward(x)


class Contracting(nn.Linear):
    """A linear layer by a function that tiles do not know."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensordot(x, self.weight, dims=([-1], [1])) + self.bias


class Odd(nn.Module):
    """Four linear layers; two multiply by a function that tiles do not know."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 12)
        self.odd_a = Contracting(12, 12)
        self.odd_b = Contracting(12, 12)
        self.last = nn.Linear(12, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(images.flatten(1)))
        return self.last(torch.relu(self.odd_b(torch.relu(self.odd_a(x)))))


class Rows(nn.Module):
    """The rows of an image one by one: a linear layer on three-dimensional inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.row = nn.Linear(4, 6)
        self.last = nn.Linear(24, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.row(images.flatten(1, 2))).flatten(1))


class DependsOnLight(nn.Module):
    """Uses its second layer only for dark images."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 12)
        self.dark = nn.Linear(12, 12)
        self.last = nn.Linear(12, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(images.flatten(1)))
        if float(images.sum()) <= 0.0:
            x = torch.relu(self.dark(x))
        return self.last(x)


def bright_data() -> Dataset:
    return _changed(lambda part: replace(part, inputs=part.inputs.abs()))


def data_of_fractions() -> Dataset:
    """Labels as another library gives them: floating-point numbers."""
    return _changed(lambda part: Examples(inputs=part.inputs, targets=part.targets.float()))


def data_of_int32() -> Dataset:
    return _changed(lambda part: Examples(inputs=part.inputs, targets=part.targets.to(torch.int32)))


def data_of_five_classes() -> Dataset:
    made = _changed(lambda part: Examples(inputs=part.inputs, targets=part.targets + 2))
    return replace(made, n_classes=5)


def data_with_nan() -> Dataset:
    made = own_plugins.data()
    made.train.inputs[3] = float("nan")
    return made


def _changed(change: Any) -> Dataset:
    made = own_plugins.data()
    return replace(made, train=change(made.train), test=change(made.test), n_classes=5)


def broken_data() -> Dataset:
    raise KeyError("images")


# --- hardware ---


def only_some_times() -> Any:
    config = lionheart()
    config.noise_model = ReRamWan2022NoiseModel()
    return config


def spread_of_noise() -> Any:
    config = lionheart()
    config.forward.out_noise_std = 0.2
    return config


def wires_that_resist() -> Any:
    config = lionheart()
    config.forward.ir_drop = 1.0
    return config


def small_arrays() -> Any:
    config = lionheart()
    config.mapping.max_input_size = 128
    return config


def fails_when_it_drifts() -> Any:
    config = lionheart()
    config.drift_compensation = _Fails()
    return config


class _Fails(type(lionheart().drift_compensation)):  # type: ignore[misc]
    def apply(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("no compensation on this hardware")

    def init_baseline(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("no compensation on this hardware")


# --- strategies and oracles ---


@dataclass(frozen=True)
class Crashes:
    """Fails in its first step."""

    def search(self, problem, rng):
        yield [problem.pretrained({}[0])]


@dataclass(frozen=True)
class AsksFirst:
    """Wants proxies of units before it proposes anything."""

    def search(self, problem, rng):
        problem.ask(Proxies(units=tuple(unit.name for unit in problem.units)))
        yield [problem.pretrained(problem.all_digital)]


@dataclass(frozen=True)
class OneShot:
    """Its weights come from one-shot training."""

    def search(self, problem, rng):
        yield [problem.pretrained(problem.all_analog).with_training("one_shot")]


class ForgetsTest(HatOracle):
    """Fails in the final measurement."""

    def final_checks(self, candidate, fidelity, seed):
        raise OSError("the test data are on another disk")

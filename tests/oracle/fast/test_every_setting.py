"""Every single setting of an RPU configuration: refused, left to aihwkit, or the same as there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

import pytest
import torch
from aihwkit.simulator.parameters.enums import (
    NoiseManagementType,
    WeightClipType,
    WeightModifierType,
    WeightRemapType,
)
from fast_setup import PATH, both, silent
from torch import nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.fast.engine import not_covered
from lionheart_opt.oracle.rpu import lionheart, rpu_config

PARTS = ("forward", "mapping", "pre_post.input_range", "modifier", "clip", "remap", "runtime")
#: What draws random numbers, of which both engines draw others.
NOISE = {
    ("forward.out_noise", 0.3),
    ("modifier.type", WeightModifierType.MULT_NORMAL),
    ("modifier.type", WeightModifierType.ADD_NORMAL),
}


def part_of(config: Any, path: str) -> Any:
    for name in path.split("."):
        config = getattr(config, name)
    return config


def start(ranges: bool) -> Any:
    """Without noise; with input ranges instead of dynamic scaling, and clipping by the spread."""
    config = silent(lionheart())
    config.mapping.max_input_size, config.mapping.max_output_size = 40, 15
    config.forward.out_bound = 2.77  # few sums are equal to it
    if ranges:
        config.forward.noise_management = NoiseManagementType.NONE
        config.pre_post.input_range.enable = True
        config.pre_post.input_range.init_from_data = 1
        config.clip.type, config.clip.sigma = WeightClipType.LAYER_GAUSSIAN, 1.5
        config.remap.type = WeightRemapType.LAYERWISE_SYMMETRIC
    return config


def others(value: Any) -> Iterator[Any]:
    """Values that a setting may have instead."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, Enum):
        yield from (other for other in type(value) if other != value)
    elif isinstance(value, int):
        yield from (other for other in (0, 2) if other != value)
    elif isinstance(value, float):
        yield from (other for other in (-1.0, 0.0, 0.3) if other != value)


def changes() -> Iterator[tuple[bool, str, Any]]:
    for ranges in (False, True):
        for path in PARTS:
            part = part_of(start(ranges), path)
            for field in fields(part):
                name, value = f"{path}.{field.name}", getattr(part, field.name)
                yield from ((ranges, name, other) for other in others(value))


def test_all_parts_are_changed() -> None:
    """Those that are not are of C++ tiles: backward passes and updates of devices."""
    inner = {
        field.name
        for field in fields(lionheart())
        if is_dataclass(getattr(lionheart(), field.name))
    }
    assert inner == {path.split(".")[0] for path in PARTS} | {"device", "backward", "update"}


@cache
def case() -> tuple[nn.Module, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(70, 25), 2 * torch.randn(3, 12, 70)


def results(network: Any) -> dict[str, torch.Tensor]:
    """Two steps of training, and outputs a day after programming."""
    _, x = case()
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    said = {}
    for step, part in enumerate(x[:2]):
        inputs = part.clone().requires_grad_()
        y = network(inputs)
        optimizer.zero_grad()
        y.square().sum().backward()
        optimizer.step()
        network.after_step()
        said |= {f"outputs {step}": y.detach(), f"input gradients {step}": inputs.grad}
    said |= network.weights()
    network.eval().program({PATH: 1})
    network.drift(86400.0, {PATH: 2})
    with torch.no_grad():
        said["outputs"] = network(x[2])
    return said


@pytest.mark.parametrize(("ranges", "name", "value"), [*changes()])
def test_every_setting(
    ranges: bool, name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _, attribute = name.rpartition(".")
    config = start(ranges)
    setattr(part_of(config, path), attribute, value)
    monkeypatch.setitem(rpu_config.__globals__["BUILT_IN"], "changed", lambda: config)
    try:
        rpu_config("changed")
    except InputError:
        return
    if not_covered(config) or (name, value) in NOISE:
        return
    reference, fast = map(results, both(case()[0], config))
    for what, tensor in reference.items():
        right, ours = tensor.nan_to_num(0.0), fast[what].nan_to_num(0.0)
        assert torch.equal(fast[what].isnan(), tensor.isnan()), what
        assert (ours - right).abs().max() <= 1e-4 * right.abs().max() + 1e-7, what

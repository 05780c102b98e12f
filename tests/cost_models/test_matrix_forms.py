"""A grouped or transposed convolution costs on tiles what its matrix costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from lionheart_opt.cost import Cost
from lionheart_opt.errors import InputError
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.space import Space
from lionheart_opt.system import System
from lionheart_opt.tracing import trace
from lionheart_opt.workload import Workload


def general(name: str) -> System:
    """A system whose tiles run whatever has a matrix."""
    system = load_system(name, "here")
    targets = [
        target.model_copy(update={"kinds": ("*",)}) if target.numerics == "analog" else target
        for target in system.targets
    ]
    return system.model_copy(update={"targets": tuple(targets)})


def cost(workload: Workload, name: str) -> Cost:
    system = general(name)
    space = Space(workload=workload, system=system)
    assert len(space.units) == len(workload.units), "every unit can be analog"
    return cost_model(system).cost(workload, space.all_analog)


def traced(*layers: nn.Module) -> Workload:
    return trace(nn.Sequential(*layers), torch.zeros(1, 64, 12, 12), "net")


@pytest.mark.parametrize("name", ["lionheart", "diana", "imc-cluster", "manycore", "hermes-64"])
def test_a_grouped_convolution_costs_as_much_as_one_without_groups(name: str) -> None:
    """Its matrix has as many rows and columns; all of its cells are on the tiles."""
    grouped = traced(nn.Conv2d(64, 96, 3, padding=1, groups=4, bias=False))
    dense = traced(nn.Conv2d(64, 96, 3, padding=1, bias=False))
    assert grouped.layers[0].mvm == dense.layers[0].mvm
    assert grouped.macs * 4 == dense.macs
    ours, theirs = cost(grouped, name), cost(dense, name)
    assert ours.latency_s == pytest.approx(theirs.latency_s, rel=1e-12)
    assert ours.energy_j == pytest.approx(theirs.energy_j, rel=1e-12)
    assert ours.tiles == theirs.tiles


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_a_transposed_convolution_is_a_product_for_each_input_pixel(kernel: int) -> None:
    """It is priced as a 1x1 convolution to all places of the kernel, and adds up overlaps."""
    up = traced(nn.ConvTranspose2d(64, 32, kernel, stride=2, bias=False))
    same = traced(nn.Conv2d(64, 32 * kernel**2, 1, bias=False))
    assert up.layers[0].mvm == same.layers[0].mvm and up.macs == same.macs
    ours = dict(cost(up, "lionheart").layers[0].components)
    theirs = dict(cost(same, "lionheart").layers[0].components)
    for part in ("convert", "queue", "mvm", "dequeue"):
        assert ours[part] == theirs[part]
    overlaps = max(0, 144 * 32 * kernel**2 - up.layers[0].output_count)
    assert theirs["partial sums"][0] == 0 and (ours["partial sums"][0] > 0) == (overlaps > 0)
    assert cost(up, "lionheart").tiles == cost(same, "lionheart").tiles


def test_places_that_no_kernel_reaches_are_not_subtracted() -> None:
    up = traced(nn.ConvTranspose2d(64, 32, 1, stride=3, bias=False))
    assert min(time for time, _ in cost(up, "lionheart").layers[0].components.values()) >= 0


@pytest.mark.parametrize("name", ["diana", "imc-cluster", "manycore", "hermes-64"])
def test_transposed_convolutions_without_a_published_cost_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no published cost of 'conv_transpose2d'"):
        cost(traced(nn.ConvTranspose2d(64, 32, 2, stride=2)), name)  # on the array


def test_depthwise_convolutions_stay_on_the_host() -> None:
    workload = traced(nn.Conv2d(64, 64, 3, groups=64))
    space = Space(workload=workload, system=general("lionheart"))
    assert space.units == () and workload.crossbar_units == ()
    bare = replace(workload.layers[0], kind="grouped_conv2d")
    assert not any(target.supports(bare) for target in space.system.targets[1:])

"""`check` says which weights stay on the host, and why."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from front_door import data, small
from torch import Tensor, nn
from torch.nn import functional as F
from traced import Lambda

import lionheart_opt as lo
from lionheart_opt.plugins import load_system
from lionheart_opt.space import Space
from lionheart_opt.staying_digital import staying_digital
from lionheart_opt.system import System


def lines(network: nn.Module, *shape: int, system: Any = None, digital: Any = ()) -> list[str]:
    workload = lo.trace(network, torch.randn(1, *shape))
    return staying_digital(
        Space(workload=workload, system=system or load_system("lionheart", "here"), digital=digital)
    )


def running(*kinds: str) -> System:
    """LionHeart's machine, whose tiles run layers of these kinds."""
    system = load_system("lionheart", "here")
    targets = [
        target.model_copy(update={"kinds": kinds}) if target.numerics == "analog" else target
        for target in system.targets
    ]
    return system.model_copy(update={"targets": tuple(targets)})


class Scaled(nn.Module):
    """Computes its weights in every pass."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.matrix * 2)


def test_nothing_is_said_of_what_can_be_analog() -> None:
    assert lines(nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(64, 2)), 2, 6, 6) == []


def test_kinds_that_the_tiles_do_not_run() -> None:
    network = nn.Sequential(
        nn.ConvTranspose2d(4, 4, 2),
        nn.Conv2d(4, 4, 1, groups=2),
        nn.Conv2d(4, 4, 1),
        nn.ConvTranspose2d(4, 4, 2),
    )
    assert lines(network, 4, 5, 5, system=running("conv1d", "conv2d", "linear")) == [
        "'0', '3' stay on the host: the analog targets of system 'lionheart' run conv1d, conv2d, "
        "linear only; add 'conv_transpose2d' to their `kinds` in a system file of your own, if they "
        "can run it",
        "'1' stays on the host: the analog targets of system 'lionheart' run conv1d, conv2d, "
        "linear only; add 'grouped_conv2d' to their `kinds` in a system file of your own, if they "
        "can run it",
    ]
    assert lines(network, 4, 5, 5) == []
    assert (
        lines(network, 4, 5, 5, digital=("*",), system=running("conv1d", "conv2d", "linear")) == []
    )


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (nn.Conv2d(4, 8, 3, groups=4), (4, 5, 5), "each channel has a filter of its own"),
        (nn.ConvTranspose2d(4, 4, 3, groups=2), (4, 5, 5), "transposed convolutions in groups"),
        (nn.Conv3d(4, 4, 1, groups=2), (4, 3, 3, 3), "three-dimensional convolutions in groups"),
        (
            Lambda(lambda self, x: self.form(x, x), form=nn.Bilinear(4, 4, 2)),
            (4,),
            "it multiplies two activations with its weights",
        ),
        (Scaled(4), (4,), "its weights are computed in every pass"),
    ],
)
def test_weights_without_a_matrix(network: nn.Module, shape: tuple[int, ...], message: str) -> None:
    [line] = lines(nn.Sequential(network), *shape, system=running("*"))
    assert f"stays on the host: {message}" in line


def test_a_matrix_for_each_head() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(2, 4, 3))

        def forward(self, x: Tensor) -> Tensor:
            return torch.matmul(x, self.weight)

    [line] = lines(Heads(), 2, 5, 4, system=running("*"))
    assert "has a matrix for each head or expert; make each of them a parameter" in line


def test_columns_of_a_parameter() -> None:
    class Columns(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x[..., :2], self.weight[:, :2]) + F.linear(
                x[..., 2:], self.weight[:, 2:]
            )

    [line] = lines(Columns(4, 3), 5, 4)
    assert line.startswith("'linear', 'linear_2' stay on the host: ") and "some columns" in line


def test_long_lists_are_cut() -> None:
    network = nn.Sequential(*(nn.Conv1d(2, 2, 1, groups=2) for _ in range(5)))
    [line] = lines(network, 2, 7)
    assert line.startswith("'0', '1', '2' and 2 more stay on the host: each channel")


def test_a_system_without_analog_targets_says_nothing() -> None:
    system = load_system("lionheart", "here")
    hosts = tuple(target for target in system.targets if target.numerics != "analog")
    links = ()
    digital = system.model_copy(update={"targets": hosts, "links": links})
    assert lines(nn.Sequential(nn.Conv2d(4, 4, 1, groups=4)), 4, 5, 5, system=digital) == []


def test_check_says_it() -> None:
    network = nn.Sequential(small(), Scaled(3))
    notes = lo.check(lo.problem(network, data()))["notes"]
    assert any(note.startswith("'1") and "computed in every pass" in note for note in notes)

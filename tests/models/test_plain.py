"""Networks that must just work: other precisions, wrappers, three dimensions, branches on weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle_setup import (
    NAMES,
    SETTINGS,
    SmallNetwork,
    candidate,
    small_network,
    small_oracle,
    small_system,
)
from torch import nn

import lionheart_opt as lo
from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.datasets.splits import Examples, Splits
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.models import build_seeded
from lionheart_opt.models.plain import plain_network
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.store import WeightStore
from lionheart_opt.workload import Mvm

ASKED = candidate(*NAMES).with_training("short")
DRAWS = Fidelity(draws=(0, 2))


def answer(folder: Path, network: nn.Module) -> Accuracy:
    settings = SETTINGS.model_copy(update={"pretrain": None})
    return replace(small_oracle(folder, settings), model=network).accuracy(ASKED, DRAWS, 0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_are_computed_in_float32_and_that_is_said(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    network = small_network().to(dtype)
    with pytest.warns(UserWarning, match=f"weights of {dtype}; it is computed in float32"):
        accuracy = answer(tmp_path / "a", network)
    assert network.conv1.weight.dtype == dtype  # left untouched
    expected = answer(tmp_path / "b", small_network().to(dtype).float())
    np.testing.assert_array_equal(accuracy.samples, expected.samples)
    assert accuracy.baseline == expected.baseline


def compiled_child(network: SmallNetwork) -> nn.Module:
    network.conv2 = torch.compile(network.conv2)  # type: ignore[assignment]
    return network


WRAPPERS: dict[str, Callable[[SmallNetwork], nn.Module]] = {
    "compiled": lambda network: torch.compile(network),  # type: ignore[dict-item, return-value]
    "parallel": nn.DataParallel,
    "both": lambda network: nn.DataParallel(torch.compile(network)),  # type: ignore[arg-type]
    "compiled part": compiled_child,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_are_taken_off(tmp_path: Path, wrapper: str) -> None:
    wrapped = WRAPPERS[wrapper](small_network())
    before = list(wrapped.state_dict())
    accuracy = answer(tmp_path / "a", wrapped)
    expected = answer(tmp_path / "b", small_network())
    np.testing.assert_array_equal(accuracy.samples, expected.samples)
    assert list(wrapped.state_dict()) == before  # left untouched


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_front_door_takes_them_off_before_tracing(wrapper: str) -> None:
    wrapped = WRAPPERS[wrapper](small_network())
    workload = lo.trace(wrapped, (1, 8, 8))
    assert [unit.name for unit in workload.units] == list(NAMES)
    images, labels = torch.randn(40, 1, 8, 8), torch.arange(40) % 4
    data = lo.dataset(train=(images, labels), test=(images, labels))
    problem = lo.problem(wrapped, data, training="none", draws=2)
    assert isinstance(problem.oracle, HatOracle)
    assert list(problem.oracle.model.state_dict()) == list(small_network().state_dict())


def test_plain_networks_are_returned_as_they_are() -> None:
    network = small_network()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plain_network(network) is network


class Volumes(nn.Module):
    """Convolutions over volumes beside ones over images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm3d(3)
        self.flat = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv(x))).amax(2)
        return self.fc(torch.relu(self.flat(x)).amax((2, 3)))


def volumes_oracle(folder: Path, name: str) -> HatOracle:
    volumes = torch.randn(80, 1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    volumes += (torch.arange(80) % 4).view(-1, 1, 1, 1, 1)
    examples = Examples(inputs=volumes, targets=torch.arange(80) % 4)
    return HatOracle(
        workload=lo.trace(Volumes(), (1, 4, 6, 6)),
        system=small_system(),
        model=Volumes(),
        splits=Splits(train=examples[:40], validation=examples[40:60], test=examples[60:]),
        settings=SETTINGS.model_copy(update={"engine": name}),
        store=WeightStore.folder(folder),
    )


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
def test_convolutions_over_volumes(tmp_path: Path, name: str) -> None:
    oracle = volumes_oracle(tmp_path, name)
    assert [unit.name for unit in oracle.workload.crossbar_units] == ["conv", "flat", "fc"]
    assert oracle.workload.layer("conv").mvm == Mvm(rows=27, columns=3, count=4 * 6 * 6)
    for target in ("cpu", "tile"):
        mapping = Mapping.of({"conv": target, "flat": "tile", "fc": "tile"})
        for training in ("none", "short", "one_shot"):
            asked = Candidate(mapping, training=training)  # type: ignore[arg-type]
            assert oracle.accuracy(asked, DRAWS, 0).samples.shape == (2, 2)
    assert set(oracle.proxies(["conv", "fc"], 0)["hessian_trace"]) == {"conv", "fc"}


def branching() -> nn.Module:
    """A factory of a network whose way depends on its initial weights."""

    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.second = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.first(x) if float(self.first.weight.detach().sum()) > 0 else self.second(x)

    return Branching()


def test_networks_are_built_from_seeds() -> None:
    name = f"{__name__}:branching"
    names = set()
    for seed in range(8):  # of what others draw
        torch.manual_seed(seed)
        names.add(lo.trace(name, (4,)).units[0].name)
    assert len(names) == 1
    first, again, other = (build_seeded(name, {}, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(first["first.weight"], again["first.weight"])
    assert not torch.equal(first["first.weight"], other["first.weight"])


def parametrised() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 3, 2)),
        nn.Flatten(),
        nn.utils.parametrizations.spectral_norm(nn.Linear(27, 5)),
        nn.utils.parametrizations.orthogonal(nn.Linear(5, 4)),
    )


def old_hooks() -> nn.Module:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.Sequential(
            nn.utils.weight_norm(nn.Conv2d(2, 3, 2)),
            nn.Flatten(),
            nn.utils.spectral_norm(nn.Linear(27, 4)),
        )


def pruned() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(27, 4))
    for number in (0, 2):
        nn.utils.prune.l1_unstructured(network[number], "weight", 0.5)
    return network


@pytest.mark.parametrize("factory", [parametrised, old_hooks, pruned])
def test_parametrised_weights_become_plain_ones(factory: Callable[[], nn.Module]) -> None:
    network, x = factory().eval(), torch.randn(3, 2, 4, 4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.warns(UserWarning, match="the weights of 0, 2.* are parametrised"):
        plain = plain_network(network)
    torch.testing.assert_close(plain(x), network(x))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    names = {name for name, _ in plain.named_parameters()}
    assert {"0.weight", "2.weight"} <= names and not any("orig" in name for name in names)
    with pytest.warns(UserWarning, match="parametrised"):
        workload = lo.trace(network, (2, 4, 4))
    assert "0" in workload.paths_of(workload.units[0])


def test_parameters_on_one_memory_are_refused() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = nn.Parameter(network[0].weight.t())
    with pytest.raises(InputError, match=r"'0\.weight' and '1\.weight' share memory"):
        plain_network(network)
    network[1].weight = network[0].weight  # one parameter
    assert plain_network(network) is network
    flat = nn.Parameter(torch.randn(8, 4))
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    for number, layer in enumerate(network):
        layer.weight = nn.Parameter(flat.detach()[4 * number : 4 * number + 4])
    assert plain_network(network) is network  # neighbours in one memory


class Product(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda: torch.jit.script(nn.Linear(4, 4)), "is compiled by torch.jit"),
        (lambda: nn.Sequential(torch.jit.script(Product())), "module '0' is compiled by torch.jit"),
        (lambda: torch.jit.trace(nn.Linear(4, 4), torch.ones(1, 4)), "is compiled by torch.jit"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "'0.weight' has no values yet; call the network"),
        (lambda: nn.Linear(4, 4, dtype=torch.complex64), "'weight' has complex numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_networks_that_cannot_be_taken_as_they_are(factory: Any, message: str) -> None:
    """Each of them ended in an error of torch."""
    with pytest.raises(InputError, match=message):
        plain_network(factory())
    data = {"train": (torch.zeros(9, 4), torch.arange(9) % 3)}
    with pytest.raises(InputError, match=message):
        lo.problem(factory(), {**data, "test": data["train"]})

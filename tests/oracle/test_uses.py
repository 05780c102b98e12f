"""Analog modules run as often as the trace says, whatever shortcuts torch or a network takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle_setup import NAMES, SETTINGS, candidate, small_oracle, small_system
from torch import nn
from torch.nn import functional as F

import lionheart_opt as lo
from lionheart_opt.accuracy import Fidelity
from lionheart_opt.datasets.splits import Examples, Splits
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle import weights
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.proxies import sensitivity_proxies
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.store import WeightStore


class Encoder(nn.Module):
    """torch's encoder layer, which has a fused kernel for evaluation."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.encoder(x).mean(1))


class Bypassed(nn.Module):
    """Uses the weights of a layer outside of it."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(F.linear(x, self.enc.weight, self.enc.bias)).mean(1)
        return self.fc(h)


class Scripted(Bypassed):
    """Multiplies inside of compiled code."""

    def __init__(self) -> None:
        super().__init__()
        self.run = torch.jit.script(multiply)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.run(x, self.enc.weight).mean(1))

    def __deepcopy__(self, memo: dict[int, Any]) -> Scripted:
        copy = Scripted()
        copy.load_state_dict(self.state_dict())
        return copy.train(self.training)


def multiply(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.linear(x, weight)


class OneByOne(Bypassed):
    """Takes the examples of a batch one after the other, and a layer twice for each."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.fc(self.enc(self.enc(row)).mean(0)) for row in x])


class Sometimes(Bypassed):
    """Leaves a layer out for batches that are large."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.enc(x) if len(x) < 5 else x
        return self.fc(h.mean(1))


def examples(network: nn.Module) -> Examples:
    x = torch.randn(60, 5, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        scores = network(x)
        network.fc.bias -= scores.mean(0)  # type: ignore[union-attr, operator]
        labels = (scores - scores.mean(0)).argmax(1)
    return Examples(inputs=x, targets=labels)


def oracle_of(network: nn.Module, folder: Path, name: str = "fast") -> HatOracle:
    data = examples(network)
    return HatOracle(
        workload=lo.trace(network, (5, 8)),
        system=small_system(),
        model=network,
        splits=Splits(train=data[:20], validation=data[:40], test=data[40:]),
        settings=SETTINGS.model_copy(update={"pretrain": None, "engine": name}),
        store=WeightStore.folder(folder),
    )


def ask(oracle: HatOracle, *analog: str) -> np.ndarray:
    targets = {u.name: "tile" if u.name in analog else "cpu" for u in oracle.workload.units}
    asked = Candidate(Mapping.of(targets), training="none")
    return oracle.accuracy(asked, Fidelity(draws=(0, 3)), 0).samples


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
def test_encoder_layers_run_on_tiles(tmp_path: Path, name: str) -> None:
    network = Encoder().eval()
    oracle = oracle_of(network, tmp_path, name)
    analog = ("encoder.layers.0.linear1", "encoder.layers.1.linear2", "fc")
    samples = ask(oracle, *analog)
    # the same by hand, with the fused kernel forbidden for good
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        by_hand = copy_without_fusion(network, analog, oracle, name)
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
    np.testing.assert_array_equal(samples, by_hand)
    assert samples.min() < 1.0 and before


def copy_without_fusion(
    network: nn.Module, analog: tuple[str, ...], oracle: HatOracle, name: str
) -> np.ndarray:
    """Accuracies of the engine's network, run as it is."""
    seed = derive(0, "validation")
    right = np.zeros((3, 2))
    data = oracle.splits.validation
    for draw in range(3):
        programmed = engine(name).analog(network, analog, lionheart()).eval()  # type: ignore[arg-type]
        programmed.program({path: derive(seed, "program", path, draw) for path in analog})
        for column, time_s in enumerate(oracle.settings.times_s):
            programmed.drift(
                time_s, {path: derive(seed, "drift", path, draw, time_s) for path in analog}
            )
            programmed.rewind(0, len(data))
            with torch.no_grad():
                scores = programmed(data.inputs)
            right[draw, column] = int((scores.argmax(1) == data.targets).sum())
    return right / len(data)


def test_the_trace_and_the_passes_agree(tmp_path: Path) -> None:
    network = OneByOne().eval()
    oracle = oracle_of(network, tmp_path)
    assert ask(oracle, "enc", "fc").shape == (3, 2)


class Masked(Bypassed):
    """Computes a weight in every pass."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(8, 8).tril())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(F.linear(x, self.enc.weight * self.mask).mean(1))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Sometimes, "'enc' are in 0 products of a pass"),
        (Scripted, "'enc' are in 0 products of a pass that tiles can compute, but in 1 when"),
    ],
)
def test_what_tiles_cannot_compute_is_refused(
    tmp_path: Path, kind: type[nn.Module], message: str
) -> None:
    oracle = oracle_of(kind().eval(), tmp_path)
    with pytest.raises(InputError, match=message):
        ask(oracle, "enc", "fc")
    assert ask(oracle, "fc").shape == (3, 2)


def test_it_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "train", lambda *_: pytest.fail("trained"))
    oracle = oracle_of(Scripted().eval(), tmp_path)
    targets = {unit.name: "tile" for unit in oracle.workload.units}
    with pytest.raises(InputError, match="keep the unit on the host"):
        oracle.accuracy(Candidate(Mapping.of(targets), training="short"), Fidelity(draws=(0, 1)), 0)


def test_a_weight_that_is_computed_in_every_pass_is_no_unit(tmp_path: Path) -> None:
    oracle = oracle_of(Masked().eval(), tmp_path)
    assert [unit.name for unit in oracle.workload.units] == ["fc"]


def test_proxies_see_every_module() -> None:
    network = Encoder().eval()
    paths = {name: (name,) for name in ("encoder.layers.0.linear1", "encoder.layers.1.linear2")}
    values = sensitivity_proxies(network, paths, examples(network), seed=0)
    assert set(values["max_activation"]) == set(paths)
    assert all(value > 0 for value in values["max_activation"].values())
    assert torch.backends.mha.get_fastpath_enabled()


def test_candidates_do_not_see_the_statistics_of_others(tmp_path: Path) -> None:
    """Trainings with batch norm: an answer does not depend on what was asked before."""
    hat = SETTINGS.hat.model_copy(update={"one_shot_norm_batches": 2})
    settings = SETTINGS.model_copy(update={"hat": hat})
    asked = [
        candidate(*NAMES).with_training("short"),
        candidate("conv1").with_training("one_shot"),
        candidate("conv1", "conv2").with_training("one_shot"),
        candidate("conv1").with_training("none"),
        candidate().with_training("none"),
    ]
    answers = []
    for number, order in enumerate((asked, asked[::-1])):
        oracle = small_oracle(tmp_path / str(number), settings)
        given = {name: tensor.clone() for name, tensor in oracle.model.state_dict().items()}
        answers.append({c: oracle.accuracy(c, Fidelity(draws=(0, 2)), 0).samples for c in order})
        for name, tensor in oracle.model.state_dict().items():
            assert torch.equal(tensor, given[name])
    for member in asked:
        np.testing.assert_array_equal(answers[0][member], answers[1][member])
    alone = small_oracle(tmp_path / "alone", settings)
    last = alone.accuracy(asked[2], Fidelity(draws=(0, 2)), 0).samples
    np.testing.assert_array_equal(last, answers[0][asked[2]])
    statistics = [alone.trained(c, 0).weights["norm.running_mean"] for c in asked[1:3]]
    assert not torch.equal(*statistics)  # each its own

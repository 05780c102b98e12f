"""Learned shares: noise drives units off the tiles, cost drives them there."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from oracle_setup import NAMES, small_oracle
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle import learned_shares
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.learned_shares import expected_cost, learn_shares
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.settings import HatRecipe
from lionheart_opt.oracle.store import WeightStore
from lionheart_opt.oracle.training import EpochDone, Job
from lionheart_opt.questions import Answer, LearnedShares, consult

UNITS = {"harmful": ("harmful",), "harmless": ("harmless",)}


class TwoPaths(nn.Module):
    """Noise of the one layer reaches the scores, noise of the other hardly does."""

    def __init__(self) -> None:
        super().__init__()
        self.harmful = nn.Linear(8, 2)
        self.harmless = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.harmful(x) + 1e-4 * self.harmless(x)


def job() -> Job:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(320, 8, generator=generator)
    config = lionheart()
    config.forward.out_noise = 1.0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = TwoPaths()
    return Job(
        model=model,
        start=model.state_dict(),
        matrices=("harmful", "harmless"),
        rpu_config=config,
        recipe=HatRecipe(learning_rate=0.05, batch_size=16),
        epochs=3,
        examples=Examples(inputs=images, targets=(images[:, 0] > 0).long()),
        seed=1,
        device=torch.device("cpu"),
        what="test",
    )


def learned(
    folder: Path,
    strength: float,
    analog: float = 0.2,
    name: str = "fast",
    progress=lambda now: None,
) -> Answer:
    prices = dict.fromkeys(UNITS, (0.5, analog))
    question = LearnedShares(prices=prices, strength=strength)
    store = WeightStore.folder(folder)
    engine_ = engine(name)  # type: ignore[arg-type]
    return learn_shares(job(), engine_, store, question.digest, UNITS, question, progress)


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
def test_the_cheap_and_harmless_unit_becomes_analog(tmp_path: Path, name: str) -> None:
    shares = {k: learned(tmp_path, k, name=name).values["share"] for k in (0.05, 100.0)}
    assert shares[0.05]["harmless"] > 0.6 and shares[0.05]["harmful"] < 0.45
    assert shares[100.0]["harmless"] > 0.6 and shares[100.0]["harmful"] > 0.6


def test_a_harmless_unit_that_is_dearer_on_tiles_stays_digital(tmp_path: Path) -> None:
    assert learned(tmp_path, 0.05, analog=0.9).values["share"]["harmless"] < 0.4


def test_learned_once_and_charged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = learned(tmp_path, 0.3)
    monkeypatch.setattr(learned_shares, "_epoch", None)
    assert learned(tmp_path, 0.3) == first
    assert first.oracle_s > 0
    [file] = tmp_path.glob("*.pt")
    assert file.stat().st_size < 4000, "weights are kept that nobody needs"


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = learned(tmp_path / "whole", 0.3)
    epochs: list[int] = []

    def interrupt(now: EpochDone) -> None:
        epochs.append(now.epoch)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learned(tmp_path / "parts", 0.3, progress=interrupt)
    resumed = learned(tmp_path / "parts", 0.3, progress=interrupt)
    assert epochs == [1, 2, 3, 3]
    assert resumed.values == whole.values


def test_divergence_leaves_the_shares_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, logits = learned_shares._epoch, []

    def diverges(*arguments):
        done, loss = real(*arguments)
        logits.append(done["logits"])
        return (done, loss) if len(logits) < 3 else (done, float("nan"))

    monkeypatch.setattr(learned_shares, "_epoch", diverges)
    for _ in range(2):  # from the store, too
        with pytest.warns(UserWarning, match="diverged in epoch 3; shares of the epoch before"):
            diverged = learned(tmp_path / "a", 0.3).values["share"]
    assert len(logits) == 3
    assert list(diverged.values()) == torch.sigmoid(logits[1].double()).tolist()
    assert not torch.equal(logits[1], logits[2])


def test_the_expected_cost_is_the_mean_over_random_mappings() -> None:
    prices = {"a": (0.3, 0.1), "b": (0.5, 0.2), "c": (0.1, 0.4)}
    pairs = (("a", "b", 0.0, 0.05, 0.06, 0.01), ("c", "a", 0.02, 0.0, 0.0, 0.03))
    question = LearnedShares(prices=prices, pairs=pairs, strength=1.0)
    shares = dict(zip(prices, (0.2, 0.7, 0.4), strict=True))
    expected = 0.0
    for sides in product((0, 1), repeat=3):
        on = dict(zip(prices, sides, strict=True))
        probability = cost = 1.0
        cost = sum(prices[unit][side] for unit, side in on.items())
        for first, second, *table in pairs:
            cost += table[2 * on[first] + on[second]]
        for unit, side in on.items():
            probability *= shares[unit] if side else 1 - shares[unit]
        expected += probability * cost
    cost_of_shares = expected_cost(
        question, torch.tensor(list(shares.values()), dtype=torch.float64)
    )
    assert float(cost_of_shares) == pytest.approx(expected)


def test_the_oracle_learns_shares_of_units(tmp_path: Path) -> None:
    oracle = small_oracle(tmp_path)
    lines: list[str] = []
    oracle.watch(lines.append)
    cheap = LearnedShares(prices=dict.fromkeys(NAMES, (1.0, 0.0)), strength=100.0)
    answer = consult(oracle, cheap, seed=0)
    assert list(answer.values["share"]) == list(NAMES)
    assert all(share > 0.5 for share in answer.values["share"].values())
    assert answer.oracle_s > 0
    assert sum(line.startswith("learning shares: epoch") for line in lines) == 3
    assert consult(oracle, cheap, seed=0) == answer
    assert consult(oracle, cheap, seed=1).values != answer.values
    dear = replace(cheap, prices=dict.fromkeys(NAMES, (0.0, 1.0)))
    assert all(share < 0.5 for share in consult(oracle, dear, seed=0).values["share"].values())

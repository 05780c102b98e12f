"""Training: seeded, resumable, ended by its own loss."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from damage import flip_a_bit
from oracle_setup import NAMES, made_up_examples, small_network
from torch import nn
from training_jobs import ENGINE, job, prescribe

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle import training
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.settings import HatRecipe
from lionheart_opt.oracle.store import Trained, WeightStore, weights_digest
from lionheart_opt.oracle.training import (
    EpochDone,
    reestimate_batch_norm,
    train,
    with_weights,
)


def same(trained: Trained, other: Trained) -> bool:
    assert trained.weights
    return trained.losses == other.losses and all(
        torch.equal(tensor, other.weights[name]) for name, tensor in trained.weights.items()
    )


# --- seeded and resumable -------------------------------------------------------------------------


def test_training_is_decided_by_its_job(tmp_path: Path) -> None:
    stores = [WeightStore.folder(tmp_path / name) for name in "abc"]
    first = train(job(), ENGINE, stores[0], "key")
    torch.manual_seed(99)  # what others draw does not matter
    assert same(first, train(job(), ENGINE, stores[1], "key"))
    assert not same(first, train(job(seed=4), ENGINE, stores[2], "key"))
    assert len(first.losses) == 4 and first.training_s > 0


@pytest.mark.parametrize("matrices", [(), NAMES])
def test_interrupted_training_goes_on_where_it_was(
    tmp_path: Path, matrices: tuple[str, ...]
) -> None:
    whole = train(job(matrices=matrices), ENGINE, WeightStore.folder(tmp_path / "a"), "key")
    store = WeightStore.folder(tmp_path / "b")
    seen: list[int] = []

    def interrupt(now: EpochDone) -> None:
        seen.append(now.epoch)
        if now.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job(matrices=matrices), ENGINE, store, "key", interrupt)
    resumed = train(
        job(matrices=matrices), ENGINE, store, "key", lambda now: seen.append(now.epoch)
    )
    assert seen == [1, 2, 3, 4]
    assert same(whole, resumed)
    files = {file.name for file in (tmp_path / "b").iterdir()}
    assert files == {store.artifact_of("key"), "key.pt.sha256"}  # nothing left behind


KILLED = """
import os, signal, sys
from pathlib import Path
from test_training import ENGINE, WeightStore, job, train
train(job(), ENGINE, WeightStore.folder(Path(sys.argv[1])), "key",
      lambda now: now.epoch == 3 and os.kill(os.getpid(), signal.SIGKILL))
"""


def test_killed_training_goes_on_where_it_was(tmp_path: Path) -> None:
    here = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "b")],
        env={**os.environ, "PYTHONPATH": here},
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    seen: list[int] = []
    store = WeightStore.folder(tmp_path / "b")
    resumed = train(job(), ENGINE, store, "key", lambda now: seen.append(now.epoch))
    assert seen == [4]
    assert same(train(job(), ENGINE, WeightStore.folder(tmp_path / "a"), "key"), resumed)


BUSY = """
import sys
from pathlib import Path
from test_training import Trained, WeightStore
store = WeightStore.folder(Path(sys.argv[1]))
with store.alone("key"):
    print("busy", flush=True)
    if sys.stdin.readline() == "end\\n":
        store.put("key", Trained(weights={}, note="trained by another process"))
    else:
        sys.stdin.readline()
"""


@pytest.mark.parametrize("does_end", [True, False])
def test_what_another_process_trains_is_waited_for(tmp_path: Path, does_end: bool) -> None:
    here = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    other = subprocess.Popen(
        [sys.executable, "-c", BUSY, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": here},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other, ThreadPoolExecutor() as threads:
        assert other.stdout is not None and other.stdout.readline() == "busy\n"
        store = WeightStore.folder(tmp_path)
        trained = threads.submit(train, job(), ENGINE, store, "key")
        assert same(
            train(job(), ENGINE, store, "other key"), train(job(), ENGINE, store, "other key")
        )
        assert not trained.done()
        if does_end:
            other.communicate("end\n")
        else:
            other.kill()
        note = trained.result().note
    assert note == ("trained by another process" if does_end else "")
    assert not list(tmp_path.glob("*.lock"))


def test_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = WeightStore.folder(tmp_path)
    first = train(job(), ENGINE, store, "key")
    monkeypatch.setattr(training, "_epoch", None)
    again = train(job(), ENGINE, store, "key")
    assert same(first, again)
    assert again.training_s == first.training_s  # charged although it was there already


@pytest.mark.parametrize("name", ["key.pt", "key.epoch.pt"])
def test_damaged_weights_are_trained_again(tmp_path: Path, name: str) -> None:
    """One flipped bit in weights, or in the state after an epoch: the weights that are right."""
    right = train(job(), ENGINE, WeightStore.folder(tmp_path / "a"), "key")
    store = WeightStore.folder(tmp_path / "b")

    def interrupt(now: EpochDone) -> None:
        if now.epoch == 2 and name == "key.epoch.pt":
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        train(job(), ENGINE, store, "key", interrupt)
    file = str(store.artifact_of("key")) if name == "key.pt" else name
    flip_a_bit(tmp_path / "b" / file)
    epochs: list[int] = []
    with pytest.warns(UserWarning, match=f"artifact {name} is damaged.* done again"):
        again = train(job(), ENGINE, store, "key", lambda now: epochs.append(now.epoch))
    assert same(right, again) and epochs == [1, 2, 3, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it has been replaced
        assert same(right, train(job(), ENGINE, store, "key"))


# --- when it ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "epochs", "best"),
    [
        ([5, 4, 3, 2, 1, 0.5], 6, 5),  # still falling: all epochs
        ([5, 4, 4, 4, 4, 4], 4, 1),  # two epochs without a smaller loss
        ([5, 4, 4.5, 3, 3.5, 3.2], 6, 3),
        ([3, 4, 5, 1, 1, 1], 3, 0),  # ended before it would have improved
    ],
)
def test_ends_when_the_training_loss_has_stopped_decreasing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: list[float],
    epochs: int,
    best: int,
) -> None:
    prescribe(monkeypatch, losses)
    recipe = HatRecipe(patience=2, annealing_epochs=0)
    trained = train(job(recipe=recipe, epochs=6), ENGINE, WeightStore.folder(tmp_path), "key")
    assert trained.losses == tuple(losses[:epochs])
    assert float(trained.weights["w"]) == best
    assert trained.note == ""


def test_an_epoch_may_be_fewer_steps_each_on_other_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    real = training.augmented

    def spy(examples: Examples, numbers: torch.Tensor, *how: Any) -> Examples:
        seen.append(numbers)
        return real(examples, numbers, *how)

    monkeypatch.setattr(training, "augmented", spy)
    recipe = job().recipe.model_copy(update={"steps": 2})
    trained = train(job(recipe=recipe), ENGINE, WeightStore.folder(tmp_path), "key")
    assert [len(numbers) for numbers in seen] == [33] * 8 and len(trained.losses) == 4
    assert len(torch.cat(seen).unique()) > 66  # not the same two batches four times


def test_divergence_is_caught_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prescribe(monkeypatch, [2.0, 1.0, float("nan"), 0.0])
    trained = train(job(), ENGINE, WeightStore.folder(tmp_path), "key")
    assert "diverged in epoch 3" in trained.note and "the best epoch before" in trained.note
    assert float(trained.weights["w"]) == 1.0
    assert trained.losses == (2.0, 1.0)
    prescribe(monkeypatch, [float("inf")])
    trained = train(job(), ENGINE, WeightStore.folder(tmp_path), "other key")
    assert trained.note == "training diverged in epoch 1; weights of the start are used"
    assert weights_digest(trained.weights) == weights_digest(job().start)


def test_real_divergence_leaves_finite_weights(tmp_path: Path) -> None:
    wild = job(recipe=HatRecipe(learning_rate=1e30), matrices=())
    trained = train(wild, ENGINE, WeightStore.folder(tmp_path), "key")
    assert "diverged" in trained.note
    assert all(torch.isfinite(weights).all() for weights in trained.weights.values())


def test_a_last_batch_of_one_example_does_not_break_batch_norm(tmp_path: Path) -> None:
    odd = job(examples=made_up_examples(34, 1), epochs=1, matrices=())
    assert train(odd, ENGINE, WeightStore.folder(tmp_path), "key").note == ""


def test_a_single_example_is_trained_on(tmp_path: Path) -> None:
    """It is the whole epoch, and not a last batch that may be left out."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    one = Examples(inputs=torch.randn(1, 1, 8, 8), targets=torch.tensor([1]))
    asked = job(model=network, start=network.state_dict(), examples=one, epochs=2, matrices=("1",))
    trained = train(asked, ENGINE, WeightStore.folder(tmp_path), "key")
    assert len(trained.losses) == 2 and trained.note == ""
    assert not torch.equal(trained.weights["1.weight"], network[1].weight)


def test_input_ranges_go_on_from_epoch_to_epoch(tmp_path: Path) -> None:
    """The first batches initialise them, those of later epochs do not."""
    config = lionheart()
    config.pre_post.input_range.enable = True
    config.pre_post.input_range.init_from_data = 2
    trained = train(job(rpu_config=config, epochs=2), ENGINE, WeightStore.folder(tmp_path), "key")
    batches = {name: trained.weights[f"{name}.input_ranges"][:, 1] for name in NAMES}
    assert all(bool((seen == 2).all()) for seen in batches.values())
    network = with_weights(small_network(), trained.weights)
    assert set(vars(network)["input_ranges"]) == set(NAMES)


def test_digital_training_is_plain_gradient_descent(tmp_path: Path) -> None:
    """Momentum over epochs, cosine over steps, another order in every epoch, dropout on."""
    recipe = HatRecipe(learning_rate=0.05, momentum=0.8, weight_decay=0.01, batch_size=25)
    asked = job(recipe=recipe, matrices=(), epochs=3)
    trained = train(asked, ENGINE, WeightStore.folder(tmp_path), "key")
    network, steps = small_network().train(), 12
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.8, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    orders = []
    for epoch in range(3):
        data = torch.Generator().manual_seed(derive(3, "data", epoch))
        orders.append(torch.randperm(100, generator=data))
        torch.manual_seed(derive(3, "training noise", epoch))
        for numbers in orders[-1].split(25):
            loss = nn.functional.cross_entropy(
                network(asked.examples.inputs[numbers]), asked.examples.targets[numbers]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    for name, weights in network.state_dict().items():
        torch.testing.assert_close(trained.weights[name], weights)
    assert not torch.equal(orders[0], orders[1])


# --- what it learns -------------------------------------------------------------------------------


def test_any_floating_point_network_can_be_trained(tmp_path: Path) -> None:
    """Convolutions over volumes have no channels-last layout of the kind that images have."""
    volumes = nn.Sequential(
        nn.Unflatten(2, (2, 3)), nn.Conv3d(1, 4, (2, 3, 3)), nn.Flatten(), nn.LazyLinear(3)
    )
    images = torch.rand(12, 1, 6, 6)
    volumes(images)
    examples = Examples(inputs=images, targets=torch.arange(12) % 3)
    change = {"model": volumes, "start": volumes.state_dict(), "matrices": (), "examples": examples}
    assert train(job(**change), ENGINE, WeightStore.folder(tmp_path), "key").losses


def test_all_weights_are_trained_digital_ones_too(tmp_path: Path) -> None:
    part = job(matrices=("conv2",), epochs=1)
    trained = train(part, ENGINE, WeightStore.folder(tmp_path), "key")
    for name, weights in part.start.items():
        assert not torch.equal(trained.weights[name], weights), name
    assert trained.weights["norm.num_batches_tracked"] == 3  # batches of one are skipped


def test_one_shot_sees_every_kind_of_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[frozenset[str]] = []
    monkeypatch.setattr(
        AnalogNetwork, "set_ideal", lambda analog, paths: drawn.append(frozenset(paths))
    )
    recipe = HatRecipe(batch_size=4)
    groups = (("conv1",), ("conv2", "linear"))
    shared = job(groups=groups, recipe=recipe, epochs=2)
    train(shared, ENGINE, WeightStore.folder(tmp_path), "key")
    assert len(drawn) == 50
    expected = {frozenset(a) | frozenset(b) for a in ((), groups[0]) for b in ((), groups[1])}
    assert set(drawn) == expected  # groups move together; all-digital and all-analog occur


def test_batch_norm_is_estimated_for_the_mapping_and_nothing_else_changes() -> None:
    start = small_network().state_dict()
    plain = job(recipe=job().recipe.model_copy(update={"augmentation": "none"}))
    digital = reestimate_batch_norm(replace(plain, matrices=()), ENGINE, batches=3)
    network = small_network().train()
    network.norm.momentum = None
    data = torch.Generator().manual_seed(derive(3, "batch norm data"))
    with torch.no_grad():
        for numbers in torch.randperm(100, generator=data).split(33)[:3]:
            network.norm(network.conv1(plain.examples.inputs[numbers]))
    assert list(digital) == list(start)
    for name, weights in start.items():
        if not name.startswith("norm.") or name in {"norm.weight", "norm.bias"}:
            assert torch.equal(digital[name], weights)
    torch.testing.assert_close(digital["norm.running_mean"], network.norm.running_mean)
    torch.testing.assert_close(digital["norm.running_var"], network.norm.running_var)
    analog = reestimate_batch_norm(plain, ENGINE, batches=3)
    assert not torch.equal(analog["norm.running_var"], digital["norm.running_var"])


def test_weights_are_a_copy(tmp_path: Path) -> None:
    network = small_network()
    copy = with_weights(network, {k: v + 1 for k, v in network.state_dict().items()})
    assert torch.equal(copy.state_dict()["linear.bias"], network.linear.bias + 1)

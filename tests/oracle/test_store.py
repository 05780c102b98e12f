"""Trained weights as artifacts: whole or absent, checked, named by what they depend on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from oracle_setup import small_network

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.store import Trained, WeightStore, load_weights, weights_digest


def test_what_is_put_comes_back(tmp_path: Path) -> None:
    store = WeightStore.folder(tmp_path / "new")
    trained = Trained(
        weights=small_network().state_dict(), training_s=1.5, losses=(2.0, 1.0), note="diverged"
    )
    store.put("key", trained)
    back = store.get("key")
    assert back is not None
    assert weights_digest(back.weights) == weights_digest(trained.weights)
    assert (back.training_s, back.losses, back.note) == (1.5, (2.0, 1.0), "diverged")


def test_nothing_is_created_before_something_is_written(tmp_path: Path) -> None:
    store = WeightStore.folder(tmp_path / "new")
    assert store.get("key") is None and store.read("name") is None
    store.remove("name")  # not an error
    assert not (tmp_path / "new").exists()
    store.write("name", {"n": 1, "t": torch.arange(3)})
    content = store.read("name")
    assert content is not None and content["n"] == 1 and content["t"].tolist() == [0, 1, 2]
    store.remove("name")
    assert store.read("name") is None


def test_digests_depend_on_names_types_shapes_and_numbers() -> None:
    weights = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    others = [
        {"c": weights["a"], "b": weights["b"]},
        {"a": weights["a"].double(), "b": weights["b"]},
        {"a": weights["a"].view(3, 2), "b": weights["b"]},
        {"a": weights["a"] + 1, "b": weights["b"]},
        {"a": weights["a"]},
    ]
    digests = {weights_digest(other) for other in (weights, *others)}
    assert len(digests) == 1 + len(others)
    assert weights_digest({name: tensor.clone() for name, tensor in weights.items()}) in digests


def test_a_user_checkpoint_must_fit(tmp_path: Path) -> None:
    network, path = small_network(), tmp_path / "w.pt"
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, path)
    loaded = load_weights(path, network)
    assert weights_digest(loaded) == weights_digest(network.state_dict())
    state = network.state_dict()
    cases = {
        "no tensor 'linear.bias'": {k: v for k, v in state.items() if k != "linear.bias"},
        r"'linear.bias' is \(5,\), needed \(4,\)": {**state, "linear.bias": torch.zeros(5)},
        "unknown tensor 'extra'": {**state, "extra": torch.zeros(1)},
        "holds a list": [1, 2],
    }
    for message, content in cases.items():
        torch.save(content, path)
        with pytest.raises(InputError, match=message):
            load_weights(path, network)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    with pytest.raises(InputError, match="No such file"):
        load_weights(path, small_network())
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="not a checkpoint of tensors"):
        load_weights(path, small_network())
    torch.save(small_network(), path)  # a pickled module could run any code
    with pytest.raises(InputError, match="not a checkpoint of tensors"):
        load_weights(path, small_network())


def test_an_artifact_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = WeightStore.folder(tmp_path / "new")
    assert store.get("key") is None
    store.put("key", Trained(weights={"w": torch.ones(3)}, losses=(1.0,), note="old"))

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        store.put("key", Trained(weights={"w": torch.zeros(3)}))
    kept = store.get("key")
    assert kept is not None and kept.note == "old" and kept.losses == (1.0,)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["key.pt"]


def test_a_damaged_artifact_is_named(tmp_path: Path) -> None:
    store = WeightStore.folder(tmp_path)
    (tmp_path / "key.pt").write_bytes(b"PK damaged")
    with pytest.raises(InputError, match=r"artifact key\.pt"):
        store.get("key")

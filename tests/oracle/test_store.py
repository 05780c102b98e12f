"""Trained weights as artifacts: whole or absent, checked, named by what they depend on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from damage import flip_a_bit
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


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16])
def test_a_checkpoint_of_another_precision_is_converted_and_that_is_said_once(
    tmp_path: Path, kind: torch.dtype
) -> None:
    network, path = small_network(), tmp_path / "w.pt"
    state = {
        name: tensor.to(kind) if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    torch.save(state, path)
    with pytest.warns(UserWarning, match=f"w.pt: weights of {kind}; .* float32") as said:
        loaded = load_weights(path, network)
    assert len(said) == 1
    for name, tensor in network.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded[name], state[name].to(tensor.dtype), rtol=0, atol=0)


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
    with pytest.raises(InputError, match="no space"):
        store.put("key", Trained(weights={"w": torch.zeros(3)}))
    kept = store.get("key")
    assert kept is not None and kept.note == "old" and kept.losses == (1.0,)
    files = {file.name for file in (tmp_path / "new").iterdir()}
    assert files == {store.artifact_of("key"), "key.pt.sha256"}


def test_an_interruption_between_checksum_and_artifact_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = WeightStore.folder(tmp_path)
    store.write("name", {"n": 1})
    real = type(store.artifacts).write

    def interrupted(artifacts: Any, name: str, content: Any) -> None:
        if name == "name":
            raise KeyboardInterrupt
        real(artifacts, name, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(store.artifacts), "write", interrupted)
        store.write("name", {"n": 2})
    assert store.read("name") == {"n": 1}
    store.write("name", {"n": 3})
    assert store.read("name") == {"n": 3}


def put_as_before(store: WeightStore, key: str, trained: Trained) -> None:
    """As older versions: weights under the name, their SHA-256 beside them."""
    store.write(f"{key}.pt", {**vars(trained), "losses": list(trained.losses)})


def test_weights_of_an_older_store_are_read(tmp_path: Path) -> None:
    store = WeightStore.folder(tmp_path)
    put_as_before(store, "key", Trained(weights={"w": torch.ones(3)}, note="old"))
    old = store.get("key")
    assert old is not None and old.note == "old"
    flip_a_bit(tmp_path / "key.pt")
    with pytest.warns(UserWarning, match=r"artifact key\.pt is damaged \(its SHA-256 is another"):
        assert store.get("key") is None
    store.put("key", Trained(weights={"w": torch.ones(3)}, note="new"))
    new = store.get("key")
    assert new is not None and new.note == "new"


def test_equal_weights_are_stored_once_and_named_by_their_content(tmp_path: Path) -> None:
    store = WeightStore.folder(tmp_path)
    for key in ("a", "b"):
        store.put(key, Trained(weights={"w": torch.ones(3)}))
    [name] = {store.artifact_of("a"), store.artifact_of("b")}
    assert hashlib.sha256((tmp_path / str(name)).read_bytes()).hexdigest() == name
    assert {file.name for file in tmp_path.iterdir()} == {name, "a.pt.sha256", "b.pt.sha256"}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replaced(path: Path) -> None:
    path.write_bytes(b"PK damaged")


@pytest.mark.parametrize("has_checksum", [True, False], ids=["checksum", "older store"])
@pytest.mark.parametrize("damage", [flip_a_bit, cut, empty, replaced])
def test_a_damaged_artifact_is_named_and_not_used(
    tmp_path: Path, damage: Callable[[Path], None], has_checksum: bool
) -> None:
    store = WeightStore.folder(tmp_path)
    trained = Trained(weights=small_network().state_dict())
    if has_checksum:
        store.put("key", trained)
        damage(tmp_path / str(store.artifact_of("key")))
    else:
        put_as_before(store, "key", trained)
        (tmp_path / "key.pt.sha256").unlink()
        damage(tmp_path / "key.pt")
    with pytest.warns(UserWarning, match=r"artifact key\.pt is damaged") as caught:
        assert store.get("key") is None
    assert len(caught) == 1 and "\n" not in str(caught[0].message)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"0" * 64])
def test_a_damaged_checksum_is_not_accepted(tmp_path: Path, content: bytes) -> None:
    store = WeightStore.folder(tmp_path)
    store.put("key", Trained(weights={"w": torch.ones(3)}))
    (tmp_path / "key.pt.sha256").write_bytes(content)
    with pytest.warns(UserWarning, match="SHA-256"):
        assert store.get("key") is None


def test_whole_artifacts_without_checksum_get_one(tmp_path: Path) -> None:
    store = WeightStore.folder(tmp_path)
    put_as_before(store, "key", Trained(weights=small_network().state_dict()))
    checksum = tmp_path / "key.pt.sha256"
    expected = checksum.read_text()
    assert expected.strip() == hashlib.sha256((tmp_path / "key.pt").read_bytes()).hexdigest()
    checksum.unlink()
    assert store.get("key") is not None
    assert checksum.read_text() == expected


def test_what_holds_something_else_is_not_used(tmp_path: Path) -> None:
    store = WeightStore.folder(tmp_path)
    store.write("key.pt", {"losses": [], "weight": torch.ones(3)})
    with pytest.warns(UserWarning, match="no trained weights"):
        assert store.get("key") is None

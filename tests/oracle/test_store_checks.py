"""What weights must look like, and what a store does where something is missing."""

from __future__ import annotations

import atexit
import errno
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from oracle_setup import small_network
from torch import nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.store import (
    WeightStore,
    check_fit,
    load_weights,
    network_text,
    weights_digest,
)


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"w\.pt: does not fit the network: 'bias' is int, needed \(2,\)"),
        (torch.zeros(3), r"'bias' is \(3,\), needed \(2,\)"),
        (torch.zeros(2, device="meta"), "'bias' has no values, or is sparse"),
        (torch.zeros(2).to_sparse(), "'bias' has no values, or is sparse"),
        (torch.zeros(2, dtype=torch.complex64), "'bias' is torch.complex64; needed torch.float32"),
    ],
)
def test_every_tensor_must_be_dense_and_of_its_shape(value: Any, message: str) -> None:
    network = nn.Linear(3, 2)
    state = network.state_dict()
    check_fit(network, state, "w.pt")
    check_fit(network, {**state, "bias": torch.zeros(2, dtype=torch.float64)}, "w.pt")
    with pytest.raises(InputError, match=message):
        check_fit(network, {**state, "bias": value}, "w.pt")
    with pytest.raises(InputError, match=r"w\.pt: holds a list, not a state dict"):
        check_fit(network, [value], "w.pt")


def test_a_state_dict_by_itself_is_a_checkpoint(tmp_path: Path) -> None:
    """Weights that need gradients and statistics come as plain tensors, without a warning."""
    network, path = small_network(), tmp_path / "w.pt"
    state = dict(network.state_dict(keep_vars=True))
    torch.save(state, path)
    loaded = load_weights(path, small_network(1))
    assert weights_digest(loaded) == weights_digest(network.state_dict()) == weights_digest(state)
    assert not any(tensor.requires_grad for tensor in loaded.values())


def test_counters_keep_their_type_and_need_no_warning(tmp_path: Path) -> None:
    """An integer of another width is no weight of another precision."""
    network, path = small_network(), tmp_path / "w.pt"
    state = network.state_dict()
    state["norm.num_batches_tracked"] = torch.tensor(7, dtype=torch.int32)
    torch.save(state, path)
    loaded = load_weights(path, network)
    assert loaded["norm.num_batches_tracked"].dtype == torch.int64
    assert int(loaded["norm.num_batches_tracked"]) == 7


def test_a_temporary_store_is_gone_when_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    store = WeightStore.temporary()
    store.write("name", {"n": 1})
    assert store.read("name") == {"n": 1}
    for function in at_exit:
        function()
    assert store.read("name") is None
    assert store.is_temporary and not WeightStore.folder(Path("folder")).is_temporary


def test_the_text_of_a_network_holds_its_settings_but_no_addresses_or_weights() -> None:
    class Applies(nn.Module):
        def __init__(self, function: Callable[..., Any]) -> None:
            super().__init__()
            self.function, self.linear = function, nn.Linear(2, 3)

        def extra_repr(self) -> str:
            return repr(self.function)

    def functions() -> Callable[..., Any]:
        return lambda x: x

    first, second = Applies(functions()), Applies(functions())
    assert repr(first) != repr(second)
    assert network_text(first) == network_text(second)
    assert "in_features=2, out_features=3" in network_text(first)


def test_the_checksum_of_what_is_replaced_is_kept_but_no_older_one(tmp_path: Path) -> None:
    store = WeightStore.folder(tmp_path)
    digests = []
    for n in range(3):
        store.write("name", {"n": n})
        digests.insert(0, (tmp_path / "name.sha256").read_text().split()[0])
        assert (tmp_path / "name.sha256").read_text().split() == digests[:2]
    store.remove("name")
    assert not list(tmp_path.iterdir())


def test_artifacts_of_an_older_store_are_read_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = WeightStore.folder(tmp_path)
    store.write("key.pt", {"weights": {"w": torch.ones(3)}, "losses": [], "note": "old"})
    (tmp_path / "key.pt.sha256").unlink()

    def read_only(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", read_only)
    back = store.get("key")
    assert back is not None and back.note == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["key.pt"]

"""Optuna's proxy, behind which any database may be: attributes fit into the shortest columns."""

import socket
from contextlib import contextmanager

import optuna
import pytest
from recorded_search import SAID, searched

from lionheart_opt.study import whole_storages
from lionheart_opt.study.attribute_parts import PART
from lionheart_opt.study.finished_trials import finished_trials
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.reading import storage_to_read
from lionheart_opt.study.storage import open_storage
from lionheart_opt.study.whole_storages import MOST_BYTES
from lionheart_opt.testing import tiny_problem

LONG = "x" * (3 * MOST_BYTES)


@contextmanager
def proxy(url):
    """The URL of a proxy of Optuna's own storage of a URL."""
    pytest.importorskip("grpc")
    from optuna.storages._grpc.server import make_server

    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    kind, _, place = url.partition(":///")
    storage = (
        optuna.storages.RDBStorage(url)
        if kind == "sqlite"
        else optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(place))
    )
    server = make_server(storage, "localhost", port)
    server.start()
    try:
        yield f"grpc://localhost:{port}", storage
    finally:
        server.stop(None)


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_long_attributes_go_through_a_proxy_in_parts(kind, tmp_path):
    url = f"{kind}:///{tmp_path / 'k'}"
    said = {**SAID, "text": LONG}
    with proxy(url) as (address, plain):
        storage = open_storage(address)
        kept = OptunaKeeper.open(tiny_problem(), "s", storage, said)
        study = kept.study
        study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={"accuracy": LONG}))
        trial = study.ask()
        trial.set_user_attr("accuracy", LONG)
        study.tell(trial, 2.0)
        behind = plain.get_study_user_attrs(study._study_id)
        assert any(name.startswith(PART) for name in behind)
        assert max(map(len, map(str, behind.values()))) <= MOST_BYTES
        for opened in (open_storage(address), storage_to_read(address), storage_to_read(url)):
            read = OptunaKeeper.existing("s", opened, said).study
            assert read.user_attrs["specification"] == said
            [summary] = optuna.get_all_study_summaries(opened)
            assert summary.user_attrs["specification"] == said
            assert [each.user_attrs for each in read.trials] == 2 * [{"accuracy": LONG}]
            kept = [each.attributes["accuracy"] for each in finished_trials(read, ["accuracy"])]
            assert kept == 2 * [LONG]


def test_a_search_through_a_proxy_has_the_same_record(tmp_path, monkeypatch):
    """Here, little more than numbers fits."""
    monkeypatch.setattr(whole_storages.WholeProxy, "most_bytes", 300)
    whole = searched(open_storage(f"sqlite:///{tmp_path / 'whole.db'}"))
    with proxy(f"sqlite:///{tmp_path / 'k.db'}") as (address, plain):
        searched(open_storage(address), trials=2)
        keeper = searched(open_storage(address))
        parts = plain.get_all_trials(keeper.study._study_id)[0].user_attrs
        assert any(name.startswith(PART) for name in parts)
        for ours, theirs in zip(keeper.study.trials, whole.study.trials, strict=True):
            assert (ours.values, ours.params) == (theirs.values, theirs.params)
            assert ours.user_attrs == theirs.user_attrs

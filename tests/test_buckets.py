"""Artifacts in buckets: Optuna's stores of S3 and Google Cloud Storage."""

from __future__ import annotations

import io
import pickle
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from cli_setup import STUDY, call, make_study, rows

import lionheart_opt as lo
from lionheart_opt.artifacts import OutcomeStore, keep
from lionheart_opt.buckets import ArtifactBucket, check_place, place_of
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.store import Trained, WeightStore
from lionheart_opt.statistics.outcomes import Outcomes

OUTCOMES = Outcomes.of(np.ones(9, bool), np.arange(18).reshape(2, 1, 9) % 3 > 0)
TRAINED = Trained(weights={"w": torch.arange(3.0)}, training_s=1.5, losses=(2.0,), note="x")


@pytest.mark.parametrize(
    "url", ["s3://lab", "s3://lab/", "gs://lab.org-x/a/b", "s3://lab/a/", "gs://lab/a_b=c+d.e"]
)
def test_urls_of_buckets_are_places(url):
    assert place_of(url, Path("/x")) == url
    assert repr(ArtifactBucket(url)) == f"ArtifactBucket(url={url!r})"


@pytest.mark.parametrize(
    "where",
    [
        "ftp://lab/x",
        "s3://",
        "s3:/lab",
        "gs:///x",
        "s3://me:hunter2@lab",
        "s3://lab/x?y=1",
        "s3://lab//x",
        "",
        "\0",
        3,
        None,
    ],
)
def test_other_urls_are_refused_in_one_line(where):
    with pytest.raises(InputError) as error:
        place_of(where)
    said = str(error.value)
    assert said.startswith("artifacts: got ") and "must be a folder, s3://BUCKET/PREFIX or" in said
    assert "hunter2" not in said and "\n" not in said


def test_folders_are_relative_to_the_study():
    assert place_of("artifacts", Path("/x")) == Path("/x/artifacts")
    assert place_of(Path("/y"), Path("/x")) == Path("/y") and place_of("z") == Path("z")
    check_place(Path("/no/such/folder"))  # it is created when something is written
    check_place(None)


class Blobs:
    """What GCSArtifactStore needs of a client of google-cloud-storage."""

    def __init__(self, names: set[str]) -> None:
        self.kept: dict[str, dict[str, bytes]] = {name: {} for name in names}

    def bucket(self, name: str) -> Any:
        kept = self.kept.get(name)

        def blob(key: str) -> Any:
            return SimpleNamespace(
                upload_from_string=lambda data: kept.__setitem__(key, data),
                download_as_bytes=lambda: kept[key],
            )

        return SimpleNamespace(
            exists=lambda: kept is not None,
            blob=blob,
            get_blob=lambda key: blob(key) if key in kept else None,
            delete_blob=lambda key: kept.pop(key),
        )


@pytest.fixture
def google(monkeypatch) -> Blobs:
    """A Google Cloud Storage in memory, with the bucket `lab`."""
    blobs = Blobs({"lab"})
    storage = ModuleType("google.cloud.storage")
    storage.Client = lambda: blobs  # type: ignore[attr-defined]
    cloud, google = ModuleType("google.cloud"), ModuleType("google")
    cloud.storage, google.cloud = storage, cloud  # type: ignore[attr-defined]
    for module in (google, cloud, storage):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("optuna.artifacts._gcs._imports", SimpleNamespace(check=lambda: None))
    monkeypatch.setattr("optuna.artifacts._gcs.google", google, raising=False)
    return blobs


@pytest.fixture
def amazon(monkeypatch) -> Any:
    """An S3 of moto's, with the bucket `lab`; its client."""
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="lab")
        yield client


@pytest.fixture(params=["s3", "gs"])
def bucket(request) -> tuple[str, Any]:
    """The scheme of a bucket `lab`, and what gives the names in it."""
    if request.param == "gs":
        google = request.getfixturevalue("google")
        return "gs", lambda: sorted(google.kept["lab"])
    amazon = request.getfixturevalue("amazon")
    return "s3", lambda: sorted(
        each["Key"] for each in amazon.list_objects_v2(Bucket="lab").get("Contents", [])
    )


@pytest.mark.parametrize("prefix", ["", "/", "/some/where", "/some/where/"])
def test_what_is_written_comes_back_from_another_process(bucket, prefix):
    scheme, names = bucket
    store = ArtifactBucket(f"{scheme}://lab{prefix}")
    with pytest.raises(FileNotFoundError):
        store.open_reader("a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.write("a", io.BytesIO(b"content"))
    assert names() == [f"{prefix.strip('/')}/a".lstrip("/")]
    again = pickle.loads(pickle.dumps(store))
    assert again == store and again.open_reader("a").read() == b"content"
    store.remove("a")
    assert names() == []


def test_outcomes_and_weights_are_checked_when_they_are_read(bucket):
    scheme, names = bucket
    place = f"{scheme}://lab/x"
    outcomes, weights = OutcomeStore(place), WeightStore.at(place)
    assert weights.get("key") is None and weights.artifact_of("key") is None
    name = outcomes.put(OUTCOMES)
    assert outcomes.put(OUTCOMES) == name and names() == [f"x/{name}"]
    loaded = outcomes.get(name)
    assert loaded is not None and loaded.to_bytes() == OUTCOMES.to_bytes()
    weights.put("key", TRAINED)
    weights.write("state", {"epoch": 3})
    back, state = WeightStore.at(place).get("key"), weights.read("state")
    assert back is not None and state == {"epoch": 3}
    assert torch.equal(back.weights["w"], TRAINED.weights["w"]) and back.losses == (2.0,)
    store = ArtifactBucket(place)
    for damaged in (name, weights.artifact_of("key"), "state"):
        store.write(damaged, io.BytesIO(b"damaged"))
    for read in (
        lambda: outcomes.get(name),
        lambda: weights.get("key"),
        lambda: weights.read("state"),
    ):
        with pytest.warns(UserWarning, match="is damaged"):
            assert read() is None
    weights.put("key", TRAINED)
    assert weights.get("key") is not None, "what is damaged is written again"


def test_a_bucket_that_is_not_there_is_said_before_anything_is_done(bucket):
    scheme, _ = bucket
    store = ArtifactBucket(f"{scheme}://nobody")
    for use in (
        store.check,
        lambda: store.open_reader("a"),
        lambda: store.write("a", io.BytesIO(b"")),
        lambda: keep(store, b""),
        lambda: check_place(store.url),
    ):
        with pytest.raises(InputError, match=f"artifacts: {scheme}://nobody: ") as error:
            use()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs")])
def test_a_package_that_is_missing_is_said_with_its_extra(scheme, extra, monkeypatch):
    def missing() -> None:
        raise ImportError("no such package")

    for module in ("_boto3", "_gcs"):
        imports = SimpleNamespace(check=missing)
        monkeypatch.setattr(f"optuna.artifacts.{module}._imports", imports)
    with pytest.raises(InputError, match=rf"pip install 'lionheart_opt\[{extra}\]'"):
        ArtifactBucket(f"{scheme}://lab").check()


def test_a_study_keeps_its_artifacts_in_a_bucket(amazon, tmp_path):
    text = STUDY.replace("[model]", 'artifacts = "s3://lab/studies"\n[model]', 1)
    folder = make_study(tmp_path / "s", text)
    assert call("run", folder, "--only", "mac_greedy")[0] == 0
    assert not (folder / "artifacts").exists()
    keys = {each["Key"] for each in amazon.list_objects_v2(Bucket="lab")["Contents"]}
    study = optuna.load_study(
        study_name="s/mac_greedy/seed0", storage=f"sqlite:///{folder}/study.db"
    )
    for trial in study.trials:
        for each in optuna.artifacts.get_all_artifact_meta(trial, storage=study._storage):
            assert f"studies/{each.artifact_id}" in keys
    before = rows("show", folder)
    assert call("check", folder)[0] == 0
    assert call("run", folder, "--only", "mac_greedy")[0] == 0
    assert rows("show", folder) == before
    make_study(folder, text.replace("s3://lab/", "s3://nobody/"))
    code, _, err = call("check", folder)
    assert code == 2 and "artifacts: s3://nobody/studies: " in err
    make_study(folder, text.replace("s3://", "s4://"))
    code, _, err = call("check", folder)
    assert code == 2 and "artifacts: got 's4://lab/studies'; must be a folder, s3://" in err
    assert lo.load(make_study(folder, text)).file.artifacts == "s3://lab/studies"

"""What optuna-dashboard shows of a search: its question, and which trials are feasible."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
import pytest
from cli_setup import call
from table_study import table_study

from lionheart_opt.study.dashboard import CONSTRAINTS, NOTE_LENGTH, feasibility, note

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Flags of Chromium that keep it from the network, and let it run as root.
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--window-size=1600,2000 --virtual-time-budget=30000 --dump-dom"
)


def test_a_note_is_cut_into_pieces():
    assert note("") == {}
    text = "Which *mapping*? " * 300
    said = note(text)
    pieces = [value for key, value in said.items() if key.startswith("dashboard:note_str:")]
    assert said["dashboard:note_ver"] == 1 and "".join(pieces) == text
    assert len(pieces) == 3 and max(map(len, pieces)) == NOTE_LENGTH


@pytest.mark.parametrize(
    ("violations", "worst"),
    [
        ({"drop": -0.1, "energy_j": 0.2}, 0.2),
        ({"drop": 0.0}, 0.0),
        ({"drop": float("inf"), "energy_j": -1.0}, 1.0),
        ({"drop": float("nan")}, 1.0),
        ({"drop": float("-inf")}, -1.0),
    ],
)
def test_one_finite_number_says_whether_a_trial_is_feasible(violations, worst):
    said = feasibility(violations)
    assert said == {CONSTRAINTS: [worst]}
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert (worst <= 0) == all(each <= 0 for each in violations.values())


def test_without_limits_nothing_is_said():
    assert feasibility({}) == {}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> optuna.Study:
    """A finished search with one feasible trial, which is not the fastest."""
    folder = table_study(tmp_path_factory.mktemp("made") / "lab", max_drop=0.06, trials=8)
    assert call("run", folder)[0] == 0
    return optuna.load_study(study_name="lab/random/seed0", storage=f"sqlite:///{folder}/study.db")


def test_optuna_itself_knows_which_trial_is_best(study):
    feasible = [trial for trial in study.trials if trial.user_attrs["feasible"]]
    assert 0 < len(feasible) < len(study.trials)
    assert study.best_trial.number in {trial.number for trial in feasible}
    for trial in study.trials:
        assert trial.user_attrs["feasible"] is all(each <= 0 for each in trial.constraints.values())
        assert trial.system_attrs[CONSTRAINTS] == [max(trial.constraints.values())]


def test_figures_are_artifacts_of_each_search(study):
    """Uploaded again, they take the place of the earlier ones."""
    folder = Path(str(study._storage._backend.url).removeprefix("sqlite:///")).parent
    store = optuna.artifacts.FileSystemArtifactStore(folder / "artifacts")
    for _ in range(2):
        code, out, err = call("plot", folder, "--upload", "--json")
        assert code == 0, err
        written = {path.name: path for path in map(Path, json.loads(out)) if path.suffix == ".png"}
        kept = optuna.artifacts.get_all_artifact_meta(study)
        assert sorted(each.filename for each in kept) == sorted(written) and written
        for each in kept:
            assert each.mimetype == "image/png"
            content = store.open_reader(each.artifact_id).read()
            assert content == written[each.filename].read_bytes()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        return


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@contextmanager
def serving(study: optuna.Study, artifacts: Path | None = None) -> Iterator[str]:
    """Address of a dashboard, which is stopped at the end."""
    dashboard = pytest.importorskip("optuna_dashboard")
    store = None if artifacts is None else optuna.artifacts.FileSystemArtifactStore(artifacts)
    app = dashboard.wsgi(study._storage, artifact_store=store)
    server = make_server("127.0.0.1", 0, app, server_class=_Threaded, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def page(tmp_path) -> Callable[[str, str], str]:
    """What a browser shows at an address, as a text with ` | ` between its parts."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs a browser: {', '.join(BROWSERS)}")

    def read(address: str, awaited: str) -> str:
        text = ""
        for attempt in range(4):  # a page may be read before it is drawn
            profile = f"--user-data-dir={tmp_path / str(attempt)}"
            done = subprocess.run(
                [browser, *FLAGS.split(), profile, address],
                capture_output=True,
                text=True,
                timeout=120,
            )
            body = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", done.stdout, flags=re.DOTALL)
            parts = (part.strip() for part in re.split(r"<[^>]+>", html.unescape(body)))
            text = " | ".join(filter(None, parts))
            if awaited in text:
                return text
        raise AssertionError(f"{awaited!r} is not on the page: {text[-2000:]}")

    return read


def test_the_pages_show_the_question_and_which_trials_are_feasible(study, page):
    feasible = {trial.number: trial.user_attrs["feasible"] for trial in study.trials}
    chosen = [study.best_trial.number, next(n for n, kept in feasible.items() if not kept)]
    with serving(study) as address:
        address += "/dashboard/studies/1"
        shown = page(f"{address}/trials?numbers={chosen[0]},{chosen[1]}", "User Attributes")
        for number in chosen:
            _, _, trial = shown.partition(f"Trial {number} (trial_id=")
            said = re.search(r"feasible \|? ?(True|False)", trial)
            assert said is not None and said[1] == str(feasible[number]), trial
            assert re.search(r"drop_high \|? ?0\.\d+", trial)
        # the legend of the timeline has an entry for each kind of trial that there is
        assert "Complete | Infeasible" in page(address, "Infeasible")
        assert "keeps the limit?" in page(f"{address}/note", "mapping")

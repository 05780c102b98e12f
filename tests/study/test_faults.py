"""Kills, full disks and folders that cannot be written: nothing that was recorded is lost or repeated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import killed_searches
import pytest
import search_in_a_process
from search_in_a_process import study

from lionheart_opt.study.plan import Budget
from lionheart_opt.study.search import Search

#: Size of a small disk, and what is left of it for trials.
DISK, ROOM = 2_000_000, 40_000


def url_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if kind == "postgres":
        return request.getfixturevalue("postgres").new_database()
    return f"{kind}:///{tmp_path / 'k'}"


def recorded(url: str, strategy: str, trials: int) -> list[tuple[object, ...]]:
    """All that is recorded when the search has been run to its end."""
    search = study(url, strategy, trials)
    search.run()
    return [
        (trial.number, trial.params, trial.values, trial.user_attrs["digest"])
        for trial in search.record.keeper.study.trials
    ]


def survives_kills(url, tmp_path, *, trials, kills, pause_s=0.02, workers=0, strategy="nsga2"):
    whole = recorded(f"journal:///{tmp_path / f'whole{workers}'}", strategy, trials)
    arguments = [url, strategy, trials, kills, pause_s, workers, kills]
    process = subprocess.run(
        [sys.executable, killed_searches.__file__, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=3000,
        env={**os.environ, search_in_a_process.WEIGHTS: str(tmp_path / "weights")},
    )
    assert process.returncode == 0, process.stderr
    before = len(study(url, strategy, trials).record)
    assert before > 0, "the test is about records that have begun"
    print(f"{process.stdout.strip()} of {kills} kills hit a running search; {before} trials")
    assert recorded(url, strategy, trials) == whole
    return int(process.stdout)


def test_two_kills_lose_and_repeat_nothing(tmp_path):
    survives_kills(f"journal:///{tmp_path / 'k'}", tmp_path, trials=12, kills=2, strategy="random")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgres"])
def test_kills_at_random_lose_and_repeat_nothing(kind, request, tmp_path):
    url = url_of(kind, request, tmp_path)
    assert survives_kills(url, tmp_path, trials=30, kills=6) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgres"])
def test_two_hundred_kills(kind, request, tmp_path):
    """55 drivers on each storage, and 12 workers or drivers with workers."""
    url = url_of(kind, request, tmp_path)
    assert survives_kills(url, tmp_path, trials=250, kills=55, strategy="random") >= 40
    url = url_of(kind, request, tmp_path) if kind == "postgres" else url + "w"
    options = {"trials": 250, "strategy": "random", "workers": 2, "pause_s": 0.3}
    assert survives_kills(url, tmp_path, kills=12, **options) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgres"])
@pytest.mark.parametrize("workers", [0, 2])
def test_kills_while_networks_are_trained(kind, workers, request, tmp_path):
    url = url_of(kind, request, tmp_path)
    kills = 4 if workers else 8
    hits = survives_kills(
        url, tmp_path, trials=8, kills=kills, pause_s=0, workers=workers, strategy="trained"
    )
    assert hits >= kills // 2


# --- full disks ---------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk that `fill` fills."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk takes the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Leave room for a few trials; the file that has to go to make room."""
    filler = folder / "filler"
    free = os.statvfs(folder)
    filler.write_bytes(b"x" * max(0, free.f_bavail * free.f_bsize - ROOM))
    return filler


def run_in_a_process(url: str, trials: int, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, search_in_a_process.__file__, url, "random", str(trials), "0"],
        capture_output=True,
        text=True,
        input="go\n",
        timeout=300,
        **options,
    )


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_a_full_disk_ends_the_search_in_one_line_and_it_can_be_resumed(
    scheme, small_disk, tmp_path
):
    url = f"{scheme}:///{small_disk / 'k'}"
    trials = 60
    first = study(url, "random", trials)
    Search(first.record, first.strategy, seed=7, budget=Budget(trials=1)).run()
    filler = fill(small_disk)
    ended = run_in_a_process(url, trials)
    said = ended.stdout.splitlines()[1:]
    assert len(said) == 1, ended
    assert "'random': its record cannot be written: " in said[0]
    assert "full" in said[0] or "No space left on device" in said[0], said
    assert "Traceback" not in ended.stderr
    filler.unlink()
    assert 1 <= len(study(url, "random", trials).record) < trials
    whole = recorded(f"journal:///{tmp_path / 'whole'}", "random", trials)
    assert recorded(url, "random", trials) == whole


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_a_folder_that_cannot_be_written_is_one_line(scheme, tmp_path):
    url = f"{scheme}:///{tmp_path / 'lab' / 'k'}"
    (tmp_path / "lab").mkdir()
    study(url, "random", 2).run()
    before = {path.name: path.read_bytes() for path in (tmp_path / "lab").iterdir()}
    ended = run_in_a_process(url, 4, preexec_fn=lambda: _forbid_writing(tmp_path / "lab"))
    said = ended.stdout.splitlines()[1:]
    assert len(said) == 1 and "Traceback" not in ended.stderr, ended
    assert "cannot be" in said[0] or "cannot open" in said[0] or "k.lock" in said[0]
    assert {path.name: path.read_bytes() for path in (tmp_path / "lab").iterdir()} == before


def _forbid_writing(folder: Path) -> None:
    """Show the folder as read-only to this process alone; root may write everywhere otherwise."""
    if os.getuid() != 0:
        folder.chmod(0o555)
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, private, bind, remount, read_only = 0x20000, 0x44000, 0x1000, 0x20, 0x1
    path = str(folder).encode()
    assert libc.unshare(new_namespace) == 0
    assert libc.mount(None, b"/", None, private, None) == 0
    assert libc.mount(path, path, None, bind, None) == 0
    assert libc.mount(path, path, None, bind | remount | read_only, None) == 0

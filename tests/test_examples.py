"""Every script in `examples/` is short, runs from any working folder, and writes only where it may."""

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
#: What each prints, among other things. Costs are exact; accuracies depend on the machine.
PRINTED = {
    "compare_strategies": "knapsack   1.57  1.57  1.57",
    "decoding": "1 after 1000: 1850 tokens/s",
    "hugging_face": "SearchResult('mac_greedy', seed 0: 4 trials",
    "image_classifier": "SearchResult('mac_greedy', seed 0: 3 trials",
    "language_model": "SearchResult('exhaustive', seed 0: 8 trials",
    "own_strategy": "SearchResult('RandomBackward', seed 1: 8 trials",
    "segmentation": "SearchResult('exhaustive', seed 0: 16 trials",
    "price_systems": "  lionheart   0.004719  0.025833 1.472060     1.463167",
}

#: Those that train for longer than the others together.
TRAIN_LONG = {"language_model", "segmentation"}


def run(script: Path, working: Path, *arguments: object) -> str:
    """Standard output of a script; temporary files go below the working folder, too."""
    temporary = working / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(temporary),
    }
    command = [sys.executable, "-B", str(script), *map(str, arguments)]
    result = subprocess.run(command, cwd=working, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_each_script_is_known() -> None:
    assert {script.stem for script in SCRIPTS} == set(PRINTED)


@pytest.fixture
def nothing_left_behind() -> Iterator[None]:
    watched = [ROOT / "examples", ROOT / "studies"]
    before = [files(folder) for folder in watched]
    yield
    assert [files(folder) for folder in watched] == before


@pytest.mark.usefixtures("nothing_left_behind")
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, marks=[pytest.mark.slow] if script.stem in TRAIN_LONG else [])
        for script in SCRIPTS
        if script.stem != "image_classifier"
    ],
    ids=lambda script: script.stem,
)
def test_it_runs_and_leaves_nothing_behind(script: Path, tmp_path: Path) -> None:
    assert PRINTED[script.stem] in run(script, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"tmp"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_it_is_short(script: Path) -> None:
    assert len(script.read_text().splitlines()) <= 25


@pytest.mark.usefixtures("nothing_left_behind")
def test_a_classifier_is_kept_in_a_folder_and_resumed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    script = ROOT / "examples" / "image_classifier.py"
    first = run(script, tmp_path, kept)
    assert PRINTED["image_classifier"] in first
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "tmp"}
    trials = (kept / "trials.csv").read_text()
    assert run(script, tmp_path, kept) == first
    assert (kept / "trials.csv").read_text() == trials


@pytest.mark.parametrize(
    "script",
    [*sorted((ROOT / "benchmarks").glob("*.py")), *sorted((ROOT / "studies").glob("*/*.py"))],
    ids=lambda script: script.stem,
)
def test_what_a_benchmark_or_study_imports_is_there(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(script.parent)  # as Python does for a script
    assert runpy.run_path(str(script), run_name="imported")["__doc__"]

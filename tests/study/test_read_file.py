"""Reading a record takes its network from it: no torch, and nothing else than was recorded."""

import shutil
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.read_file import ReadFile
from lionheart_opt.study.same_question import NETWORK, VERSIONS

STUDY = """
question = "Does reading need torch?"
system = "lionheart"
model = { name = "mine:network", input_shape = [64] }
data = { name = "digits" }
storage = "journal:///k.log"
[oracle]
pretrain = { epochs = 1, batch_size = 64 }
hat = { epochs = 1, batch_size = 64 }
[limits]
max_drop = 0.9
over = "examples"
draws = [2]
[budget]
trials = 1
[[run]]
strategy = "fixed"
arguments = { mapping = "all-digital" }
"""
MINE = """
from torch.nn import Flatten, Linear, ReLU, Sequential

def network():
    return Sequential(Flatten(), Linear(64, 16), ReLU(), Linear(16, 10))
"""
WITHOUT_WHAT_RUNS = """
import sys
for name in ("torch", "loky", "optuna.artifacts"):  # Optuna's artifacts load boto3
    sys.modules[name] = None  # importing it fails
from lionheart_opt.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of an own network, which has been run."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "study.toml").write_text(STUDY)
    (folder / "mine.py").write_text(MINE)
    lo.load(folder).run(checks=False)
    return folder


@pytest.fixture
def study(recorded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recorded, tmp_path / recorded.name)


def read(folder: Path) -> ReadFile:
    file = StudyFile.load(folder)
    return ReadFile(file.path, file.table)


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that are traced."""
    from lionheart_opt.study import file

    traced, names = file.traced, []

    def noting(table, folder):
        names.append(table.model.name)
        return traced(table, folder)

    monkeypatch.setattr(file, "traced", noting)
    return names


@pytest.mark.parametrize("verb", ["show", "compare", "plot"])
def test_verbs_that_read_load_nothing_that_runs(study, verb):
    command = [sys.executable, "-c", WITHOUT_WHAT_RUNS, verb, str(study)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "fixed" in ended.stdout + ended.stderr or verb == "plot"


def test_the_network_is_the_one_that_would_be_traced(study, traces):
    file = read(study)
    assert file.network == StudyFile.load(study).network
    assert traces == ["mine:network"]  # by the other one
    assert [len(record) for _, record in file.records()] == [1]


def test_a_folder_that_was_renamed_needs_no_tracing(study, traces):
    moved = study.rename(study.parent / "renamed")
    assert [len(record) for _, record in read(moved).records()] == [1]
    assert not traces


def test_without_a_record_the_network_is_traced(study, traces):
    (study / "k.log").unlink()
    assert [unit.name for unit in read(study).workload.units] == ["1", "3"]
    assert traces == ["mine:network"]


def test_another_network_is_refused_as_ever(study, traces):
    (study / "mine.py").write_text(MINE.replace("16", "17"))
    with pytest.raises(InputError, match="recorded with other settings: workload"):
        list(read(study).records())
    assert traces


def test_other_units_are_refused_as_ever(study, traces):
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(f'units = {{ both = ["*"] }}\n{text}')
    with pytest.raises(InputError, match="recorded with other settings: workload"):
        list(read(study).records())
    assert traces


@pytest.mark.parametrize(
    ("attribute", "value"),
    [(VERSIONS, {"lionheart_opt": "0.1.0", "torch": "1.0"}), (NETWORK, None), (NETWORK, "damaged")],
)
def test_a_record_that_cannot_speak_for_the_network_does_not(study, traces, attribute, value):
    storage = StudyFile.load(study).storage
    [summary] = optuna.get_all_study_summaries(storage)
    optuna.load_study(study_name=summary.study_name, storage=storage).set_user_attr(
        attribute, value
    )
    assert [len(record) for _, record in read(study).records()] == [1]
    assert traces == ["mine:network"]

"""Studies made in Python or read from a file, and what is seen of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from front_door import made_up, outcome

import lionheart_opt as lo
from lionheart_opt.results.frames import COLUMNS
from lionheart_opt.studies import MOST_NAMED, compare_studies

OLD_RECORDS = Path(__file__).parent / "old_records"


@pytest.fixture(scope="module")
def problem() -> lo.Problem:
    return made_up()


def test_a_study_made_in_python(problem, tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    study = lo.Study.of(problem, ["random", "mac_greedy"], seeds=[0, 1], trials=4, storage=url)
    both = {"search": "str", "seed": "int64", **COLUMNS}
    assert study.to_frame().dtypes.astype(str).to_dict() == both
    results = study.run(only="random")
    assert [result.name for result in results] == ["random/seed0", "random/seed1"]
    assert [result.name for result in study.run()] == [
        *("random/seed0", "random/seed1", "mac_greedy/seed0", "mac_greedy/seed1"),
    ]
    frame = study.to_frame()
    assert frame.dtypes.astype(str).to_dict() == both
    assert len(frame) == sum(len(result) for result in study.results())
    assert set(frame["search"]) == {"random", "mac_greedy"}
    rows = study.compare().to_frame()
    assert list(rows["strategy"]) == ["random", "mac_greedy"] and list(rows["seeds"]) == [2, 2]
    again = lo.Study.of(problem, ["random", "mac_greedy"], seeds=[0, 1], trials=4, storage=url)
    assert [outcome(result) for result in again.results()] == [
        outcome(result) for result in study.results()
    ]


@pytest.fixture
def recorded(tmp_path) -> lo.Study:
    """A study file with its record, whose oracle is a table."""
    return lo.load(shutil.copytree(OLD_RECORDS / "journal", tmp_path / "journal"))


def test_a_study_file_in_python(tmp_path):
    for name in ("study.toml", "table.npz"):
        shutil.copy(OLD_RECORDS / "journal" / name, tmp_path)
    study = lo.load(tmp_path)
    assert study.name == tmp_path.name and len(study.searches) == 5
    [result] = study.run(only="mac_greedy")
    assert len(study.to_frame()) == len(result) and study.truth() is not None
    assert json.dumps(study.check()) and json.dumps(study.compare().to_json())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda problem: lo.Study.of(problem, ["random", "random"]),
            "two searches are called 'random/seed0'",
        ),
        (lambda problem: lo.Study.of(problem, []), "at least one search"),
        (
            lambda problem: lo.Study.of(problem, "random").compare(),
            "nothing recorded yet; run the study first",
        ),
        (
            lambda problem: lo.Study.of(problem, "random").run(only="x"),
            "unknown search 'x'; allowed: random",
        ),
        (lambda problem: lo.Study.of(problem, "random").plot(), "only a study with a study.toml"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(problem, call, message):
    with pytest.raises(lo.InputError, match=message) as error:
        call(problem)
    assert "\n" not in str(error.value)


def test_labels_beyond_the_first_are_counted(problem):
    searches = dict.fromkeys((f"run {number}" for number in range(MOST_NAMED + 2)), "random")
    text = repr(lo.Study.of(problem, searches, seeds=[0, 1], name="many"))
    assert text.startswith("Study('many': run 0 (2 seeds), run 1 (2 seeds), ")
    assert text.endswith(f"run {MOST_NAMED - 1} (2 seeds), and 2 more)")


def test_the_budget_is_100_trials_unless_seconds_are_given(problem):
    [usual] = lo.Study.of(problem, "random").searches
    assert (usual.budget.trials, usual.budget.oracle_s) == (100, None)
    [timed] = lo.Study.of(problem, "random", oracle_s=60.0).searches
    assert (timed.budget.trials, timed.budget.oracle_s) == (None, 60.0)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2"])
def test_a_bad_number_of_workers_is_refused_before_anything_runs(problem, workers):
    study = lo.Study.of(problem, "random", trials=1)
    with pytest.raises(lo.InputError, match=r"workers: got .*; must be a whole number from 1 to"):
        study.run(workers=workers)
    assert study.results() == []


def test_only_a_table_gives_the_truth(problem, recorded):
    assert lo.Study.of(problem, "random").truth() is None
    truth = recorded.truth()
    assert truth is not None
    assert len(truth) == len(recorded.file.oracle.mappings("full")) > 1


def test_a_study_file_without_a_record_says_how_to_start(tmp_path):
    for name in ("study.toml", "table.npz"):
        shutil.copy(OLD_RECORDS / "journal" / name, tmp_path)
    study = lo.load(tmp_path)
    assert study.results() == [] and len(study.to_frame()) == 0
    with pytest.raises(lo.InputError, match="nothing recorded yet; start with: lionheart-opt run"):
        study.recorded_results()


def test_a_table_and_an_export_lie_in_the_studys_folder(recorded, tmp_path):
    table = recorded.table(tmp_path / "new" / "made.npz")
    assert Path(table["file"]).exists() and table["rows"] >= 1
    written = recorded.export(0, "random/seed1")
    assert [path.name for path in written] == ["mapping.json", "report.json"]
    assert {path.parent for path in written} == {
        recorded.file.folder / "export" / "random-seed1-trial0"
    }


def test_runs_of_several_studies_are_of_one_folder_are_told_apart_by_their_paths(recorded):
    path = recorded.file.folder / "other.toml"  # beside it, so that it has the same table
    path.write_text(recorded.file.path.read_text())
    other = lo.load(path)
    alone = compare_studies([recorded]).to_json()["strategies"]
    assert [row["strategy"] for row in alone] == ["mac_greedy", "knapsack", "hilal", "random"]
    rows = compare_studies([recorded, other]).to_json()["strategies"]
    assert [row["strategy"] for row in rows if row["strategy"].endswith("hilal")] == [
        f"{recorded.file.path}: hilal",
        f"{path}: hilal",
    ]

"""Records of version 0.1.0 stay readable and resume; `old_records/README.md` says how they were made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from cli_setup import call, rows

import lionheart_opt as lo
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.study.answers import ANSWERS
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.specification import FORMAT
from lionheart_opt.study.storage import open_storage

OLD = Path(__file__).parent / "old_records"
STUDIES = {"journal": "study.log", "sqlite": "study.db"}
SEARCHES = ["mac_greedy/seed0", "knapsack/seed0", "hilal/seed0", "random/seed0", "random/seed1"]


@pytest.fixture(params=STUDIES)
def folder(request, tmp_path) -> Path:
    return copy_of(request.param, tmp_path)


@pytest.fixture
def journal(tmp_path) -> Path:
    return copy_of("journal", tmp_path)


def copy_of(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD / name, tmp_path / name))


def recorded(name: str, file: str) -> Any:
    """What was said; bounds of final checks are others today (all of the error in a single look)."""
    said = json.loads((OLD / name / f"{file}.json").read_text())
    if file in ("compare", "whole"):
        compared = said if file == "compare" else said["compare"]
        for row in compared["strategies"]:
            for threshold in row["thresholds"]:
                for check in threshold["checks"].values():
                    del check["accuracy"], check["drop"]["interval"]
    return said


def assert_agrees(now: Any, old: Any, where: str = "") -> None:
    """What the old record says is said now; there may be more. Floats may differ in their last digits."""
    if isinstance(old, dict):
        for key, value in old.items():
            assert key in now, f"{where}.{key} is gone"
            assert_agrees(now[key], value, f"{where}.{key}")
    elif isinstance(old, list):
        assert len(now) == len(old), where
        for k, (a, b) in enumerate(zip(now, old, strict=True)):
            assert_agrees(a, b, f"{where}[{k}]")
    elif isinstance(old, float):
        assert now == pytest.approx(old, rel=1e-9, abs=1e-15), where
    else:
        assert now == old, where


def test_agreement_is_checked_to_the_last_leaf():
    old = {"a": [{"b": 1.0, "c": "x"}]}
    assert_agrees({"a": [{"b": 1.0 + 1e-12, "c": "x", "new": 1}], "new": 2}, old)
    for other in ({"a": [{"b": 1.1, "c": "x"}]}, {"a": []}, {"a": [{"b": 1.0}]}):
        with pytest.raises(AssertionError):
            assert_agrees(other, old)


def test_reading_verbs_say_what_they_said_and_write_nothing(folder):
    record = folder / STUDIES[folder.name]
    before = record.read_bytes()
    assert_agrees(rows("show", folder), recorded(folder.name, "show"))
    assert_agrees(rows("compare", folder), recorded(folder.name, "compare"))
    assert rows("check", folder)["study"] == folder.name
    for verb in ("show", "compare"):
        assert call(verb, folder)[0] == 0
    assert record.read_bytes() == before
    figures = rows("plot", folder, "--out", folder / "figures")
    assert figures and all(Path(path).stat().st_size > 0 for path in figures)
    assert record.read_bytes() == before


def test_the_table_of_an_old_record(journal):
    before = (journal / "study.log").read_bytes()
    made = rows("table", journal, "--out", journal / "made.npz")
    table, whole = AccuracyTable.load(journal / "made.npz"), journal / "table.npz"
    assert made["rows"] == len(table.trainings) > 1 and table.baseline > 0
    assert set(table.mappings("full")) <= set(AccuracyTable.load(whole).mappings("full"))
    assert (journal / "study.log").read_bytes() == before


def test_an_export_of_an_old_record(journal):
    [mapping, report] = rows("export", journal, "--only", "random/seed0", "--trial", 2)
    old = recorded("journal", "trials")["random/seed0"]["trials"][2]
    assert json.loads(Path(mapping).read_text()) == old["mapping"]
    assert json.loads(Path(report).read_text())["latency_s"] == pytest.approx(old["latency_s"])


def test_every_trial_reads_back_as_it_was(folder):
    study = lo.load(folder)
    old = recorded(folder.name, "trials")
    results = {result.name: result for result in study.results()}
    names = [name for name in old if name in {plan.name for plan in study.searches}]
    assert list(results) == names and names
    for name, result in results.items():
        assert result.proposals == old[name]["proposals"]
        assert result.answers_s == pytest.approx(old[name]["knowledge_s"])
        assert result.oracle_s == pytest.approx(old[name]["oracle_s"])
        assert len(result) == len(old[name]["trials"]) > 0
        for evaluation, trial in zip(result.evaluations, old[name]["trials"], strict=True):
            assert evaluation.candidate.digest == trial["digest"]
            assert evaluation.candidate.to_json() == trial["lineage"]
            assert evaluation.mapping.to_json() == trial["mapping"]
            assert_agrees(evaluation.objectives, trial["objectives"])
            assert_agrees(evaluation.violations, trial["violations"])
            assert evaluation.oracle_s == pytest.approx(trial["oracle_s"])
            assert evaluation.cost.latency_s == pytest.approx(trial["latency_s"])
            assert evaluation.cost.energy_j == pytest.approx(trial["energy_j"])
            assert evaluation.accuracy is not None
            assert len(evaluation.accuracy.samples) == trial["draws"]
    assert len(study.to_frame()) == sum(map(len, results.values()))


def n_trials(url: str, folder: Path) -> dict[str, int]:
    storage = open_storage(url, folder)
    return {
        summary.study_name: summary.n_trials
        for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)
    }


def test_an_old_profile_is_read_without_new_trials(tmp_path):
    folder = copy_of("sqlite", tmp_path)
    before = n_trials("sqlite:///study.db", folder)
    assert_agrees(rows("profile", folder, "--pairs"), recorded("sqlite", "profile"))
    assert n_trials("sqlite:///study.db", folder) == before
    assert not (folder / "artifacts").exists(), "nothing was trained"


def test_interrupted_searches_resume_to_what_an_uninterrupted_run_gave(journal):
    # knapsack was stopped by a smaller budget, random/seed1 was killed while it evaluated a candidate
    before = {row["strategy"] + str(row["seed"]): row["trials"] for row in rows("show", journal)}
    assert before["knapsack0"] == 10 and before["random1"] == 5
    code, _, err = call("run", journal)
    assert code == 0, err
    whole = recorded("journal", "whole")
    assert_agrees(rows("show", journal), whole["show"])
    assert_agrees(rows("compare", journal), whole["compare"])
    storage = open_storage("journal:///study.log", journal)
    killed = optuna.load_study(study_name="random/seed1", storage=storage)
    states = [trial.state.name for trial in killed.trials]
    assert states.count("COMPLETE") == 12 and states.count("RUNNING") == 1
    assert killed.user_attrs.get("format", 1) == 1, "it stays a record of its format"
    record = (journal / "study.log").read_bytes()
    assert call("run", journal)[0] == 0 and rows("show", journal)[1]["trials"] == 12
    assert len((journal / "study.log").read_bytes()) - len(record) < 20_000, "only drivers' signs"


def test_answers_of_both_formats_are_read(journal):
    """Format 1 keeps question and answer side by side, format 2 apart; both under `knowledge/`."""
    file = StudyFile.load(journal)
    [hilal] = [plan for plan in file.plans() if plan.label == "hilal"]
    keeper = OptunaKeeper.existing("hilal/seed0", file.storage, file.specification(hilal))
    assert keeper is not None
    old = {name: said for name, said in keeper.study.user_attrs.items() if name.startswith(ANSWERS)}
    assert len(old) == 1, "it asked for proxies"
    [(name, said)] = old.items()
    assert "answer" not in said
    answers_s = keeper.answers_s
    keeper.study.set_user_attr(
        name,
        {
            "question": said["question"],
            "asked": {},
            "answer": {k: said[k] for k in ("values", "oracle_s")},
        },
    )
    assert keeper.answers_s == answers_s
    assert call("run", journal, "--only", "hilal")[0] == 0
    assert_agrees(rows("show", journal)[2], recorded("journal", "whole")["show"][2])


@pytest.mark.parametrize("verb", ["show", "compare", "plot", "run", "table"])
def test_a_record_of_a_newer_format_is_refused_in_one_line(journal, verb):
    storage = open_storage("journal:///study.log", journal)
    study = optuna.load_study(study_name="knapsack/seed0", storage=storage)
    study.set_user_attr("format", FORMAT + 1)
    before = (journal / "study.log").read_bytes()
    code, _, err = call(verb, journal, *(["--only", "knapsack"] if verb == "run" else []))
    assert code == 2 and "install a newer lionheart_opt" in err
    assert [line.startswith("error: ") for line in err.strip().splitlines()] == [True]
    assert (journal / "study.log").read_bytes() == before


def test_new_records_say_their_format(tmp_path):
    shutil.copytree(OLD / "journal", tmp_path, dirs_exist_ok=True)
    (tmp_path / "study.log").unlink()
    assert call("run", tmp_path, "--only", "random")[0] == 0
    storage = open_storage("journal:///study.log", tmp_path)
    study = optuna.load_study(study_name=f"{tmp_path.name}/random/seed0", storage=storage)
    assert study.user_attrs["format"] == FORMAT
    assert [f"{tmp_path.name}/{name}" for name in SEARCHES[3:]] == optuna.get_all_study_names(
        storage
    )


def test_a_record_with_trainings_of_old_is_not_resumed(tmp_path):
    """Its lineages saw the same batches in every training: going on would mix two oracles."""
    folder = copy_of("sqlite", tmp_path)
    before = n_trials("sqlite:///study.db", folder)
    code, out, err = call("run", folder)
    assert (code, out) == (2, "") and len(err.strip().splitlines()) == 1
    assert "saw the same batches" in err and "show, compare and plot still read it" in err
    assert n_trials("sqlite:///study.db", folder) == before


def test_an_old_limit_is_not_read_as_one_of_the_population(journal):
    """Limits were about the given examples: without saying so, nothing is judged anew in silence."""
    file = journal / "study.toml"
    text = "".join(
        line for line in file.read_text().splitlines(keepends=True) if not line.startswith("over")
    )
    file.write_text(text)
    for verb in ("show", "run", "compare"):
        code, _, err = call(verb, journal)
        assert code == 2 and 'over = "examples"' in err and "Traceback" not in err

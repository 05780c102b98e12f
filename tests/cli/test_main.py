"""Every verb, really run on a tiny study of one's own network and data."""

import hashlib
import io
import json
import shutil
import signal
import time

import own_plugins
import pytest
import torch
from cli_setup import STUDY, call, in_a_process, make_study, rows
from own_plugins import network

from lionheart_opt.cli import main
from lionheart_opt.estimates import ends_of
from lionheart_opt.results import live

CALIBRATED = """
question = "What does calibration take?"
system = "lionheart"
training = "none"
model = { name = "digits_cnn" }
data = { name = "digits" }
[oracle]
times_s = [86400.0]
validation_examples = 20
pretrain = { epochs = 1 }
compensation = "columns"
calibration = { examples = 16 }
[limits]
max_drop = 0.9
draws = [2]
[budget]
trials = 1
[[run]]
strategy = "fixed"
arguments = { mapping = "all-analog" }
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A study that has been run."""
    folder = make_study(tmp_path_factory.mktemp("studies") / "tiny")
    assert call("run", folder)[0] == 0
    return folder


def test_check_prints_the_plan_and_writes_nothing(tmp_path):
    folder = make_study(tmp_path / "fresh")
    plan = rows("check", folder)
    assert [row["mapping"] for row in plan["extremes"]] == ["all-digital", "all-analog"]
    for row in plan["extremes"]:
        for name in ("latency_s", "energy_j", "interval_s"):
            low, high = ends_of(name)
            assert row[low] < row[name] < row[high]
        assert row["speedup_low"] <= row["speedup"] <= row["speedup_high"]
    assert [row["strategy"] for row in plan["searches"]] == ["mac_greedy", "tpe", "tpe", "own"]
    assert plan["mappings"] == 4
    assert call("check", folder)[0] == 0
    assert [path.name for path in folder.iterdir()] == ["study.toml"]


def test_show_after_run(recorded):
    shown = rows("show", recorded)
    assert [(row["strategy"], row["seed"]) for row in shown] == [
        ("mac_greedy", 0),
        ("tpe", 0),
        ("tpe", 1),
        ("own", 0),
    ]
    for row in shown:
        assert row["trials"] <= 3 and row["oracle_seconds"] > 0
        assert row["feasible"] and set(row["mapping"]) == {"1", "3"}
    assert call("show", recorded)[0] == 0


#: The tiny study where the host computes in int8, so that all-digital is measured, and tested, too.
ON_INT8 = STUDY[: STUDY.rindex("[[run]]")].replace('"lionheart"', '"imc-cluster"')


def test_what_test_data_say_is_shown_and_compared(tmp_path):
    folder = make_study(tmp_path / "int8", ON_INT8)
    code, out, _ = call("run", folder, "--only", "mac_greedy")
    assert code == 0 and "measured once more" in out and "verified" in out
    [row] = rows("show", folder)
    assert row["verdict"] == "verified" and row["verified_high"] < 0.9
    assert row["test_drop"] is not None
    [row] = rows("compare", folder)["strategies"]
    assert "test" in row["drop_in_checks"] and row["seeds_verified"] == 1
    code, out, _ = call("compare", folder)
    assert code == 0 and "1 of 1" in out and "verified" in out


def test_a_study_with_calibrated_chips_says_what_a_calibration_takes(tmp_path, recorded):
    folder = make_study(tmp_path / "calibrated", CALIBRATED)
    [row] = rows("run", folder, "--no-checks")
    assert row["feasible"]
    calibration = row["calibration"]
    assert calibration["passes"] == 16 and calibration["latency_s"] > 0
    assert row["latency_s"] == calibration["inference_s"]
    assert "One calibration of the best mapping" in call("show", folder)[1]
    assert not any("calibration" in row for row in rows("show", recorded))


def test_running_again_changes_nothing(recorded):
    before = rows("show", recorded)
    assert call("run", recorded)[0] == 0
    assert rows("show", recorded) == before


def test_compare_puts_strategies_side_by_side(recorded, tmp_path):
    compared = rows("compare", recorded)
    strategies = compared["strategies"]
    assert [row["strategy"] for row in strategies] == ["mac_greedy", "tpe", "own"]
    assert [row["seeds"] for row in strategies] == [1, 2, 1]
    assert all(row["repeats"] is not None for row in strategies)
    assert compared["ground_truth"] is None and compared["random"] is None
    assert rows("compare", recorded, recorded) == compared, "the same study counts once"
    copy = tmp_path / "again"
    shutil.copytree(recorded, copy)
    both = rows("compare", recorded, copy)
    assert [row["strategy"] for row in both["strategies"]][::3] == [
        "tiny: mac_greedy",
        "again: mac_greedy",
    ]
    code, out, _ = call("compare", recorded)
    assert code == 0 and max(map(len, out.splitlines())) <= 120


def test_compare_refuses_studies_that_answer_different_questions(recorded, tmp_path):
    other = make_study(tmp_path / "other", STUDY.replace("max_drop = 0.9", "max_drop = 0.5"))
    code, out, err = call("compare", recorded, other)
    assert (code, out) == (2, "")
    assert "different questions" in err and "max_drop: tiny 0.9, other 0.5" in err
    assert len(err.strip().splitlines()) == 1


def test_plot_writes_figures(recorded, tmp_path):
    assert call("plot", recorded, "--out", tmp_path)[0] == 0
    assert len(list(tmp_path.glob("*.pdf"))) == 8 == len(list(tmp_path.glob("*.png")))


def test_checks_can_be_left_to_a_later_run(tmp_path):
    folder = make_study(tmp_path / "s", ON_INT8)

    def checked():
        [row] = json.loads(call("compare", folder, "--json")[1])["strategies"]
        return row["trials"], row["drop_in_checks"]

    assert call("run", folder, "--only", "tpe", "--no-checks")[0] == 0
    trials, checks = checked()
    assert not checks
    assert call("run", folder, "--only", "tpe")[0] == 0
    assert checked()[0] == trials and checked()[1]


@pytest.mark.parametrize(("quiet_s", "said"), [(0.0, True), (3600.0, False)])
def test_a_log_says_how_far_long_trainings_are(tmp_path, monkeypatch, quiet_s, said):
    monkeypatch.setattr(live, "QUIET_S", quiet_s)
    folder = make_study(tmp_path / "logged", STUDY.replace("trials = 3", "trials = 1"))
    code, _, errors = call("run", folder)
    assert code == 0
    assert ("mac_greedy/seed0: pretraining: epoch 4/4, loss" in errors) == said


def test_export_gives_mapping_weights_and_report(recorded, tmp_path):
    code, _, err = call("export", recorded, "--only", "own/seed0", "--trial", 0, "--out", tmp_path)
    assert code == 0, err
    mapping = json.loads((tmp_path / "mapping.json").read_text())
    assert set(mapping) == {"1", "3"} and "tile" in mapping.values()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["accuracy"]["samples"] and report["search"] == "own/seed0"
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    network().load_state_dict(weights)


def test_export_asks_which_search_and_what_trial(recorded, tmp_path):
    code, _, err = call("export", recorded, "--trial", 0)
    assert code == 2 and "--only is missing; one of: mac_greedy/seed0, tpe/seed0" in err
    code, _, err = call("export", recorded, "--only", "own/seed1", "--trial", 0)
    assert code == 2 and "--only: unknown search 'own/seed1' (did you mean 'own/seed0'" in err
    code, _, err = call("export", recorded, "--only", "own/seed0", "--trial", 9)
    assert code == 2 and "trial: got 9; finished trials: 0" in err
    code, _, err = call("export", make_study(tmp_path / "new"), "--trial", 0)
    assert code == 2 and "nothing recorded yet; start with: lionheart-opt run" in err


def test_export_best_says_which_and_warns_of_what_is_infeasible(recorded, tmp_path):
    code, _, err = call("export", recorded, "--best", "--only", "own/seed0", "--out", tmp_path)
    assert code == 0 and "exported " in err and " of own/seed0\n" in err
    report = json.loads((tmp_path / "report.json").read_text())
    [own] = [row for row in rows("show", recorded) if row["strategy"] == "own"]
    assert report["trial"] == own["trial"] and report["speedup"] == own["speedup"]
    for options in ((), ("--best", "--trial", 0)):
        code, _, err = call("export", recorded, *options)
        assert code == 2 and err == "error: export: give either --trial N or --best\n"
    strict = tmp_path / "strict"
    text = STUDY.replace("max_drop = 0.9", "max_drop = 0.0").replace("trials = 3", "trials = 1")
    assert call("run", make_study(strict, text), "--no-checks")[0] == 0
    for row in rows("show", strict):
        if row["trial"] is None:
            name = f"{row['strategy']}/seed{row['seed']}"
            assert row["outcome"] == "nothing beats all-digital" and row["speedup"] == 1.0
            code, _, err = call("export", strict, "--only", name, "--trial", 0)
            assert code == 0 and f"warning: {name}: trial 0 is not feasible: it breaks drop" in err


def test_optunas_tools_open_the_record(recorded):
    import optuna

    url = f"sqlite:///{recorded / 'study.db'}"
    study = optuna.load_study(study_name=f"{recorded.name}/tpe/seed0", storage=url)
    assert set(study.trials[0].params) == {"1", "3"}
    store, kept = optuna.artifacts.FileSystemArtifactStore(recorded / "artifacts"), set()
    for trial in study.trials:
        for about in optuna.artifacts.get_all_artifact_meta(trial, storage=study._storage):
            content = store.open_reader(about.artifact_id).read()
            assert hashlib.sha256(content).hexdigest() == about.artifact_id
            kept.add(about.filename)
            if about.filename == "weights.pt":
                loaded = torch.load(io.BytesIO(content), weights_only=True)["weights"]
                own_plugins.network().load_state_dict(loaded)
    assert kept == {"examples.npz", "weights.pt"}
    assert optuna.visualization.matplotlib.plot_optimization_history(study) is not None


def test_ctrl_c_loses_nothing_and_says_how_to_resume(recorded, tmp_path):
    text = STUDY.replace("[oracle]", '[oracle]\nkind = "own_plugins:Patient"', 1)
    folder = make_study(tmp_path / "stopped", text)
    process = in_a_process("run", folder)
    deadline = time.monotonic() + 120
    while not list(folder.glob("artifacts/*.pt")):  # in the middle of training something
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"Resume: lionheart-opt run {folder}" in err and "Traceback" not in err
    assert call("run", folder)[0] == 0
    resumed, whole = rows("show", folder), rows("show", recorded)
    for row in (*resumed, *whole):
        for key in ("oracle_seconds", "test_drop", "verdict", "candidate_trial", "verified_high"):
            del row[key]  # the patient oracle has no final checks
    assert resumed == whole


WRONG = {
    "unknown key": ("[limits]", "[limits]\nmax_dorp = 1", ["max_dorp", "max_drop"]),
    "unknown table": ("[budget]", "[bugdet]", ["bugdet", "budget"]),
    "unknown strategy": ('"mac_greedy"', '"mac_gredy"', ["mac_gredy", "mac_greedy"]),
    "unknown system": ('"lionheart"', '"lionhart"', ["lionhart", "lionheart"]),
    "unknown oracle": ("[oracle]", '[oracle]\nkind = "hatt"', ["hatt", "hat"]),
    "unknown engine": ("[oracle]", '[oracle]\nengine = "slow"', ["slow", "fast"]),
    "unknown oracle setting": ("[oracle.hat]", "[oracle.hat]\nepocs = 2", ["epocs", "epochs"]),
    "no such module": ("own_plugins:network", "no_such:network", ["no_such"]),
    "no such factory": ("own_plugins:network", "own_plugins:netwrok", ["netwrok", "network"]),
    "wrong type": ("trials = 3", 'trials = "three"', ["budget.trials", "three", "integer"]),
    "a wrong unit": ("max_drop = 0.9", "max_drop = 30", ["max_drop", "30"]),
    "below zero": ("max_drop = 0.9", "max_drop = -0.1", ["max_drop", "-0.1"]),
    "time not measured": ("[limits]", "[limits]\ntime_s = 7.0", ["time_s", "7"]),
    "unknown objective": ("[model]", 'objectives = ["speed"]\n[model]'.replace("[model]", "")
                          + "[model]", ["objectives", "speed", "latency_s"]),
    "unknown unit": ("[budget]", '[units]\nhead = ["3", "9"]\n[budget]', ["9"]),
    "unknown argument": ('label = "tpe"', 'label = "tpe"\narguments = { samplr = 1 }', ["samplr"]),
    "argument of the wrong type": (
        'label = "tpe"', 'label = "tpe"\narguments = { profile = "oneshot" }', ["profile", "one_shot"]
    ),
    "same label": ('label = "tpe"', 'label = "mac_greedy"', ["mac_greedy", "label"]),
    "missing weights": ("input_shape", 'weights = "no.pt"\ninput_shape', ["no.pt"]),
    "a database that is none": ("[model]", 'storage = "sqlite:///study.toml"\n[model]', ["study.toml"]),
    "a target that cannot run a unit": (
        '"own_plugins:LargestOnly"',
        '"fixed"\narguments = { mapping = { "1" = "gpu" } }',
        ["gpu", "tile"],
    ),
    "not TOML": ("[limits]", "[limits", ["TOML"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_clear_line_and_changes_nothing(case, tmp_path):
    old, new, named = WRONG[case]
    assert old in STUDY
    folder = make_study(tmp_path / "bad", STUDY.replace(old, new, 1))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, out, err = call("run", folder)
    assert (code, out) == (2, ""), err
    assert err.startswith("error: ") and len(err.strip().splitlines()) == 1
    for name in named:
        assert name in err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_what_no_tile_can_hold_is_said_and_can_be_kept_on_the_host(tmp_path):
    text = STUDY.replace("own_plugins:network", "unfit_plugins:Odd")
    units = ["odd_a", "odd_b"]
    code, _, err = call("check", make_study(tmp_path / "odd", text))
    assert code == 2 and f"digital = {json.dumps(units)}" in err
    pinned = text.replace("[model]", f"digital = {json.dumps(units)}\n[model]", 1)
    pinned = pinned.replace("trials = 3", "trials = 1").replace("max_drop = 0.9", "max_drop = 1.0")
    folder = make_study(tmp_path / "pinned", pinned)
    assert call("run", folder, "--only", "mac_greedy")[0] == 0
    [row] = rows("show", folder)
    assert row["mapping"]["odd_a"] == "core" and row["trials"] == 1


def test_a_study_changed_since_its_record_is_refused(recorded, tmp_path):
    folder = tmp_path / recorded.name
    shutil.copytree(recorded, folder)
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(text.replace("max_drop = 0.9", "max_drop = 0.2"))
    database = (folder / "study.db").read_bytes()
    for verb in ("run", "show"):
        code, _, err = call(verb, folder)
        assert code == 2 and "max_drop: recorded 0.9, now 0.2" in err
    assert (folder / "study.db").read_bytes() == database
    (folder / "study.toml").write_text(text.replace("trials = 3", "trials = 4"))
    assert call("show", folder)[0] == 0, "a larger budget is no other question"


def test_show_before_run_says_what_to_do_and_creates_nothing(tmp_path):
    folder = make_study(tmp_path / "new")
    code, _, err = call("show", folder)
    assert code == 2 and "lionheart-opt run" in err
    assert [path.name for path in folder.iterdir()] == ["study.toml"]


def test_every_verb_has_help_with_an_example():
    for command in main.app.registered_commands:
        text = command.callback.__doc__ or ""
        assert "Example: `lionheart-opt" in text


def test_a_replaced_weights_file_is_refused_on_resume(tmp_path):
    """The name is the same, the network is another one."""
    text = STUDY.replace("[data]", 'weights = "w.pt"\n[data]', 1).replace(
        "trials = 3", "trials = 1"
    )
    folder = make_study(tmp_path / "weighted", text)
    torch.manual_seed(0)
    torch.save(own_plugins.network().state_dict(), folder / "w.pt")
    arguments = ("run", folder, "--only", "tpe", "--no-checks")
    assert call(*arguments)[0] == 0
    assert call(*arguments)[0] == 0, "unchanged, it resumes"
    torch.save(own_plugins.network().state_dict(), folder / "w.pt")
    code, out, err = call(*arguments)
    assert (code, out) == (2, "") and "another network, data or hardware: weights:" in err
    assert call("show", folder)[0] == 0, "reading needs no weights"

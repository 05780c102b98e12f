"""What verbs share: studies to load, files that they name, and how Ctrl-C ends them."""

import gc
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from lionheart_opt.cli.inputs import (
    LARGE_THRESHOLDS,
    load_study,
    print_json,
    read_study,
    resumable,
    say_written,
    undocumented_matplotlib,
    usual_workers,
)
from lionheart_opt.errors import InputError

OLD = Path(__file__).parents[1] / "old_records" / "journal"


def test_a_study_is_a_folder_or_its_file():
    assert load_study(OLD).name == load_study(OLD / "study.toml").name == "journal"
    with pytest.raises(InputError, match="nosuch"):
        load_study(Path("nosuch"))


def test_loading_a_study_quietens_optuna():
    import optuna

    optuna.logging.set_verbosity(optuna.logging.INFO)
    load_study(OLD)
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING


def test_only_the_command_line_leaves_documentation_of_matplotlib_out():
    from matplotlib import artist
    from matplotlib.lines import Line2D

    with undocumented_matplotlib():
        without = type("Line", (Line2D,), {})
    usual = type("Line", (Line2D,), {})
    assert "dash_capstyle" not in without.set.__doc__ and "dash_capstyle" in usual.set.__doc__
    with pytest.raises(KeyError), undocumented_matplotlib():
        raise KeyError
    assert "dash_capstyle" in artist.kwdoc(Line2D)


def test_verbs_that_read_look_for_garbage_seldom():
    before = gc.get_threshold()
    try:
        assert read_study(OLD).name == "journal"
        assert gc.get_threshold()[0] == LARGE_THRESHOLDS[0]
    finally:
        gc.set_threshold(*before)


def test_ctrl_c_says_how_to_go_on(capsys, monkeypatch):
    """The same command, as a shell takes it."""
    monkeypatch.setattr("sys.argv", ["x", "run", "my study", "--only", "a*", "--workers", "2"])
    with pytest.raises(typer.Exit) as end, resumable():
        raise KeyboardInterrupt
    assert end.value.exit_code == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        err
        == "\nStopped; nothing is lost. Resume: lionheart-opt run 'my study' --only 'a*' --workers 2\n"
    )


def test_other_errors_pass_through(capsys):
    with pytest.raises(ZeroDivisionError), resumable():
        _ = 1 / 0
    with resumable():
        pass
    assert capsys.readouterr() == ("", "")


def test_json_is_indented_plain_data(capsys):
    print_json({"a": [1, None]})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": [1, None]} and out.startswith('{\n  "a": [')


def test_files_are_named_on_standard_error_or_as_json(capsys):
    paths = [Path("figures/a.pdf"), Path("figures/a.png")]
    say_written(paths)
    assert capsys.readouterr() == ("", "wrote figures/a.pdf\nwrote figures/a.png\n")
    say_written(paths, as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == ["figures/a.pdf", "figures/a.png"] and err == ""
    say_written([])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("oracle", "scheduler", "count"),
    [
        ({}, None, 8),
        ({"threads": 4}, None, 2),
        ({"threads": 3}, None, 2),
        ({"threads": 16}, None, 1),
        ({"threads": "many"}, None, 8),  # which is refused when the oracle is built
        ({}, "tcp://host:8786", 1),
        ({"kind": "table"}, None, 1),
    ],
)
def test_a_run_uses_each_core_once_where_workers_help(oracle, scheduler, count, monkeypatch):
    monkeypatch.setattr("loky.cpu_count", lambda: 8)
    is_on_a_table, table = oracle.get("kind") == "table", SimpleNamespace(oracle=oracle)
    study = SimpleNamespace(file=SimpleNamespace(is_on_a_table=is_on_a_table, table=table))
    assert usual_workers(study, scheduler) == count


@pytest.mark.parametrize(
    ("oracle", "count"),
    [({}, 1), ({"device": "cuda"}, 1), ({"device": "cpu"}, 8), ({"kind": "a:b"}, 8)],
)
def test_processes_do_not_share_a_gpu_unasked(oracle, count, monkeypatch):
    monkeypatch.setattr("loky.cpu_count", lambda: 8)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    table = SimpleNamespace(oracle=oracle)
    study = SimpleNamespace(file=SimpleNamespace(is_on_a_table=False, table=table))
    assert usual_workers(study, None) == count

"""`diagnose`: what a person sees at 80 columns, JSON, figures, and what is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_setup import STUDY, call, make_study, rows

from lionheart_opt.cli.analyses import print_diagnosis
from lionheart_opt.diagnosis import SOURCES, Diagnosis, MatrixDiagnosis
from lionheart_opt.results import wording


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with one search of one trial: all units analog, without training."""
    text = STUDY.partition("[[run]]")[0].replace(
        'system = "lionheart"', 'system = "lionheart"\ntraining = "none"'
    )
    text += '[[run]]\nstrategy = "fixed"\nlabel = "all"\narguments = { mapping = "all-analog" }\n'
    folder = make_study(tmp_path_factory.mktemp("diagnosed") / "study", text)
    code, _, err = call("run", folder, "--no-checks")
    assert code == 0, err
    return folder


def test_json_has_every_analog_matrix(study: Path, tmp_path: Path) -> None:
    before = (study / "study.db").read_bytes()
    data = rows("diagnose", study, "--trial", 0, "--draws", 2, "--out", tmp_path)
    assert (data["study"], data["subject"]) == ("study", "all/seed0: trial 0")
    assert (data["draws"], data["time_s"]) == (2, 86_400.0)
    assert {"programming", "all"} <= data["matrices"][0]["snr_db"].keys()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["diagnosis.pdf", "diagnosis.png"]
    assert (study / "study.db").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trial", 5), "error: all/seed0: trial: got 5; finished trials: 0"),
        (("--only", "al/seed0"), "did you mean 'all/seed0'?"),
        (("--time", "1 moon"), "error: time: got '1 moon'"),
        (("--draws", 0), "error: draws: got 0"),
    ],
)
def test_what_cannot_be_is_one_line(study: Path, options: tuple[Any, ...], message: str) -> None:
    code, out, err = call("diagnose", study, *options)
    assert code == 2 and out == "" and message in err and err.count("\n") == 1


def long_diagnosis() -> Diagnosis:
    errors = {source: np.array([0.01]) for source in SOURCES}
    one = MatrixDiagnosis(
        matrix="encoder.layer.0.attention.self.query",
        unit="query",
        tiles=12,
        signal=np.array([1.0]),
        errors={**errors, "drift": np.array([0.1]), "read": np.array([0.0])},
        out_of_range=1.0,
        retries=1.25,
        saturated=0.5,
        clipped_weights=0.125,
    )
    return Diagnosis(
        matrices=(one, replace(one, signal=np.zeros(1), errors={"all": np.ones(1)})),
        time_s=86_400.0,
        n_draws=1,
        n_examples=10,
        note="something cannot be told apart",
        subject="mac_greedy/seed0: trial 3",
    )


def test_tables_fit_80_columns(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "PIPE_WIDTH", 80)
    print_diagnosis(long_diagnosis())
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "10.0*" in out and ">100" in out and "none" in out and "100.0 %" in out
    assert "Note: something cannot be told apart." in out
    assert "…" not in out and json.dumps("1.25")[1:-1] in out

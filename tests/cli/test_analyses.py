"""`diagnose` and `lifetime`: tables at 80 columns, JSON, figures, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_setup import STUDY, call, make_study, rows

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.aging.lifetimes import Until, lifetime_of
from lionheart_opt.aging.recalibration import Recalibration, TriedInterval
from lionheart_opt.cli.analyses import (
    print_diagnosis,
    print_lifetime,
    print_recalibration,
    said,
)
from lionheart_opt.diagnosis import SOURCES, Diagnosis, MatrixDiagnosis
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.metric import ACCURACY
from lionheart_opt.results import wording
from lionheart_opt.statistics.bounds import Bounds


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


def test_a_lifetime_is_printed_and_written(study: Path, tmp_path: Path) -> None:
    before = (study / "study.db").read_bytes()
    options = ("--trial", 0, "--times", "1 s, 1 month", "--draws", 2, "--out", tmp_path)
    data = rows("lifetime", study, *options)
    assert (data["study"], data["times_s"], data["data"]) == ("study", [1.0, 2_592_000.0], "test")
    assert data["refresh_s"] == data["limit"]["kept_s"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lifetime.pdf", "lifetime.png"]
    assert (study / "study.db").read_bytes() == before
    code, out, _ = call("lifetime", study, "--trial", 0, "--out", tmp_path)
    assert code == 0 and "validation data; the mapping may have been chosen" in out
    options = ("--trial", 0, "--draws", 2, "--out", tmp_path, "--intervals", "auto")
    code, out, _ = call("lifetime", study, *options)
    assert code == 0 and "Chips are not calibrated here" in out
    code, out, err = call("lifetime", study, "--intervals", "1 h, soon")
    assert code == 2 and "got ' soon'" in err
    code, out, err = call("lifetime", study, "--times", "1 s, soon")
    assert code == 2 and err == f"error: {err[7:].strip()}\n" and "got ' soon'" in err


@pytest.mark.parametrize(
    ("until", "text"),
    [
        (Until(kept_s=None, broken_s=None, estimate_s=None), "not shown to hold at any time"),
        (
            Until(kept_s=86_400.0, broken_s=None, estimate_s=None),
            "shown to hold until 1 day, the last time",
        ),
        (
            Until(kept_s=3600.0, broken_s=86_400.0, estimate_s=7200.0),
            "shown to hold until 1 hour, shown to be broken from 1 day on; estimate, without "
            "confidence: about 2 h",
        ),
        (
            Until(kept_s=1.0, broken_s=None, estimate_s=40_000_000.0),
            "shown to hold until 1 s; estimate, without confidence: about 1.3 years",
        ),
    ],
)
def test_what_is_shown_is_said_in_words(until: Until, text: str) -> None:
    assert said(until, 86_400.0) == text


def test_a_lifetime_fits_80_columns(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "PIPE_WIDTH", 80)
    samples = 0.9 - np.array([0.0, 0.05]) + 0.001 * np.linspace(-1, 1, 10)[:, None]
    measured = lifetime_of(
        Accuracy(samples=samples, times_s=(1.0, 86_400.0), baseline=0.9),
        AccuracyLimit(max_drop=0.01, time_s=1.0, draws=(10,), over="examples"),
        share=0.5,
        data="test",
        is_final=True,
    )
    print_lifetime(measured)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    assert "The limit of 1 point: shown to hold until 1 s, shown to be broken from 1 day on" in text
    assert "The limit on 50 % of the chips: shown to hold until 1 s" in text
    assert "Reprogramming at least every 1 s keeps the limit." in text


def test_intervals_fit_80_columns(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "PIPE_WIDTH", 80)
    tried = [
        TriedInterval(
            interval_s=interval_s,
            times_s=(interval_s,),
            drop=Bounds(estimate=drop, low=0.0, high=drop + 0.002),
            holds=drop < 0.02,
        )
        for interval_s, drop in ((3600.0, 0.01), (86_400.0, 0.02))
    ]
    asked_s, year = (3600.0, 86_400.0, 604_800.0), 31_536_000.0
    print_recalibration(
        Recalibration(intervals=tuple(tried), asked_s=asked_s, until_s=year), ACCURACY
    )
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    assert "Tried: 2 of 3 intervals" in text
    assert "Calibrating at least every 1 hour keeps the limit until 365 days." in text
    print_recalibration(
        Recalibration(intervals=tuple(tried[1:]), asked_s=asked_s, until_s=year), ACCURACY
    )
    assert "No interval of calibration is shown to keep the limit." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("compensation", "text"),
    [
        ("none", ""),
        ("columns", "Gain and offset of every output are calibrated"),
        ("batch_norm", "whose batch norm is calibrated"),
    ],
)
def test_calibration_is_said(compensation: str, text: str, capsys: Any) -> None:
    diagnosis = Diagnosis(
        matrices=(), time_s=1.0, n_draws=1, n_examples=2, compensation=compensation
    )
    print_diagnosis(diagnosis)
    out = capsys.readouterr().out
    assert text in out and ("calibrated" in out) == (compensation != "none")

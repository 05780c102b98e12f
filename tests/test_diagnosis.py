"""What a diagnosis says: ratios in decibels, what limits a matrix, plain data and a frame."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import numpy as np
import pytest

from lionheart_opt.diagnosis import Diagnosis, MatrixDiagnosis, decibels
from lionheart_opt.results.wording import json_text


def matrix(**errors: Any) -> MatrixDiagnosis:
    """A signal of power 10 on two chips."""
    return MatrixDiagnosis(
        matrix="fc",
        unit="fc",
        tiles=2,
        signal=np.array([10.0, 10.0]),
        errors={name: np.array(values, float) for name, values in errors.items()},
        out_of_range=0.1,
        retries=0.5,
        saturated=0.0,
        clipped_weights=0.2,
    )


def test_a_ratio_is_of_mean_powers_and_its_deviation_over_chips() -> None:
    noisy = matrix(drift=[0.01, 1.0])
    assert noisy.snr_db("drift") == pytest.approx(10 * np.log10(10 / 0.505))
    assert noisy.snr_deviation("drift") == pytest.approx(np.std([30, 10], ddof=1))


def test_what_a_chip_does_not_have_has_no_ratio() -> None:
    assert matrix(all=[1, 1]).snr_db("drift") is None
    assert matrix(all=[1, 1]).snr_deviation("drift") is None


def test_ratios_without_error_or_signal_are_infinite_and_null_in_json() -> None:
    silent = matrix(drift=[0, 0], read=[0, 1])
    assert silent.snr_db("drift") == inf and silent.snr_deviation("drift") is None
    assert silent.snr_db("read") == pytest.approx(10 * np.log10(20))
    assert silent.snr_deviation("read") is None
    assert decibels(0.0, 1.0) == decibels(0.0, 0.0) == -inf
    assert json.loads(json_text(silent.to_json()))["snr_db"]["drift"] is None


def test_the_largest_single_error_limits() -> None:
    assert matrix(all=[9, 9], devices=[5, 5], drift=[1, 1], read=[2, 3]).limited_by == "read"
    assert matrix(all=[9, 9], converters=[1, 1], devices=[2, 2]).limited_by == "devices"
    assert matrix(all=[9, 9], stuck=[1, 1], devices=[2, 2]).limited_by == "devices"
    assert matrix(all=[9, 9]).limited_by == ""


def test_frames_have_a_column_for_every_source_of_some_matrix() -> None:
    whole = Diagnosis(
        matrices=(matrix(all=[1, 1], read=[1, 1]), matrix(all=[1, 2])),
        time_s=86_400.0,
        n_draws=2,
        n_examples=10,
        subject="greedy/seed0: trial 1",
    )
    assert whole.sources == ("read", "all")
    frame = whole.to_frame()
    assert frame["snr_db_read"].tolist() == pytest.approx([10.0, np.nan], nan_ok=True)
    assert frame["snr_db_all"].dtype == frame["snr_db_read"].dtype == float
    assert frame["limited_by"].tolist() == ["read", ""]
    assert json.loads(json_text(whole.to_json()))["matrices"][1]["retries"] == 0.5
    assert "8.2 dB" in repr(whole) and "greedy/seed0: trial 1" in repr(whole)
    assert whole._repr_html_().startswith("<p>Diagnosis(")

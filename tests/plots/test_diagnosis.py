"""The figure of what limits layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from figure_checks import check_figure, shown_text

from lionheart_opt.diagnosis import SOURCES, Diagnosis, MatrixDiagnosis
from lionheart_opt.plots import diagnosis
from lionheart_opt.plots.diagnosis import draw_diagnosis, snr_info


def made_up(count: int, name: str = "layer{}") -> Diagnosis:
    """Matrix k has a ratio of 10 k dB for each source; the last one an infinite one."""
    return Diagnosis(
        matrices=tuple(
            MatrixDiagnosis(
                matrix=name.format(k),
                unit=name.format(k),
                tiles=1,
                signal=np.ones(3),
                errors={
                    source: np.full(3, 0.0 if k == count - 1 else 0.1**k)
                    for source in SOURCES
                    if source != "stuck"
                },
                out_of_range=0.1,
                retries=0.5,
                saturated=0.0,
                clipped_weights=0.02 * k,
            )
            for k in range(count)
        ),
        time_s=86_400.0,
        n_draws=3,
        n_examples=10,
        subject="mac_greedy/seed0: trial 3",
    )


def test_what_is_drawn_is_what_was_measured() -> None:
    info = snr_info(made_up(4))
    assert list(info) == [source for source in SOURCES if source != "stuck"]
    assert info["drift"][0] == pytest.approx([0, 10, 20, np.nan], nan_ok=True)
    assert info["drift"][1] == pytest.approx([0, 0, 0, np.nan], nan_ok=True)


@pytest.mark.parametrize("count", [1, 5, 60])
def test_nothing_is_cut_off(count: int) -> None:
    figure = diagnosis(made_up(count))
    check_figure(figure)
    text = shown_text(figure)
    assert "mac_greedy/seed0: trial 3\n1 day after programming" in text
    assert {"output noise", "everything", "clipped weights"} <= set(text)
    assert "stuck devices" not in text


def test_panels_without_anything_are_left_out() -> None:
    whole = made_up(2)
    quiet = replace(
        whole,
        matrices=tuple(
            replace(each, out_of_range=0.0, retries=0.0, clipped_weights=0.0)
            for each in whole.matrices
        ),
    )
    assert (len(diagnosis(whole).axes), len(diagnosis(quiet).axes)) == (3, 1)
    check_figure(diagnosis(quiet))


def test_odd_names_are_shown_as_they_are() -> None:
    figure = diagnosis(made_up(3, "$a_b$.a very long name of a layer {}"))
    check_figure(figure)


def test_files_are_written(tmp_path) -> None:
    files = draw_diagnosis(made_up(2), tmp_path)
    assert [file.name for file in files] == ["diagnosis.pdf", "diagnosis.png"]
    assert all(file.exists() for file in files)

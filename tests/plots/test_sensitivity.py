"""The figure of a sensitivity profile."""

import itertools

import numpy as np
import pytest
from figure_checks import check_figure, shown_text

from lionheart_opt.plots import sensitivity
from lionheart_opt.plots.sensitivity import draw_profile, rank_info
from lionheart_opt.results.sensitivity import Interaction, Profile, Sensitivity


def made_up_profile(count: int, *, targets=("tile",), pairs: bool = False, name="fc{}") -> Profile:
    """Unit k loses k points; the last one does not fit its target."""
    units = [name.format(k) for k in range(count)]
    unfit = units[-1] if count > 1 else None
    return Profile(
        training="none",
        time_s=86_400.0,
        n_draws=5,
        baseline=0.9,
        oracle_s=1.0,
        sensitivities=tuple(
            Sensitivity(
                unit=unit,
                target=target,
                drop=None if unit == unfit else 0.01 * k,
                deviation=None if unit == unfit else 0.002,
            )
            for k, unit in enumerate(units)
            for target in targets
        ),
        interactions=tuple(
            Interaction(producer=a, consumer=b, drop=0.03, interaction=0.01, deviation=0.001)
            for a, b in itertools.pairwise(units)
            if pairs
        ),
        proxies={
            "macs": dict(zip(units, np.arange(count)[::-1] + 1.0, strict=True)),
            "$weight_noise$": dict.fromkeys(units, 1.0),
        },
    )


def test_ranks_are_of_the_measured_units_and_ties_share_theirs():
    ranks = rank_info(made_up_profile(4))
    assert ranks == {
        "measured drop": {"fc0": 1, "fc1": 2, "fc2": 3},
        "macs": {"fc0": 3, "fc1": 2, "fc2": 1},
        "$weight_noise$": {"fc0": 2, "fc1": 2, "fc2": 2},
    }


def test_bars_are_the_drops_in_points():
    bars = sensitivity(made_up_profile(4)).axes[0]
    heights = [bar.get_height() for bar in bars.patches]
    assert heights == pytest.approx([0, 1, 2])


@pytest.mark.parametrize(
    ("count", "pairs", "name"),
    [
        (1, False, "fc{}"),
        (5, False, "encoder.layers.{}.attention.self.query"),
        (5, True, "fc{}"),
        (200, True, "encoder.layers.{}.attention.self.query"),
    ],
)
def test_it_can_be_saved_as_it_is(count, pairs, name):
    profile = made_up_profile(count, targets=("tile", "other"), pairs=pairs, name=name)
    figure = sensitivity(profile)
    check_figure(figure)
    assert len(figure.axes) == 2 + (pairs and count > 1)
    assert figure.get_figwidth() <= 7.16
    assert any(text.startswith("$weight noise$") for text in shown_text(figure))


def test_no_analog_target_is_said():
    figure = sensitivity(made_up_profile(0))
    check_figure(figure)
    assert "no unit has an analog target" in shown_text(figure)


def test_it_is_written_as_pdf_and_png(tmp_path):
    paths = draw_profile(made_up_profile(3), tmp_path)
    assert [path.name for path in paths] == ["profile-none.pdf", "profile-none.png"]
    assert all(path.is_file() for path in paths)

"""The heat map of a profile by kind of unit and depth."""

import numpy as np
import pytest
from figure_checks import check_figure, shown_text

from lionheart_opt.errors import InputError
from lionheart_opt.plots import depth
from lionheart_opt.plots.depth import depth_info
from lionheart_opt.results.sensitivity import Profile, Sensitivity


def profile(drops: dict[str, float | None]) -> Profile:
    return Profile(
        training="none",
        time_s=86_400.0,
        n_draws=5,
        baseline=0.9,
        oracle_s=1.0,
        sensitivities=tuple(
            Sensitivity(unit=unit, target="tile", drop=drop, deviation=0.0)
            for unit, drop in drops.items()
        ),
        interactions=(),
        proxies={},
    )


GPT = {
    "stem": 0.1,
    "layers.0.query": 0.01,
    "layers.0.mlp.expand": 0.02,
    "layers.10.query": 0.03,
    "layers.10.mlp.expand": None,
    "head": 0.2,
}


def test_kinds_and_depths() -> None:
    kinds, depths, grid = depth_info(profile(GPT))
    assert (kinds, depths) == (["query", "mlp.expand"], [0, 10])
    np.testing.assert_array_equal(grid, [[0.01, 0.03], [0.02, np.nan]])


def test_encoder_and_decoder_are_told_apart() -> None:
    both = {"encoder.0.query": 0.1, "decoder.0.query": 0.2}
    kinds, _, grid = depth_info(profile(both))
    assert kinds == ["encoder: query", "decoder: query"] and grid.tolist() == [[0.1], [0.2]]


@pytest.mark.parametrize("layers", [1, 4, 24])
def test_it_can_be_saved_as_it_is(layers: int) -> None:
    drops: dict[str, float | None] = {
        f"bert.encoder.layer.{k}.attention.self.{name}": 0.001 * k
        for k in range(layers)
        for name in ("query", "key", "value")
    }
    figure = depth(profile(drops))
    check_figure(figure)
    assert {"attention.self.query", "layer"} <= set(shown_text(figure))


def test_names_without_a_depth_are_refused() -> None:
    with pytest.raises(InputError, match="no unit has the number of its layer"):
        depth(profile({"conv1": 0.1, "fc": 0.2}))

"""The tornado chart: its bars are what the constants do."""

from dataclasses import replace

import numpy as np
import pytest
from figure_checks import check_figure, shown_text

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.plots.tornado import draw_tornado, tornado_info
from lionheart_opt.synthetic import convolutional_workload

DIGITAL, ANALOG = (
    lo.cost(convolutional_workload(), "lionheart", mapping)
    for mapping in ("all-digital", "all-analog")
)


def test_bars_are_sorted_and_together_is_the_interval():
    info = tornado_info(ANALOG, "energy_j")
    assert next(iter(info)) == "together"
    estimate = ANALOG.estimate("energy_j")
    assert np.exp(info["together"]) == pytest.approx(estimate.high / estimate.value)
    alone = [abs(shift) for shift in list(info.values())[1:]]
    assert alone == sorted(alone, reverse=True) and alone[-1] > 0
    gain = tornado_info(ANALOG, "latency_s", DIGITAL)
    assert gain["software.convolution_efficiency"] < 0 < -gain["software.convert_cycles"] + 2
    assert np.exp(gain["together"]) == pytest.approx(
        ANALOG.gain_over(DIGITAL, "latency_s").high / ANALOG.gain_over(DIGITAL, "latency_s").value
    )


def test_a_panel_for_each_quantity(tmp_path):
    figure = lo.plot.tornado(ANALOG, over=DIGITAL, title="tiny")
    assert len(figure.axes) == 4
    assert {"speed-up: factor", "energy gain: factor"} <= set(shown_text(figure))
    check_figure(figure)
    alone = lo.plot.tornado(ANALOG)
    assert len(alone.axes) == 2
    widths = [bar.get_width() for bar in alone.axes[0].patches]
    info = tornado_info(ANALOG, "interval_s")
    assert widths == pytest.approx(
        [np.exp(abs(s)) - np.exp(-abs(s)) for s in info.values()][: len(widths)]
    )
    assert [path.name for path in draw_tornado(ANALOG, DIGITAL, tmp_path, "x")] == [
        "tornado.pdf",
        "tornado.png",
    ]


def test_a_cost_of_which_nothing_is_known_is_refused():
    bare = replace(ANALOG, find_spread=None)
    with pytest.raises(InputError, match="says of no constant how well it is known"):
        lo.plot.tornado(bare)
    with pytest.raises(InputError, match="says of no constant"):
        lo.plot.tornado(ANALOG, over=bare)

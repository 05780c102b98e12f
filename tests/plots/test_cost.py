"""The figure of costs: every second and joule is on it."""

from dataclasses import replace

import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text
from matplotlib.container import ErrorbarContainer

import lionheart_opt as lo
from lionheart_opt.cost import Cost, LayerCost
from lionheart_opt.errors import InputError
from lionheart_opt.plots import cost
from lionheart_opt.plots.cost import cost_info, draw_costs
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.testing import tiny_problem


def made_up_cost(names, scale=1.0) -> Cost:
    """Layer k takes k + 1 scaled seconds, split in halves; and twice as many joules."""
    return Cost(
        layers=tuple(
            LayerCost(
                name=name,
                kind="linear",
                target="tile",
                macs=1,
                components=dict.fromkeys(("mvm", "memory"), (scale * (k + 1) / 2, scale * (k + 1))),
            )
            for k, name in enumerate(names)
        )
    )


def test_a_mapping_that_does_not_fit_says_so_in_the_figure():
    problem = tiny_problem()
    analog = problem.cost(problem.all_analog)
    used = analog.tiles["tile"]
    costs = {"all-digital": problem.digital_cost, "all-analog": analog}
    assert not any("fit" in text for text in shown_text(cost(costs)))
    costs = {name: replace(each, capacities={"tile": used - 1}) for name, each in costs.items()}
    figure = cost(costs, title="tiny")
    said = f"{used} of {used - 1} crossbars on 'tile': does not fit"
    assert f"all-analog: {said}" in shown_text(figure)
    check_figure(figure)
    assert said in shown_text(cost(costs["all-analog"]))


def test_shares_add_up_and_the_least_layers_are_taken_together():
    costs = {"a": made_up_cost(f"l{k}" for k in range(12)), "b": made_up_cost(["l11", "only b"])}
    info = cost_info(costs, most=4)
    assert set(info.components) == {"mvm", "memory"}
    assert len(info.layers) == 4 and "other layers" in info.layers
    for shares in (info.components, info.layers):
        latency_s, energy_j = sum(shares.values())
        assert latency_s == pytest.approx([each.latency_s for each in costs.values()])
        assert energy_j == pytest.approx([each.energy_j for each in costs.values()])


def test_bars_are_as_long_as_the_totals():
    problem = tiny_problem()
    costs = {
        "all-digital": problem.cost(problem.all_digital),
        "all-analog": problem.cost(problem.all_analog),
    }
    figure = cost(costs, title="tiny")
    check_figure(figure)
    assert len(figure.axes) == 4
    for k, axes in enumerate(figure.axes):
        total = "latency_s" if k % 2 == 0 else "energy_j"
        unit = axes.get_xlabel().split("(")[1][:-1]
        scale = {"": 1.0, "m": 1e3, "µ": 1e6, "n": 1e9, "p": 1e12}[unit[:-1]]
        for row, each in enumerate(costs.values()):
            length = sum(bars[row].get_width() for bars in axes.containers)
            assert length == pytest.approx(scale * getattr(each, total))


@pytest.mark.parametrize("count", [1, 200])
def test_one_cost_or_many_layers_can_be_saved_as_they_are(count):
    names = [f"encoder.layers.{k}.attention.self.query" for k in range(count)]
    check_figure(cost(made_up_cost(names, 1e-6)))


def test_odd_names_are_text():
    figure = cost({name: made_up_cost(ODD_LABELS) for name in ODD_LABELS}, title=ODD_LABELS[0])
    check_figure(figure)
    assert set(ODD_LABELS[:3]) <= set(shown_text(figure))


def test_no_price_is_said_and_no_cost_refused():
    figure = cost(Cost(layers=()))
    check_figure(figure)
    assert "nothing has a price" in shown_text(figure)
    with pytest.raises(InputError, match="no costs"):
        cost({})


def test_it_is_written_as_pdf_and_png(tmp_path):
    paths = draw_costs({"x": made_up_cost(["a"])}, tmp_path, "tiny")
    assert [path.name for path in paths] == ["costs.pdf", "costs.png"]
    assert all(path.is_file() for path in paths)


def test_whiskers_are_the_intervals():
    workload = convolutional_workload()
    costs = {name: lo.cost(workload, "lionheart", name) for name in ("all-digital", "all-analog")}
    figure = cost(costs)
    check_figure(figure)
    unit = figure.axes[0].get_xlabel().split("(")[1][:-1]
    scale = {"": 1.0, "m": 1e3, "µ": 1e6}[unit[:-1]]
    [whiskers] = [bars for bars in figure.axes[0].containers if isinstance(bars, ErrorbarContainer)]
    ends = [segment[:, 0].tolist() for segment in whiskers[2][0].get_segments()]
    for drawn, each in zip(ends, costs.values(), strict=True):
        estimate = each.estimate("latency_s")
        assert drawn == pytest.approx([scale * estimate.low, scale * estimate.high])

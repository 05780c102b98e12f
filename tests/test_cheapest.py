"""The cheapest mapping whatever its accuracy, against enumeration."""

from __future__ import annotations

import pytest
from made_up_costs import several_cores
from many_cores import networks, on_many_cores

import lionheart_opt as lo
from lionheart_opt import plugins
from lionheart_opt.cheapest import cheapest
from lionheart_opt.cost import CostObjective
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.hardware.reprogramming import Reprogramming
from lionheart_opt.space import Space, every_mapping
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System


def with_crossbars(name: str, count: int) -> System:
    """A built-in system whose analog targets have that many crossbars."""
    system = plugins.load_system(name)
    if system.family == "manycore":  # all layers take clusters, at least one each
        return redesigned(system, {"machine.clusters": 5 + count})
    targets = tuple(
        each.model_copy(update={"tiles": count}) if each.numerics == "analog" else each
        for each in system.targets
    )
    return system.model_copy(update={"targets": targets})


@pytest.mark.parametrize("crossbars", [1, 2, 4, 99])
@pytest.mark.parametrize("name", ["lionheart", "imc-cluster", "diana", "manycore"])
def test_it_is_the_cheapest_that_fits(name: str, crossbars: int) -> None:
    space = Space(workload=convolutional_workload(), system=with_crossbars(name, crossbars))
    best = cheapest(space)
    assert best is not None and best.exact
    costs = [lo.cost(space.workload, space.system, each) for each in every_mapping(space)]
    fitting = [cost.time_per_inference_s for cost in costs if cost.fits]
    ours = lo.cost(space.workload, space.system, "best")
    assert ours.fits and ours.time_per_inference_s == pytest.approx(min(fitting), rel=1e-5)


def test_it_may_be_faster_than_all_analog() -> None:
    """Layers that a tile runs no faster stay on the core."""
    workload = lo.trace("vgg16")
    best, analog = (lo.cost(workload, "lionheart", each) for each in ("best", "all-analog"))
    digital = lo.cost(workload, "lionheart", "all-digital")
    assert best.latency_s < analog.latency_s < digital.latency_s


@pytest.mark.parametrize(
    "name", ["lionheart", "alpine-high-power-8", "imc-cluster", "manycore", "diana"]
)
@pytest.mark.parametrize("model", ["resnet8"])
def test_it_is_never_slower_than_the_mappings_that_have_names(name: str, model: str) -> None:
    workload = lo.trace(model)
    best = lo.cost(workload, name, "best")
    assert best.fits
    for named in ("all-analog", "all-digital"):
        cost = lo.cost(workload, name, named)
        if cost.fits:
            assert best.time_per_inference_s <= cost.time_per_inference_s * (1 + 1e-5)


def test_on_counted_cores_no_single_mapping_of_a_small_network_is_faster() -> None:
    space = Space(
        workload=convolutional_workload((64, 64, 40)),
        system=plugins.load_system("alpine-high-power-8"),
    )
    best = cheapest(space)
    assert best is not None and not best.exact and best.objective == "interval_s"
    intervals = [
        lo.cost(space.workload, space.system, each).interval_s for each in every_mapping(space)
    ]
    assert lo.cost(space.workload, space.system, best.mapping).interval_s == min(
        filter(None, intervals)
    )


def test_costs_that_are_no_sum_are_not_called_exact() -> None:
    problem = several_cores(("latency_s",))
    best = cheapest(problem)
    assert best is not None and not best.exact and best.objective == "interval_s"
    cost = problem.cost(best.mapping)
    assert cost.fits and cost.interval_s < problem.digital_cost.interval_s


def test_where_nothing_fits_that_is_said() -> None:
    problem = on_many_cores(networks()["resnet18"], "interval_s", clusters=20)
    assert cheapest(problem) is None
    with pytest.raises(InputError, match="no mapping of 'resnet18' fits"):
        lo.cost(problem.workload, problem.system, "best")


@pytest.mark.parametrize(
    ("model", "name", "crossbars", "share"),
    [
        ("resnet8", "lionheart", 4, 0.03),  # single moves end at a mapping that costs 3 % more
        *(("small", "lionheart", count, share) for count in (1, 2) for share in (1e-4, 0.01, 0.1)),
        *(
            ("small", "imc-cluster", count, share)
            for count in (1, 2)
            for share in (1e-4, 0.01, 0.1)
        ),
    ],
)
@pytest.mark.parametrize("objective", ["latency_s", "energy_j"])
def test_crossbars_that_take_turns_are_used_where_that_is_cheapest(
    model: str, name: str, crossbars: int, share: float, objective: CostObjective
) -> None:
    """Programming takes a share of all-digital's cost: nothing, a little, or more than it can save."""
    workload = convolutional_workload() if model == "small" else lo.trace(model)
    system = with_crossbars(name, crossbars)
    digital = lo.cost(workload, system, "all-digital")
    rule = Reprogramming(
        source="made up",
        crossbar_s=share * digital.latency_s,
        crossbar_j=share * digital.energy_j,
    )
    targets = tuple(
        each.model_copy(update={"reprogramming": rule}) if each.numerics == "analog" else each
        for each in system.targets
    )
    space = Space(workload=workload, system=system.model_copy(update={"targets": targets}))
    price = plugins.cost_model(space.system).cost
    costs = [price(workload, each).within(space.system) for each in every_mapping(space)]
    least = min(cost.value(objective) for cost in costs if cost.fits)
    best = cheapest(space, objective)
    assert best is not None
    ours = price(workload, best.mapping).within(space.system)
    assert ours.fits and ours.value(objective) == pytest.approx(least, rel=1e-5)

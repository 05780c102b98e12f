"""The programme for pipelines against enumeration, and knapsack against the other strategies."""

from __future__ import annotations

import numpy as np
import pytest
from many_cores import networks, on_many_cores

from lionheart_opt import plugins
from lionheart_opt.cost import COST_OBJECTIVES, CostObjective
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.pipeline_programme import PipelineProgramme, programme_of
from lionheart_opt.testing import drive, tiny_problem

OTHERS = ("greedy", "mac_greedy", "local_search", "quadratic", "one_at_a_time")


def test_other_cost_models_keep_the_usual_programme() -> None:
    assert not isinstance(programme_of(Additive.of(tiny_problem())), PipelineProgramme)


@pytest.mark.parametrize("objective", COST_OBJECTIVES)
@pytest.mark.parametrize("clusters", [260, 512])
def test_the_cheapest_mapping_under_a_predicted_loss(
    objective: CostObjective, clusters: int
) -> None:
    """Exact for interval and energy; the latency is within 1 % of the shortest here."""
    problem = on_many_cores(networks()["resnet18"], objective, clusters=clusters, movable=9)
    costs = Additive.of(problem)
    programme = programme_of(costs)
    assert isinstance(programme, PipelineProgramme)
    rng = np.random.default_rng(1)
    losses = costs.table(
        {(unit.name, "ima"): loss for unit in problem.units for loss in rng.random(1)}
    )
    every = np.array([costs.encode([mapping])[0] for mapping in every_mapping(problem)])
    assert len(every) == 2**9
    prices = programme.tables.cost_batch(every)[:, COST_OBJECTIVES.index(objective)]
    loss = losses[np.arange(every.shape[1]), every].sum(axis=1)
    fits = programme.tables.fits(every)
    for max_loss in (0.5, 2.0, np.inf):
        accepted = fits & (loss <= max_loss)
        excluded: list[Mapping] = []
        for _ in range(2):
            mapping = programme.cheapest(0, losses, max_loss, np.inf, excluded)
            if not accepted.any():
                assert mapping is None
                break
            assert mapping is not None and mapping not in excluded
            [row] = np.flatnonzero((every == costs.encode([mapping])[0]).all(axis=1))
            assert accepted[row]
            least = prices[accepted].min()
            assert prices[row] <= least * (1.01 if objective == "latency_s" else 1 + 1e-9)
            assert programme.cheapest(0, losses, max_loss, 0.5 * least, excluded) is None
            excluded.append(mapping)
            accepted[row] = False


def test_nothing_is_proposed_where_nothing_fits() -> None:
    problem = on_many_cores(networks()["resnet18"], "interval_s", clusters=20)
    costs = Additive.of(problem)
    programme = programme_of(costs)
    free = np.zeros(costs.allowed.shape)
    assert programme.cheapest(0, free, 1.0, np.inf) is None and programme.least_loss(free) is None


@pytest.mark.parametrize("limited", ["interval_s", "latency_s"])
def test_limits_on_times_hold(limited: CostObjective) -> None:
    """The least energy under a limit that a tenth of all mappings keep, against enumeration."""
    network = networks()["resnet18"]
    free = on_many_cores(network, "energy_j", movable=9)
    costs = Additive.of(free)
    programme = programme_of(costs)
    assert isinstance(programme, PipelineProgramme)
    every = np.array([costs.encode([mapping])[0] for mapping in every_mapping(free)])
    prices = programme.tables.cost_batch(every)
    times = prices[:, COST_OBJECTIVES.index(limited)]
    limit = float(np.quantile(times, 0.1))
    problem = on_many_cores(network, "energy_j", movable=9, cost_limits={limited: limit})
    evaluations = drive(Knapsack(min_gain=1e-6), problem)
    best = min(each.cost.energy_j for each in evaluations if each.feasible)
    rel = 1e-5 if limited == "interval_s" else 0.01
    assert best == pytest.approx(prices[times <= limit, 1].min(), rel=rel)


@pytest.mark.parametrize("objective", COST_OBJECTIVES)
@pytest.mark.parametrize("leakage_w", [1e-3, 4e-3])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1])
def test_limits_on_the_energy_hold(
    objective: CostObjective, leakage_w: float, share: float
) -> None:
    """Static power takes more of the limit at a longer interval; no mapping that keeps it is missed.

    All-digital breaks the limit, and so does each move of one unit alone.
    """
    network, machine = networks()["resnet18"], {"cluster_leakage_w": leakage_w}
    free = on_many_cores(network, objective, movable=9, machine=machine)
    costs = Additive.of(free)
    programme = programme_of(costs)
    assert isinstance(programme, PipelineProgramme)
    every = np.array([costs.encode([mapping])[0] for mapping in every_mapping(free)])
    prices = programme.tables.cost_batch(every)[programme.tables.fits(every)]
    energies = prices[:, COST_OBJECTIVES.index("energy_j")]
    limit = float(np.quantile(energies, share)) * (1 + 1e-9)
    problem = on_many_cores(
        network, objective, movable=9, machine=machine, cost_limits={"energy_j": limit}
    )
    assert problem.digital_cost.energy_j > limit
    kept = [each for each in drive(Knapsack(min_gain=1e-6), problem) if each.feasible]
    best = prices[energies <= limit, COST_OBJECTIVES.index(objective)].min()
    rel = 0.01 if objective == "latency_s" else 1e-5
    assert min(each.cost.value(objective) for each in kept) == pytest.approx(best, rel=rel)


def test_the_least_loss_under_a_limit_on_the_energy() -> None:
    """Exact, against enumeration."""
    network = networks()["resnet18"]
    free = on_many_cores(network, "interval_s", movable=9)
    every = np.array([Additive.of(free).encode([each])[0] for each in every_mapping(free)])
    losses = np.random.default_rng(5).random((every.shape[1], 2))
    prices = programme_of(Additive.of(free)).tables.cost_batch(every)  # type: ignore[attr-defined]
    loss = losses[np.arange(every.shape[1]), every].sum(axis=1)
    for share in (0.02, 0.2, 0.6):
        limit = float(np.quantile(prices[:, 1], share)) * (1 + 1e-9)
        problem = on_many_cores(network, "interval_s", movable=9, cost_limits={"energy_j": limit})
        costs = Additive.of(problem)
        programme = programme_of(costs)
        assert isinstance(programme, PipelineProgramme)
        kept = (prices[:, 1] <= limit) & programme.tables.fits(every)
        mapping = programme.least_loss(losses)
        assert mapping is not None
        [row] = np.flatnonzero((every == costs.encode([mapping])[0]).all(axis=1))
        assert kept[row] and loss[row] == pytest.approx(loss[kept].min())


def reached(problem: Problem, strategy: str) -> float:
    """The least price of a feasible mapping that a strategy finds."""
    built = plugins.build("strategies", strategy, {})
    evaluations = drive(built, problem, trials=60)
    prices = [
        each.cost.value(problem.objectives[0])  # type: ignore[arg-type]
        for each in evaluations
        if each.feasible
    ]
    return min(prices, default=np.inf)


@pytest.mark.parametrize("objective", COST_OBJECTIVES)
@pytest.mark.parametrize("accepts_all", [True, False])
def test_knapsack_is_at_least_as_good_as_the_others(
    objective: CostObjective, accepts_all: bool
) -> None:
    losses = None if accepts_all else np.random.default_rng(3).uniform(0.0, 0.004, size=21)
    problem = on_many_cores(networks()["resnet18"], objective, losses=losses)
    ours = reached(problem, "knapsack")
    theirs = {name: reached(problem, name) for name in OTHERS}
    assert ours <= 1.005 * min(theirs.values()), theirs
    assert ours < problem.digital_cost.value(objective)

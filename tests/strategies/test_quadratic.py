"""Quadratic models with pairs: the best of small problems, annealing of large ones."""

from time import process_time
from typing import Any

import numpy as np
import pytest
from made_up_costs import with_tiles
from shared_crossbars import on_crossbars
from strategy_runs import additive, after_profile, best, fronted, measured

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies import quadratic
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.loss_model import LossModel
from lionheart_opt.strategies.parts.pricing import excess, price
from lionheart_opt.strategies.quadratic import Quadratic, _Optimiser
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import brute_force, drive, tiny_problem


@pytest.mark.parametrize("seed", range(3))
def test_quadratic_finds_the_best_of_a_small_problem(seed: int) -> None:
    problem = tiny_problem(seed=seed)
    assert best(drive(Quadratic(), problem)) == pytest.approx(best(brute_force(problem)))


def test_quadratic_anneals_spaces_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = additive(synthetic_problem(n_units=7, seed=1), none_factor=1.0)
    monkeypatch.setattr(quadratic, "EXHAUSTIVE", 0)
    evaluations = drive(Quadratic(patience=5), problem, trials=20)
    assert best(evaluations) == pytest.approx(best(brute_force(problem)), rel=0.05)


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_quadratic_keeps_a_distance_after_failures(seed: int) -> None:
    """Of many mappings that are predicted to hold, the cheapest is one that is predicted too well."""
    problem = synthetic_problem(n_units=25, seed=seed)
    evaluations = drive(Quadratic(), problem, trials=50)
    profile, proposals = evaluations[:25], evaluations[25:]
    alone = max(problem.gains(each.cost)[0] for each in profile if each.feasible)
    held = [problem.gains(each.cost)[0] for each in proposals if each.feasible]
    assert held and max(held) > 1.5 * alone


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 0}, "patience: got 0; must be at least 1"),
        ({"min_gain": 1.0}, r"min_gain: got 1.0; must be in \[0, 1\)"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Quadratic(**settings)


# --- the optimiser, with losses that are given ---------------------------------------------------


class Drawn:
    """A model whose every draw is the same."""

    def __init__(self, problem: Problem, losses: list[float], pairs: np.ndarray) -> None:
        self.moves = [(unit.name, "tile") for unit in problem.units]
        self.losses, self.pairs = np.array(losses), pairs

    def sample(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return self.losses, self.pairs


def best_of(
    problem: Problem, losses: list[float], pairs: np.ndarray, max_loss: float, quantity: int = 0
) -> Mapping | None:
    optimiser = _Optimiser(Additive.of(problem), Drawn(problem, losses, pairs))  # type: ignore[arg-type]
    return optimiser.best(quantity, max_loss, np.random.default_rng(0))


@pytest.mark.parametrize("most", [2**16, 0])
def test_pairs_of_units_lose_something_of_their_own(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All units lose 0.05 in sum, and units 1 and 3 together 0.2 more: one of them stays digital."""
    monkeypatch.setattr(quadratic, "EXHAUSTIVE", most)
    problem = tiny_problem()
    pairs = np.zeros((5, 5))
    assert best_of(problem, [0.01] * 5, pairs, 0.0501) == problem.all_analog
    pairs[1, 3] = 0.2
    best = best_of(problem, [0.01] * 5, pairs, 0.0501)
    names = [unit.name for unit in problem.units]
    ones = [problem.analog([n for n in names if n != left_out]) for left_out in names]
    cheapest = min((ones[1], ones[3]), key=lambda each: price(problem, each))
    assert best == cheapest
    assert best_of(problem, [0.01] * 5, pairs, 0.2501) == problem.all_analog


def test_pairs_that_gain_make_room() -> None:
    """Two units that lose 0.03 each, but 0.04 less together, hold 0.02 only as a pair."""
    problem = tiny_problem()
    pairs = np.zeros((5, 5))
    pairs[0, 2] = -0.04
    best = best_of(problem, [0.03, 1.0, 0.03, 1.0, 1.0], pairs, 0.0201)
    assert best == problem.analog(["fc0", "fc2"])


def test_what_costs_least_in_the_quantity_asked_for_is_proposed() -> None:
    problem = tiny_problem(objectives=("latency_s", "energy_j"), targets=("cpu", "tile", "npu"))
    for quantity, name in enumerate(("latency_s", "energy_j")):
        best = best_of(problem, [9.0] * 5, np.zeros((5, 5)), 0.0, quantity)
        digital = [
            mapping
            for mapping in every_mapping(problem)
            if not mapping.units_on("tile") and mapping != problem.all_digital
        ]
        assert best == min(digital, key=lambda each: problem.cost(each).value(name))


def test_without_a_mapping_that_holds_the_least_loss_is_proposed() -> None:
    problem = tiny_problem()
    losses = [0.5, 0.2, 0.4, 0.3, 0.6]
    assert best_of(problem, losses, np.zeros((5, 5)), 0.1) == problem.analog(["fc1"])


def test_closed_mappings_are_not_proposed_and_all_closed_end_it() -> None:
    problem = tiny_problem()
    optimiser = _Optimiser(Additive.of(problem), Drawn(problem, [0.0] * 5, np.zeros((5, 5))))  # type: ignore[arg-type]
    prices = sorted(price(problem, mapping) for mapping in every_mapping(problem))
    rng = np.random.default_rng(0)
    proposed = []
    while (mapping := optimiser.best(0, 1.0, rng)) is not None:
        proposed.append(price(problem, mapping))
        optimiser.close(mapping)
    assert len(proposed) == 31, "all but all-digital, each once"
    assert proposed == sorted(proposed) and proposed[0] == prices[0]


def test_mappings_that_break_limits_are_not_proposed() -> None:
    free = tiny_problem()
    half_s = 0.5 * free.digital_cost.latency_s
    problem = tiny_problem(latency_limit_s=half_s)
    best = best_of(problem, [0.5, 0.2, 0.4, 0.3, 0.6], np.zeros((5, 5)), 0.0)
    assert best is not None and price(problem, best) <= half_s


# --- the search ----------------------------------------------------------------------------------


def test_all_analog_comes_after_the_profile() -> None:
    problem = tiny_problem()
    first = after_profile(problem, drive(Quadratic(), problem))[0]
    assert first.mapping == problem.all_analog and first.candidate.training is None


@pytest.mark.parametrize("patience", [1, 4])
def test_the_search_ends_after_so_many_draws_without_a_proposal(
    patience: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All-analog holds and costs least, so no draw gives anything that is cheaper."""
    problem = tiny_problem(max_drop=0.9)
    draws = []
    real = _Optimiser.best

    def spy(optimiser: _Optimiser, *arguments: Any) -> Mapping | None:
        draws.append(1)
        return real(optimiser, *arguments)

    monkeypatch.setattr(_Optimiser, "best", spy)
    evaluations = drive(Quadratic(patience=patience), problem)
    assert len(after_profile(problem, evaluations)) == 1
    assert len(draws) in (patience, patience + 1), "the last draw may be one that nobody looks at"


@pytest.mark.parametrize(("share", "count"), [(1e-9, 2), (0.999, 1)])
def test_gains_that_are_too_small_are_not_worth_an_evaluation(share: float, count: int) -> None:
    """All-analog gains a little on the second best mapping, which holds."""
    problem = tiny_problem(max_drop=0.9)
    second = sorted(every_mapping(problem), key=lambda mapping: price(problem, mapping))[1]
    profile = measured(problem)
    model = LossModel(problem, profile, interactions=True)
    model.learn(problem.evaluate(problem.pretrained(second)))
    optimiser = _Optimiser(Additive.of(problem), model)
    rng = np.random.default_rng(0)
    search = Quadratic(min_gain=share)
    proposals = {search._propose(problem, optimiser, model, rng, 1.0) for _ in range(20)}
    assert (problem.all_analog in proposals) == (count == 2)


def test_every_draw_has_a_threshold_of_its_own_where_the_drop_is_an_objective(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Log-uniform from a hundredth of the limit to the limit."""
    asked: list[float] = []
    real = LossModel.max_loss

    def spy(model: LossModel, max_drop: float) -> float:
        asked.append(max_drop)
        return real(model, max_drop)

    monkeypatch.setattr(LossModel, "max_loss", spy)
    drive(Quadratic(patience=200), fronted(0.3))
    assert 0.003 <= min(asked) < 0.006 and 0.15 < max(asked) <= 0.3
    assert np.median(asked) == pytest.approx(0.03, rel=0.5)
    asked.clear()
    drive(Quadratic(), tiny_problem(max_drop=0.1))
    assert set(asked) == {0.1}


@pytest.mark.parametrize("max_loss", [9.0, 0.2])
@pytest.mark.parametrize("tiles", [None, 6])
def test_annealing_finds_what_enumeration_finds(
    tiles: int | None, max_loss: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4,096 mappings of 12 units, with and without limits on the loss and on the crossbars."""
    problem = synthetic_problem(n_units=12, seed=1)
    if tiles is not None:
        problem = with_tiles(problem, tiles)
    losses = np.random.default_rng(0).lognormal(sigma=0.5, size=12) * 0.05
    pairs = np.triu(np.full((12, 12), 0.002), 1)
    found = []
    for most in (2**16, 0):
        monkeypatch.setattr(quadratic, "EXHAUSTIVE", most)
        best = best_of(problem, losses.tolist(), pairs, max_loss)
        assert best is not None and not excess(problem, best)
        on = np.array([best[unit.name] == "tile" for unit in problem.units])
        assert losses @ on + on @ pairs @ on <= max_loss + 1e-6
        found.append(price(problem, best))
    assert found[0] <= found[1] <= 1.03 * found[0]


@pytest.mark.parametrize("most", [2**16, 0])
def test_units_that_do_not_fit_together_are_not_put_together_again(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five of the large matrices would fit on two crossbars by their shares, but only two do."""
    monkeypatch.setattr(quadratic, "EXHAUSTIVE", most)
    problem = on_crossbars(2, [150, 151, 152, 153, 154, 155, 156, 157, 16, 24])
    fitting = [cost for each in every_mapping(problem) if (cost := problem.totals(each)).fits]
    least = min(cost.latency_s for cost in fitting)
    assert best(drive(Quadratic(), problem)) <= least * 1.005


def test_pairs_of_moves_are_part_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    models = []
    real = _Optimiser.__init__

    def spy(optimiser: _Optimiser, costs: Additive, model: LossModel) -> None:
        models.append(model)
        real(optimiser, costs, model)

    monkeypatch.setattr(_Optimiser, "__init__", spy)
    drive(Quadratic(patience=1), tiny_problem())
    [model] = models
    _, pairs = model.sample(np.random.default_rng(0))
    assert np.count_nonzero(pairs) == 10, "all pairs of five units"


def test_any_gain_may_do() -> None:
    assert Quadratic(min_gain=0.0, patience=1).min_gain == 0.0
    with pytest.raises(InputError, match=r"min_gain: got -0\.1"):
        Quadratic(min_gain=-0.1)


# --- hundreds of units ---------------------------------------------------------------------------


def test_annealed_mappings_keep_a_capacity_that_few_units_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """20 of 200 units fit: chains that begin with a hundred of them must find their way back."""
    problem = with_tiles(synthetic_problem(n_units=200, seed=1), 20)
    best = best_of(problem, [1e-4] * 200, np.zeros((200, 200)), 0.1)
    assert best is not None and not excess(problem, best)
    assert len(best.units_on("tile")) == 20


@pytest.mark.slow
def test_a_proposal_takes_little_time_with_hundreds_of_units() -> None:
    """In processor time, with room for slow machines: every pass over all units took 10 s."""
    problem = synthetic_problem(n_units=361, seed=1)
    search = Quadratic().search(problem, np.random.default_rng(0))
    batch = next(search)
    for _ in range(2):
        answers = [problem.evaluate(candidate) for candidate in batch]
        started = process_time()
        batch = search.send(answers)
        assert process_time() - started < 4.0

"""Quadratic models with pairs: the best of small problems, annealing of large ones."""

import pytest
from strategy_runs import additive, best

from lionheart_opt.errors import InputError
from lionheart_opt.strategies import quadratic
from lionheart_opt.strategies.quadratic import Quadratic
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

"""Profiles from divergences: their order, their scale, and what they cost."""

from dataclasses import replace

import pytest
from scipy.stats import spearmanr

from lionheart_opt.errors import InputError
from lionheart_opt.strategies.parts.screening import screened_moves
from lionheart_opt.strategies.parts.sensitivity import measure_moves
from lionheart_opt.synthetic import synthetic_problem, tabulated
from lionheart_opt.testing import drive


class Measuring:
    """A strategy that measures a profile and ends."""

    def __init__(self, measuring):
        self.measuring = measuring

    def search(self, problem, rng):
        self.profile = yield from self.measuring(problem, "none", "profile")


def profiled(problem, measuring):
    """The mappings that were evaluated for a profile, and the profile."""
    strategy = Measuring(measuring)
    return [each.mapping for each in drive(strategy, problem)], strategy.profile


@pytest.fixture
def problem():
    return synthetic_problem(n_units=12, seed=1)


def test_the_order_is_that_of_losses_and_two_mappings_are_evaluated(problem):
    mappings, screened = profiled(problem, screened_moves)
    singles, measured = profiled(problem, measure_moves)
    assert len(mappings) == 2 and len(singles) == 12
    assert mappings[-1] == problem.all_analog
    moves = list(measured.losses)
    both = [[profile.losses[move] for move in moves] for profile in (screened, measured)]
    assert spearmanr(*both).statistic > 0.9
    assert screened.savings == measured.savings
    assert (screened.baseline, screened.metric) == (measured.baseline, measured.metric)


def test_the_scale_is_that_of_losses(problem):
    _, screened = profiled(problem, screened_moves)
    _, measured = profiled(problem, measure_moves)
    total = sum(screened.losses.values()) / sum(measured.losses.values())
    assert total == pytest.approx(1.0, rel=0.5), "divergences are a tenth of losses here"


def test_all_analog_that_breaks_a_cost_limit_is_not_evaluated(problem):
    energy = problem.totals(problem.all_analog).energy_j
    limited = replace(problem, cost_limits={"energy_j": energy * 1.0000001})
    mappings, profile = profiled(limited, screened_moves)
    assert all(not limited.breaks_cost_limits(mapping) for mapping in mappings)
    assert len(profile.losses) == 12


def test_trained_weights_and_oracles_without_divergences_are_refused(problem):
    with pytest.raises(InputError, match=r"screen: profile: .*got training 'short'"):
        next(screened_moves(problem, "short", "profile"))
    small = synthetic_problem(n_units=3)
    table = replace(small, oracle=tabulated(small))
    with pytest.raises(InputError, match="cannot compare outputs"):
        next(screened_moves(table, "none", "profile"))


@pytest.mark.parametrize("training", ["none", "short"])
def test_candidates_are_those_of_the_search(training, problem):
    """A strategy that proposes all-analog next does not pay for it twice."""
    own = replace(problem, training=training)
    [*_, last] = drive(Measuring(screened_moves), own)
    expected = own.pretrained(own.all_analog)
    assert last.candidate == (expected if training == "none" else expected.with_training("none"))

"""Units that do not fit together although their shares of crossbars would."""

from __future__ import annotations

from shared_crossbars import on_crossbars

from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.crowds import crowds_of


def test_a_crowd_is_as_small_as_it_can_be() -> None:
    """Three matrices of 0.34 crossbars take one each: any two of them fit on two, all three do not."""
    problem = on_crossbars(2, [150, 150, 150, 8])
    costs = Additive.of(problem)
    mapping = problem.all_analog
    assignment = costs.encode([mapping])
    assert costs.keeps_limits(assignment, costs.values(assignment)).all()
    assert problem.totals(mapping).misfit
    [crowd] = crowds_of(costs, mapping)
    assert crowd == {(f"fc{number}", "ima") for number in range(3)}


def test_what_fits_or_cannot_by_its_sum_is_no_crowd() -> None:
    problem = on_crossbars(3, [150, 150, 150, 8])
    assert crowds_of(Additive.of(problem), problem.all_analog) == []
    small = on_crossbars(1, [150, 150, 150, 8])
    assert crowds_of(Additive.of(small), small.all_analog) == []
    two = on_crossbars(2, [150, 150, 150, 8])
    assert crowds_of(Additive.of(two), two.all_digital) == []

"""ODiMO: what it hands to the oracle, and what it makes of learned shares."""

from dataclasses import replace

import numpy as np
import pytest
from strategy_runs import fronted

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.questions import Answer, LearnedShares, Question
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.odimo import Odimo, question
from lionheart_opt.testing import drive, tiny_problem

UNITS = ("fc0", "fc1", "fc2", "fc3", "fc4")


@pytest.mark.parametrize("objective", ["latency_s", "energy_j"])
@pytest.mark.parametrize("digital", [(), *((unit,) for unit in UNITS), ("fc0", "fc1", "fc3")])
def test_odimo_hands_the_cost_of_every_mapping_to_the_oracle(
    objective: str, digital: tuple[str, ...]
) -> None:
    """Prices of units and pairs add up to the cost relative to all-digital, but for a constant."""
    problem = replace(tiny_problem(), objectives=("drop", objective), digital=digital)
    asked = question(problem, 0.5)
    assert asked.strength == 0.5
    assert asked.pairs or len(digital) > 1, "the units share no data flow"
    offsets = []
    for mapping in every_mapping(problem):
        analog = {unit: int(mapping[unit] == "tile") for unit in mapping}
        predicted = sum(prices[analog[unit]] for unit, prices in asked.prices.items())
        for first, second, *table in asked.pairs:
            predicted += table[2 * analog[first] + analog[second]]
        cost, whole = (getattr(problem.cost(m), objective) for m in (mapping, problem.all_digital))
        offsets.append(cost / whole - predicted)
    assert set(asked.prices) == set(UNITS) - set(digital)
    for first, second, *table in asked.pairs:
        assert {first, second} <= set(asked.prices) and len(table) == 4
    np.testing.assert_allclose(offsets, offsets[0], atol=1e-12)


def test_odimo_evaluates_the_larger_shares_of_every_strength() -> None:
    shares = {0.1: [0.9, 0.2, 0.3, 0.4, 0.49], 1.0: [0.9, 0.8, 0.3, 0.51, 0.1], 2.0: [0.6] * 5}
    asked: list[float] = []

    def answer(of: Question) -> Answer:
        assert isinstance(of, LearnedShares)
        asked.append(of.strength)
        values = {"share": dict(zip(UNITS, shares[of.strength], strict=True))}
        return Answer(values=values, oracle_s=1.0)

    problem = replace(fronted(), answers=answer)
    candidates = [evaluation.candidate for evaluation in drive(Odimo([2.0, 0.1, 1.0]), problem)]
    analog = [("fc0",), ("fc0", "fc1", "fc3"), UNITS]
    assert candidates == [Candidate(problem.mapping(dict.fromkeys(u, "tile"))) for u in analog]
    assert asked == [0.1, 1.0, 2.0]


def test_odimo_refuses_what_makes_no_sense() -> None:
    with pytest.raises(InputError, match=r"strengths: got \[-1.0\]; must be one or more"):
        Odimo([-1.0])
    with pytest.raises(InputError, match="the study's oracle has no learned shares"):
        drive(Odimo(), replace(tiny_problem(), answers=None))
    with pytest.raises(InputError, match=r"strengths: got \[\]; must be one or more"):
        Odimo([])
    with pytest.raises(InputError, match=r"strengths: got \[1.0, -0.1\]"):
        Odimo([1.0, -0.1])
    assert Odimo([0.0]).strengths == [0.0]


def test_a_share_of_a_half_stays_digital() -> None:
    def answer(of: Question) -> Answer:
        values = {"share": dict(zip(UNITS, [0.5, 0.5001, 0.4999, 1.0, 0.0], strict=True))}
        return Answer(values=values, oracle_s=1.0)

    problem = replace(fronted(), answers=answer)
    [evaluation] = drive(Odimo([1.0]), problem)
    assert evaluation.mapping.units_on("tile") == ("fc1", "fc3")


def test_odimo_asks_nothing_where_nothing_can_be_analog() -> None:
    problem = replace(fronted(), digital=UNITS, answers=None)
    assert drive(Odimo(), problem) == []

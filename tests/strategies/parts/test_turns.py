"""What is programmed where crossbars take turns."""

import numpy as np
import pytest

from lionheart_opt.strategies.parts.turns import Turns

TURNS = Turns(
    needed=np.array([[0.0, 2.0], [0.0, 3.0], [0.0, 0.5]]),
    room=np.array([0, 4]),
    prices=np.array([[0.0, 0.0], [1.0, 10.0]]),
)


@pytest.mark.parametrize(
    ("assignment", "count"),
    [((0, 0, 0), 0), ((1, 0, 0), 0), ((0, 1, 1), 0), ((1, 1, 0), 2), ((1, 1, 1), 3)],
)
def test_one_more_than_lacks_is_programmed(assignment: tuple[int, ...], count: int) -> None:
    """Four crossbars: what needs 5 of them reprograms two, of 5.5 three."""
    [added] = TURNS.values(np.array([assignment]))
    assert added.tolist() == [count, 10 * count]


def test_shares_add_up_to_what_all_of_them_program() -> None:
    shares = TURNS.shares(np.ones((3, 2), dtype=bool))
    assert shares[:, 1].sum(axis=0) == pytest.approx([3, 30])
    assert not shares[:, 0].any()
    fitting = TURNS.shares(np.array([[True, True], [True, False], [True, True]]))
    assert not fitting.any()

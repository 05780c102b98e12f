"""Columns of data frames of searches."""

from made_up_runs import answer, made_up_problem, search

from lionheart_opt.results.columns import COLUMNS


def test_a_frame_has_these_columns_and_types():
    problem = made_up_problem()
    answers = (answer(problem, k, drop) for k, drop in ((1, 0.01), (2, None)))
    frame = search("x", *answers, problem=problem).to_frame()
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == COLUMNS
    assert frame["drop"].isna().tolist() == [False, True]


def test_so_has_one_without_rows():
    frame = search("x", problem=made_up_problem()).to_frame()
    assert list(frame.columns) == list(COLUMNS) and not len(frame)

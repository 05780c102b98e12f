"""Data frames of searches."""

import numpy as np
from made_up_runs import answer, made_up_problem, priced_problem, search

from lionheart_opt.results.frames import COLUMNS, ENDS
from lionheart_opt.uncertainty import estimates_of


def test_a_frame_has_these_columns_and_types():
    problem = made_up_problem()
    answers = (answer(problem, k, drop) for k, drop in ((1, 0.01), (2, None)))
    frame = search("x", *answers, problem=problem).to_frame()
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == COLUMNS
    assert frame["drop"].isna().tolist() == [False, True]


def test_so_has_one_without_rows():
    frame = search("x", problem=made_up_problem()).to_frame()
    assert list(frame.columns) == list(COLUMNS) and not len(frame)


def some_search(problem, count=3, **fields):
    """The first 1, 2, ... units analog, all within the limit but the last."""
    drops = [*[0.01] * (count - 1), 0.5]
    answers = (answer(problem, 1 + k % 5, drop) for k, drop in enumerate(drops))
    return search("x", *answers, problem=problem, **fields)


def test_every_row_has_the_intervals_that_its_mapping_has_alone():
    problem = priced_problem()
    for count in (3, 30):  # one by one, and by tables
        result = some_search(problem, count)
        frame = result.to_frame()
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == COLUMNS
        for row, evaluation in zip(frame.to_dict("records"), result.evaluations, strict=True):
            known = estimates_of(problem.cost(evaluation.mapping), problem.digital_cost)
            for name, (low, high) in ENDS.items():
                found = row[low], row[name], row[high]
                value, *ends = known[name]
                np.testing.assert_allclose(found, (ends[0], value, ends[1]), rtol=1e-9)
                assert row[low] < row[name] < row[high]


def test_intervals_can_be_left_out_but_for_the_best():
    result = some_search(priced_problem())
    frame, whole = result.to_frame(intervals=False), result.to_frame()
    assert frame["best"].tolist() == [False, True, False]
    for low, high in ENDS.values():
        assert frame[low].isna().tolist() == frame[high].isna().tolist() == [True, False, True]
        np.testing.assert_allclose(frame[low][1], whole[low][1])


def test_a_cost_model_that_says_nothing_has_no_intervals():
    frame = some_search(made_up_problem()).to_frame()
    assert all(frame[end].isna().all() for ends in ENDS.values() for end in ends)


def test_a_notebook_shows_the_rows_whose_intervals_are_found(monkeypatch):
    problem, asked = priced_problem(), []
    result = some_search(problem, 50)

    def counted(mappings):
        asked.extend(mappings)
        return type(problem).half_widths(problem, mappings)

    monkeypatch.setitem(vars(problem), "half_widths", counted)
    html = result._repr_html_()
    assert len(asked) == 20 and "NaN" not in html and "speedup_low" in html

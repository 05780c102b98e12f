"""What figures accept as their source."""

import pytest
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.errors import InputError
from lionheart_opt.plots.source import as_results, truth_of


class MadeUpStudy:
    def __init__(self, results, truth=None):
        self._results, self._truth = results, truth

    def results(self):
        return self._results

    def truth(self):
        return self._truth


@pytest.fixture
def result():
    problem = made_up_problem()
    return search("x", answer(problem, 1, 0.02), problem=problem)


def test_a_study_a_result_or_several(result):
    assert as_results(result) == [result]
    assert as_results((result, result)) == [result, result]
    assert as_results(MadeUpStudy([result])) == [result]


def test_only_a_study_knows_the_truth(result):
    assert truth_of(MadeUpStudy([result], result)) is result
    assert truth_of(MadeUpStudy([result])) is None
    assert truth_of(result) is None and truth_of([result]) is None


def test_nothing_to_plot_is_said():
    for source in ([], MadeUpStudy([])):
        with pytest.raises(InputError, match="no results"):
            as_results(source)


def test_what_is_no_result_is_refused(result):
    with pytest.raises(InputError, match="cannot plot str"):
        as_results([result, "x"])


def test_answers_to_different_questions_do_not_share_a_figure(result):
    other = made_up_problem(cost_limits={"latency_s": 1.0})
    with pytest.raises(InputError, match="different questions"):
        as_results([result, search("y", problem=other)])
    same = search("z", problem=made_up_problem(objectives=("latency_s",), seed=3))
    assert len(as_results([result, same])) == 2

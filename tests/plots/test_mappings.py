"""Which target runs each unit: rows, columns and looks."""

from dataclasses import replace

import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text
from made_up_runs import answer, made_up_problem, priced_problem, search

from lionheart_opt.plots import mappings
from lionheart_opt.plots.mappings import MOST_ROWS, mappings_info
from lionheart_opt.workload import Workload


def wide_problem(count: int):
    """The made-up problem with so many copies of its first unit, under long names."""
    problem = made_up_problem()
    [layer] = [
        candidate
        for candidate in problem.workload.layers
        if candidate.name == problem.units[0].layers[0]
    ]
    unit = problem.units[0]
    names = [f"encoder.layers.{k}.attention.self.query" for k in range(count)]
    workload = Workload(
        name="wide",
        layers=tuple(replace(layer, name=name) for name in names),
        units=tuple(replace(unit, name=name, layers=(name,)) for name in names),
    )
    return replace(problem, workload=workload)


def test_every_cell_is_the_target_of_the_unit():
    problem = made_up_problem()
    info = mappings_info([search("x", answer(problem, 2, 0.02), problem=problem)])
    assert info.units == [unit.name for unit in problem.units]
    assert info.labels == ["x, seed 0: 1.25×"]
    assert [info.targets[number] for number in info.grid[0]] == ["tile"] * 2 + ["cpu"] * 3


def test_of_many_incumbents_each_strategy_shows_the_best():
    problem = made_up_problem()
    results = [
        search(label, answer(problem, k, 0.02), problem=problem, seed=k)
        for label in "abcdef"
        for k in (1, 3, 2, 4)
    ]
    assert len(results) > MOST_ROWS
    assert mappings_info(results).labels == [f"{label}, seed 4: 1.67×" for label in "abcdef"]
    check_figure(mappings(results))


@pytest.mark.parametrize("count", [1, 200])
def test_any_number_of_units_fits_a_page(count):
    problem = wide_problem(count)
    assert len(problem.units) == count
    figure = mappings(search("x", answer(problem, 1, 0.02), problem=problem))
    assert 0 < figure.get_figwidth() <= 7.16
    check_figure(figure)


@pytest.mark.parametrize("repeats", [1, 5])
def test_it_can_be_saved_as_it_is(repeats):
    problem = made_up_problem()
    labels = [f"{label}{k or ''}" for k in range(repeats) for label in ODD_LABELS]
    figure = mappings([search(name, answer(problem, 1, 0.02), problem=problem) for name in labels])
    check_figure(figure)
    assert {"$a_b$, seed 0: 1.11×", "[/x], seed 0: 1.11×"} <= set(shown_text(figure))


def test_why_there_is_nothing_is_said():
    problem = made_up_problem()
    for answers in ((), (answer(problem, 5, 0.5),)):
        figure = mappings(search("x", *answers, problem=problem))
        check_figure(figure)
        assert "no feasible mapping" in shown_text(figure)
    fixed = made_up_problem(digital=tuple(unit.name for unit in problem.workload.units))
    figure = mappings(search("x", problem=fixed))
    check_figure(figure)
    assert "no unit has a choice" in shown_text(figure)


def test_speed_ups_have_their_intervals():
    problem = priced_problem()
    run = search("x", answer(problem, 2, 0.02), problem=problem)
    value, low, high = run.best_estimates["speedup"]
    info = mappings_info([run])
    assert info.labels == [f"x, seed 0: {value:.2f}× [{low:.2f}, {high:.2f}]"]
    check_figure(mappings(run))

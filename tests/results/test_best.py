"""All-digital is a candidate of every search: never recommended is what is worse than doing nothing."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from figure_checks import shown_text
from made_up_runs import answer, made_up_problem, search

import lionheart_opt as lo
from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.cli import comparison_tables, show_tables
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.results.best import best_of, best_search, outcome_of
from lionheart_opt.results.comparison import compare
from lionheart_opt.results.metrics import saves
from lionheart_opt.results.report import show_row
from lionheart_opt.strategies.fixed import Fixed
from lionheart_opt.testing import tiny_problem

NOTHING = "nothing beats all-digital"


@dataclass(frozen=True)
class Int8Host:
    """An oracle whose all-digital loses something, as int8 does; counts how often it is asked for it."""

    oracle: Any
    loss: float
    asked: list[Candidate] = field(default_factory=list, compare=False)

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        accuracy: Accuracy = self.oracle.accuracy(candidate, fidelity, seed)
        if "tile" not in candidate.mapping.values():
            self.asked.append(candidate)
            return replace(accuracy, samples=accuracy.samples - self.loss)
        return accuracy


def on_int8(problem: Problem, loss: float = 0.01) -> Problem:
    host, *others = problem.system.targets
    targets = (host.model_copy(update={"numerics": "int8"}), *others)
    return replace(
        problem,
        system=problem.system.model_copy(update={"targets": targets}),
        oracle=Int8Host(problem.oracle, loss),
    )


@pytest.mark.parametrize("storage", [None, "sqlite:///k.db"])
def test_a_slower_mapping_is_not_recommended(
    storage: str | None, tmp_path: Path, monkeypatch: Any
) -> None:
    """In memory and in Optuna; trial 0 keeps every limit, but takes more time than all-digital."""
    monkeypatch.chdir(tmp_path)
    problem = tiny_problem(targets=("cpu", "slow"), max_drop=1.0)
    result = lo.search(problem, Fixed("all-analog"), storage=storage)
    assert result.evaluations[0].feasible
    assert result.best is not None and result.best.mapping == problem.all_digital
    assert result.best_trial is None and result.outcome == NOTHING
    assert not result.beats_all_digital and not result.to_frame()["best"].any()
    row = show_row(result)
    assert row["trial"] is None and row["feasible"] and row["outcome"] == NOTHING
    assert (row["speedup"], row["energy_gain"], row["drop"], row["drop_high"]) == (1, 1, 0, 0)
    assert NOTHING in repr(result) and NOTHING in result._repr_html_()
    assert [each.mapping for each in result.front()] == [problem.all_digital]


def test_comparisons_and_figures_say_so() -> None:
    problem = tiny_problem(targets=("cpu", "slow"), max_drop=1.0)
    study = lo.Study.of(problem, {"analog": Fixed("all-analog"), "random": "random"}, trials=4)
    study.run()
    comparison = study.compare()
    assert comparison.data["outcome"] == NOTHING
    assert [row["seeds_beating_all_digital"] for row in comparison.data["strategies"]] == [0, 0]
    assert [row["speedup"] for row in comparison.data["strategies"]] == [1.0, 1.0]
    for text in (repr(comparison), str(comparison), comparison._repr_html_()):
        assert NOTHING in text.lower()
    for figure in (lo.plot.mappings(study), lo.plot.drift(study), lo.plot.pareto(study)):
        assert any(NOTHING in text for text in shown_text(figure))


def test_the_strategy_and_the_budget_do_not_notice() -> None:
    problem = on_int8(tiny_problem())
    result = lo.search(problem, "random", trials=6)
    alone = lo.search(tiny_problem(), "random", trials=6)
    assert [each.candidate for each in result.evaluations] == [
        each.candidate for each in alone.evaluations
    ]
    assert len(result) == 6 and result.digital is not None
    assert result.oracle_s == pytest.approx(sum(e.oracle_s for e in result.evaluations))


def test_all_digital_is_measured_once_where_the_host_is_not_exact(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """Its drop is the measured one, from the record when read again; free where the host is exact."""
    monkeypatch.chdir(tmp_path)
    problem = on_int8(tiny_problem(), loss=0.01)
    result = lo.search(problem, Fixed("all-analog"), storage="sqlite:///k.db")
    looks = len(problem.oracle.asked)
    assert looks >= 1 and {each.mapping for each in problem.oracle.asked} == {problem.all_digital}
    assert result.digital is not None
    assert problem.accuracy_limit.bounds(result.digital.accuracy).estimate == pytest.approx(0.01)
    again = lo.search(problem, Fixed("all-analog"), storage="sqlite:///k.db")
    assert len(problem.oracle.asked) == looks
    assert again.digital.accuracy.samples.tolist() == result.digital.accuracy.samples.tolist()
    [study] = optuna.get_all_study_summaries("sqlite:///k.db")
    assert study.n_trials == 1, "all-digital is no trial"

    exact = tiny_problem()
    counted = replace(exact, oracle=Int8Host(exact.oracle, 0.0))
    lo.search(counted, Fixed("all-analog"))
    assert counted.oracle.asked == []


def test_an_all_digital_that_breaks_a_limit_is_no_way_out() -> None:
    """int8 loses more than is accepted; or all-digital takes more energy than is accepted."""
    lossy = on_int8(tiny_problem(max_drop=0.02), loss=0.03)
    result = lo.search(lossy, Fixed("all-digital"))
    assert result.best is None and result.outcome == "nothing feasible; all-digital breaks drop"

    problem = tiny_problem(targets=("cpu", "slow"), max_drop=1.0)
    energy_j = problem.cost(problem.all_digital).energy_j
    tight = replace(problem, cost_limits={"energy_j": 0.5 * energy_j})
    result = lo.search(tight, Fixed("all-analog"))
    assert result.best is None
    assert result.outcome == "nothing feasible; all-digital breaks energy_j"
    row = show_row(result)
    assert row["feasible"] is False and row["mapping"] is None

    # a slow mapping is all that can be had where all-digital keeps no limit
    lossy = on_int8(made_up_problem(), loss=0.2)
    digital = lossy.evaluate(lossy.pretrained(lossy.all_digital))
    slow = answer(lossy, 0, 0.0)
    only = search("x", slow, problem=lossy, digital=digital)
    assert not digital.feasible and only.best is slow


def test_units_that_the_host_cannot_run_rule_it_out() -> None:
    problem = tiny_problem()
    host, *others = problem.system.targets
    small = host.model_copy(update={"kernel": (3, 3)})
    system = problem.system.model_copy(update={"targets": (small, *others)})
    forced = replace(problem, system=system)
    assert forced.forced == ("fc0", "fc1", "fc2", "fc3", "fc4")
    result = search("x", problem=forced)
    assert result.best is None
    assert (
        result.outcome == "nothing feasible; all-digital is no option: fc0 cannot run on the host"
    )


def test_an_old_record_recommends_nothing_slower_either() -> None:
    """All-digital was not measured then, on an int8 host; its cost is known all the same."""
    problem = on_int8(tiny_problem(targets=("cpu", "slow"), max_drop=1.0))
    slow = problem.evaluate(problem.pretrained(problem.all_analog))
    result = search("old", slow, problem=problem)
    assert slow.feasible and result.best is None
    assert result.outcome == "nothing costs less than all-digital"
    assert search("old", problem=problem).outcome == (
        "nothing feasible; all-digital has not been measured yet"
    )


def test_savings_count_in_the_order_of_the_objectives() -> None:
    problem = made_up_problem(objectives=("energy_j", "latency_s"))
    digital = problem.digital_cost
    layer = digital.layers[0]

    def costing(latency_s: float, energy_j: float) -> bool:
        first = replace(layer, components={"compute": (latency_s, energy_j)})
        return saves(problem, replace(digital, layers=(first, *digital.layers[1:])))

    assert costing(2.0, 0.5) and not costing(0.5, 2.0)
    assert costing(0.5, 1.0) and not costing(1.0, 1.0)
    assert not costing(1.0, 1.0 - 1e-12), "rounding is no saving"
    only_drop = replace(problem, objectives=("drop",))
    assert saves(only_drop, problem.cost(problem.all_analog))
    assert not saves(only_drop, digital)


def test_the_best_of_several_searches() -> None:
    problem = made_up_problem(objectives=("latency_s",))
    slow, fast = answer(problem, 1, 0.0), answer(problem, 3, 0.0)
    none = search("none", answer(problem, 5, 0.5), problem=problem)
    one = search("one", slow, problem=problem)
    both = search("both", answer(problem, 5, 0.5), fast, problem=problem, seed=2)
    assert best_of([none, one, both]) is fast
    assert best_search([none, one, both]) is both and both.best_trial == 1
    assert outcome_of([none, one]) == "" and outcome_of([none]) == none.outcome
    assert best_of([none]) is None and best_search([none]) is none


def test_show_and_compare_print_it(capsys: pytest.CaptureFixture[str]) -> None:
    problem = tiny_problem(targets=("cpu", "slow"), max_drop=1.0)
    results = [lo.search(problem, Fixed("all-analog"))]
    show_tables.print_show(results)
    comparison_tables.print_comparison(compare(results).data)
    shown, compared = capsys.readouterr().out.split("What was spent")
    for text in (shown, compared):
        assert NOTHING in " ".join(text.lower().split())

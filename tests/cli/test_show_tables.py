"""Tables of `show`: they fit 80 columns, and say what was found, tested and judged."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import ODD_LABELS, answer, made_up_problem, priced_problem, search

from lionheart_opt.cli import show_tables
from lionheart_opt.results.calibration import calibration_costs
from lionheart_opt.results.report import show_row


def test_show_says_who_found_what(printed):
    problem = made_up_problem()
    results = [
        *(search(name, answer(problem, 2, 0.02), problem=problem) for name in ODD_LABELS),
        *(search("twins", answer(problem, 1, 0.01), problem=problem, seed=k) for k in (0, 1, 2)),
        search("hopeless", answer(problem, 5, 0.5), problem=problem),
        search("not measured", answer(problem, 5, None), problem=problem),
    ]
    out = printed(show_tables.print_show, results)
    for words in (*ODD_LABELS[:3], "twins (0-2)", "hopeless: nothing", "drop in 1 of 1", "1.25x"):
        assert words in out
    assert out.count("fc0 fc1") == 1, "each mapping once"


def test_show_has_a_column_for_each_final_check(printed):
    problem = made_up_problem()
    evaluation = answer(problem, 2, 0.02)
    checks = {evaluation.candidate.digest: {"test": answer(problem, 2, 0.035).accuracy}}
    out = printed(show_tables.print_show, [search("x", evaluation, problem=problem, checks=checks)])
    assert "+2.00" in out and "+3.50" in out and "measured once more" in out


def test_what_a_calibration_takes(printed, capsys):
    problem = made_up_problem()
    results = [
        *(search(name, answer(problem, 2, 0.02), problem=problem) for name in ODD_LABELS),
        search("digital", answer(problem, 0, 0.0), problem=problem),
    ]
    costs = calibration_costs(results, {"compensation": "columns"})
    out = printed(show_tables.print_calibrations, results, costs)
    assert "128" in out and "digital" not in out
    assert f"{costs[0].inferences(0.01):,}" in out and "within 1 % of time" in out
    show_tables.print_calibrations(results, calibration_costs(results, {}))
    assert capsys.readouterr().out == ""


def test_show_has_the_verdict_and_its_bound(printed):
    problem = made_up_problem(objectives=("latency_s",))
    answers = [answer(problem, k, 0.01 * k) for k in (1, 3)]
    digests = tuple(each.candidate.digest for each in answers)

    def shown(*drops, trainings=1) -> str:
        names = ["test", *(f"test, training {k + 1}" for k in range(1, trainings))]
        checks = {
            digest: dict.fromkeys(names, answer(problem, 1, drop).accuracy)
            for digest, drop in zip(digests, drops, strict=False)
        }
        run = search("x", *answers, problem=problem, checks=checks, order=digests)
        return printed(show_tables.print_show, [run])

    best = shown(0.011, 0.031)
    assert "verdict" in best and "+3.10" in best and "verified" in best
    assert "not verified" not in best and "trainings" not in best
    safer = shown(0.011, 0.2)
    assert "not so trial 1, 1.43x" in safer and "1.11x" in safer and "+1.10" in safer
    nothing = shown(0.3)
    assert "not verified" in nothing and "+30.00" in nothing
    assert "3 trainings" in shown(0.011, 0.031, trainings=3)


def test_show_sends_bad_chips_to_a_quantile(printed):
    problem = made_up_problem()
    good = answer(problem, 1, 0.01)
    accuracy = replace(good.accuracy, samples=np.array([[0.89]] * 9 + [[0.3]]))
    bad = problem.evaluation(good.candidate, accuracy)
    out = printed(show_tables.print_show, [search("x", bad, problem=problem)])
    assert "1 of 10 chips lose" in out and "quantile = 0.9" in out
    assert "chips lose" not in printed(show_tables.print_show, [search("x", good, problem=problem)])


def test_show_says_how_well_costs_and_gains_are_known(printed):
    problem = priced_problem()
    run = search("x", answer(problem, 2, 0.02), problem=problem)
    out = printed(show_tables.print_show, [run])
    for estimate in (run.best_estimates[name] for name in ("latency_s", "energy_j", "speedup")):
        assert f"x/{(estimate.high / estimate.low) ** 0.5:.2f}" in out
    assert out.count("x/1.40") == 1, "what it means is said once"
    assert "up to which factor they are known" in " ".join(out.split())
    problem = made_up_problem()
    unknown = printed(
        show_tables.print_show, [search("x", answer(problem, 2, 0.02), problem=problem)]
    )
    assert "x/" not in unknown and "which factor" not in " ".join(unknown.split())


@pytest.mark.parametrize(("has_ended", "said"), [(False, True), (True, False), (None, False)])
def test_a_search_that_has_not_ended_is_marked(printed, has_ended, said):
    problem = made_up_problem()
    made = search("x", answer(problem, 1, 0.01), problem=problem)
    result = replace(made, has_ended=has_ended)
    assert show_row(result)["ended"] is has_ended
    text = printed(show_tables.print_show, [result])
    assert ("1 so far" in text) == ("So far:" in text) == said

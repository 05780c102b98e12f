"""Tables of `compare`: they fit 80 columns and show text as it is."""

import pytest
from made_up_runs import answer, made_up_problem, priced_problem, search

from lionheart_opt.cli import comparison_tables
from lionheart_opt.results import wording
from lionheart_opt.results.comparison import comparison
from lionheart_opt.study.plan import Budget

LABELS = ("random", "[/x]", "[red]y[/red]", "a long label of a strategy with several words in it")


@pytest.fixture
def printed(capsys, monkeypatch):
    """What `compare` prints at 80 columns; no number is cut."""
    monkeypatch.setattr(wording, "PIPE_WIDTH", 80)

    def read(data) -> str:
        comparison_tables.print_comparison(data)
        out = capsys.readouterr().out
        assert out and max(map(len, out.splitlines())) <= 80
        assert "…" not in out
        return out

    return read


def results(**fields):
    """Four strategies of two seeds, with a final check of everything."""
    problem = made_up_problem()
    made = []
    for k, label in enumerate(LABELS):
        for seed in (0, 1):
            evaluations = [answer(problem, n, 0.004 * n + 0.003 * k) for n in (0, 1, 3 + seed)]
            checks = {
                evaluation.candidate.digest: {
                    "test": answer(problem, n, 0.2).accuracy,
                    "fresh draws": answer(problem, n, 0.001).accuracy,
                }
                for n, evaluation in enumerate(evaluations)
            }
            made.append(
                search(
                    label,
                    *evaluations,
                    problem=problem,
                    seed=seed,
                    strategy=label,
                    checks=checks,
                    proposals=5,
                    **fields,
                )
            )
    return made


def test_all_tables_fit_80_columns_and_labels_are_text(printed):
    truth = search(
        "ground truth",
        *(answer(made_up_problem(), n, 0.004 * n) for n in range(6)),
        problem=made_up_problem(),
    )
    out = printed(comparison(results(), truth))
    for words in (*LABELS[:3], "beats random", "all 6 mappings", "ground truth", "fresh draws"):
        assert words in out
    assert "2 of 2" in out and "0 of 2" in out, "seeds within the threshold"


def test_what_is_not_known_is_left_out(printed):
    problem = made_up_problem(cost_limits={"latency_s": 1e-9})
    out = printed(comparison([search("x", answer(problem, 5, None), problem=problem)]))
    for words in ("ground truth", "beats random", "measured once more", "beyond that of the best"):
        assert words.lower() not in out.lower()
    assert "0 of 1" in out


def test_different_budgets_are_said(printed):
    same = results(budget=Budget(trials=9, oracle_s=7200.0))
    out = printed(comparison(same))
    assert "The budgets differ" not in out and "9 trials or" in out
    assert "The budgets differ" in " ".join(printed(comparison([*same, results()[0]])).split())


def test_gains_of_the_best_mappings_say_how_well_they_are_known(printed):
    problem = priced_problem()
    run = search("x", answer(problem, 2, 0.02), problem=problem, strategy="x")
    out = printed(comparison([run]))
    gain = run.best_estimates["speedup"]
    assert f"x/{(gain.high / gain.low) ** 0.5:.2f}" in out and "x/1.40" in out
    assert "x/" not in printed(comparison(results()))


def test_ratios_of_costs_say_whether_mappings_are_told_apart(printed):
    problem = priced_problem()
    runs = [
        search(label, answer(problem, k, 0.02), problem=problem, strategy=label)
        for label, k in (("few", 2), ("many", 3), ("as many", 3))
    ]
    data = comparison(runs)
    few, many, same = (row["costs_over_best"]["latency_s"] for row in data["strategies"])
    out = printed(data)
    low, high = few["interval"]
    assert f"{few['ratio']:.3f}x" in out and f"{low:.3f}-{high:.3f}" in out
    assert many == same == {"ratio": 1.0, "interval": [1.0, 1.0], "told_apart": False}
    assert "time per" not in out, "the same as the latency"
    assert "not told apart" not in out
    few["interval"], few["told_apart"] = [0.9, 1.2], False
    assert "not told apart" in printed(data)
    assert "multiples" not in printed(comparison(runs[:1]))


def test_gains_within_each_drop_say_how_well_they_are_known(printed):
    problem = priced_problem()
    run = search("x", answer(problem, 2, 0.02), problem=problem, strategy="x")
    out = printed(comparison([run]))
    gain = run.best_estimates["energy_gain"]
    table = out[out.index("Largest energy gain") :]
    # within 3, 5 and 10 points
    assert table.count(f"x/{(gain.high / gain.low) ** 0.5:.2f}") == 3
    assert "as above" in table and "as above" not in printed(comparison(results()))


def test_the_gap_to_the_ground_truth_has_an_interval(printed):
    problem = priced_problem()
    run, same = (search("x", answer(problem, k, 0.02), problem=problem) for k in (2, 4))
    truth = search("ground truth", answer(problem, 4, 0.02), problem=problem)
    data = comparison([run], truth)
    low, high = data["strategies"][0]["thresholds"][-1]["speedup_gap_interval"]
    out = printed(data)
    assert f"{100 * low:.1f} to {100 * high:.1f}" in out
    table = out[out.index("How far the median") :]
    assert "their ratio is known better" in " ".join(table.split())
    table = printed(comparison([same], truth))
    assert "their ratio" not in table[table.index("How far the median") :]

"""Strategies side by side, over several seeds and against the ground truth: what `compare` says."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.accuracy import Accuracy, Enumerates, KnowsTrainings
from lionheart_opt.errors import InputError
from lionheart_opt.estimates import Estimate, names_with_ends, with_ends
from lionheart_opt.limits import drop_excess
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.results.at_thresholds import (
    COMPARED,
    gain_estimates,
    gap_below,
    median_interval,
    with_all_digital,
)
from lionheart_opt.results.beside_best import (
    costs_over_best,
    drop_above_best,
    over_best_columns,
)
from lionheart_opt.results.best import outcome_of
from lionheart_opt.results.history import final_hypervolume
from lionheart_opt.results.metrics import thresholds
from lionheart_opt.results.report import GAINS, median_draws, show_row
from lionheart_opt.results.result import SearchResult
from lionheart_opt.results.verdict import final_bounds, is_again, keeps
from lionheart_opt.results.wording import sentence
from lionheart_opt.space import every_mapping, size
from lionheart_opt.statistics.bounds import Bounds
from lionheart_opt.study.specification import differences

if TYPE_CHECKING:
    import pandas

    from lionheart_opt.study.file import StudyFile

#: Chance below which a difference between two strategies counts as shown.
SIGNIFICANCE = 0.05
TRUTH = "ground truth"


def ground_truth(problem: Problem, oracle: object) -> SearchResult | None:
    """Every mapping, evaluated as a search would: with the problem's training, limits and draws.

    A search whose candidates ask for other trainings is measured against the same ground truth, and
    may even beat it.

    Args:
        problem: The question.
        oracle: The oracle of the study.

    Returns:
        None if the oracle cannot list its mappings, or lacks one.
    """
    if not isinstance(oracle, Enumerates):
        return None
    if isinstance(oracle, KnowsTrainings):  # counting takes no time
        rows = sum(training == problem.training for training in oracle.trainings)
        if rows < size(problem):
            return None
    recorded = set(oracle.mappings(problem.training))
    if len(recorded) < size(problem) or not recorded.issuperset(every_mapping(problem)):
        return None
    evaluations = [problem.evaluate(Candidate(mapping)) for mapping in every_mapping(problem)]
    return SearchResult(
        label=TRUTH,
        seed=problem.seed,
        problem=problem,
        evaluations=evaluations,
        digital=evaluations[0],
    )


def names(files: Sequence[StudyFile]) -> list[str]:
    """What tables call studies: the folder's name, the whole path where two folders have the same."""
    plain = [file.name for file in files]
    return [str(file.path) if plain.count(file.name) > 1 else file.name for file in files]


def check_same_question(files: Sequence[StudyFile]) -> None:
    """Refuse studies whose hypervolumes and thresholds mean different things.

    Files of the same name in different folders are different files.

    Raises:
        InputError: Something other than the objectives differs; the message says what.
    """
    first, *others = files
    for other in others:
        a, b = (
            {**_located(file.question, file.folder), "objectives": None} for file in (first, other)
        )
        between = names([first, other])
        if lines := differences(a, b, names=(between[0], between[1])):
            raise InputError(
                f"{between[0]} and {between[1]} answer different questions, and cannot be compared: "
                f"{'; '.join(lines)}"
            )


def _located(value: Any, folder: Path) -> Any:
    """The same plain data, names of files in the folder made absolute."""
    if isinstance(value, dict):
        return {key: _located(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_located(inner, folder) for inner in value]
    with suppress(OSError, ValueError):  # no name that a file could have
        if isinstance(value, str) and value and (folder / value).exists():
            return str((folder / value).resolve())
    return value


@dataclass(frozen=True, repr=False)
class Comparison:
    """Strategies side by side.

    Args:
        data: What `lionheart-opt compare --json` prints: what is compared, the ground truth, and a row
            for each strategy.
    """

    data: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return self.data

    def to_frame(self) -> pandas.DataFrame:
        """One row a strategy: medians over seeds, and the best gains at each threshold.

        Columns: `strategy`, `seeds`, `seeds_feasible`, `seeds_beating_all_digital`, `trials`, `oracle_s`,
        `draws`, `repeats`, `drop`, `speedup`, `energy_gain`, the ends of their intervals (`speedup_low`,
        `speedup_high`, ...: medians over seeds, too), `analog_mac_ratio`, `hypervolume`,
        `hypervolume_share` (of the ground truth), and `speedup_at_X` for each largest drop X, with
        `speedup_at_X_low` and `speedup_at_X_high`. `latency_over_best`, `interval_over_best` and
        `energy_over_best`, with their ends, too: how many times as much the strategy's best mapping costs
        as the best of all. Where 1 lies within the ends, the two are not told apart.
        """
        import pandas

        counts = (
            *("strategy", "seeds", "seeds_feasible", "seeds_beating_all_digital"),
            *("trials", "draws", "repeats"),
        )
        rows = []
        for row in self.data["strategies"]:
            at = {
                name: value
                for threshold in row["thresholds"]
                for name, value in _columns_at(threshold).items()
            }
            rows.append(
                {
                    **{key: row[key] for key in counts},
                    "oracle_s": row["oracle_seconds"],
                    **{key: row[key] for key in ("drop", *GAINS)},
                    "hypervolume": row["hypervolume"]["median"],
                    "hypervolume_share": row["hypervolume_share"],
                    **at,
                    **over_best_columns(row["costs_over_best"]),
                }
            )
        frame = pandas.DataFrame(rows)
        # where no strategy has a value, there are only Nones
        return frame.astype({key: float for key in frame.columns if key not in counts[:4]})

    def __repr__(self) -> str:
        rows = self.data["strategies"]
        best = max(rows, key=lambda row: row["hypervolume"]["median"])
        outcome = self.data["outcome"]
        return (
            f"Comparison({len(rows)} strategies, drop at most {self.data['max_drop']:g}; largest median "
            f"hypervolume: {best['strategy']}, {best['hypervolume']['median']:.3g}"
            f"{'; ' * bool(outcome)}{outcome})"
        )

    def __str__(self) -> str:
        table = self.to_frame().to_string(index=False)
        outcome = self.data["outcome"]
        return f"{table}\n{sentence(outcome)}" if outcome else table

    def _repr_html_(self) -> str:
        table, outcome = self.to_frame().to_html(index=False), self.data["outcome"]
        return f"<p>{escape(sentence(outcome))}</p>{table}" if outcome else table


def compare(results: Sequence[SearchResult], truth: SearchResult | None = None) -> Comparison:
    """The strategies of several searches side by side.

    Args:
        results: Of all strategies and seeds; answers to one question.
        truth: Every mapping evaluated, see `ground_truth`.

    Raises:
        InputError: There are no results.
    """
    if not results:
        raise InputError("compare: no results")
    return Comparison(comparison(results, truth))


def comparison(runs: Sequence[SearchResult], truth: SearchResult | None = None) -> dict[str, Any]:
    """What is compared, the ground truth, and one row a strategy: the data of `Comparison`."""
    limit = runs[0].problem.accuracy_limit
    labels = dict.fromkeys(run.label for run in runs)
    grouped = {label: [run for run in runs if run.label == label] for label in labels}
    volumes = {label: [final_hypervolume(run) for run in mine] for label, mine in grouped.items()}
    chance = _random_label(runs)
    budgets = {run.budget for run in runs}
    return {
        "max_drop": limit.max_drop,
        "metric": runs[0].metric.to_json(),
        "outcome": outcome_of(runs),
        "budgets_differ": len(budgets) > 1,
        "random": chance,
        "ground_truth": truth and _truth_row(truth),
        "strategies": [
            {
                **_search_row(label, mine, runs),
                "hypervolume": _quartiles(volumes[label]),
                "hypervolume_share": truth and _share(volumes[label], final_hypervolume(truth)),
                "beats_random": beats(volumes[label], volumes[chance])
                if chance is not None and label != chance
                else None,
                "thresholds": [_threshold_row(mine, t, truth) for t in thresholds(limit)],
            }
            for label, mine in grouped.items()
        ],
    }


def beats(mine: Sequence[float], others: Sequence[float]) -> dict[str, Any]:
    """Whether a strategy is better than another over seeds: Mann-Whitney's U test, two-sided.

    The only chance is in the seeds of the searches: network and draws are the same for both.

    Args:
        mine: Final hypervolumes of the strategy, one a seed.
        others: Final hypervolumes of the strategy that it is compared with.

    Returns:
        `verdict`: `yes`, `no` (the other one is better) or `not shown`; and `p_value`, not corrected for
        the number of strategies.
    """
    if np.ptp([*mine, *others]) == 0.0:
        return {"verdict": "not shown", "p_value": 1.0}
    from scipy.stats import mannwhitneyu  # slow to import

    result = mannwhitneyu(mine, others)
    better = result.statistic > len(mine) * len(others) / 2.0
    shown = result.pvalue < SIGNIFICANCE
    return {
        "verdict": ("yes" if better else "no") if shown else "not shown",
        "p_value": float(result.pvalue),
    }


def _random_label(runs: Sequence[SearchResult]) -> str | None:
    """The label of random search, which all others are compared with; None if it did not run."""
    labels = [run.label for run in runs if run.strategy == "random"]
    return "random" if "random" in labels else next(iter(labels), None)


def _quartiles(values: Sequence[float]) -> dict[str, Any]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return {"median": middle, "quartiles": [low, high]}


def _share(volumes: Sequence[float], whole: float) -> float | None:
    return float(np.median(volumes)) / whole if whole > 0 else None


def _search_row(
    label: str, runs: Sequence[SearchResult], everyone: Sequence[SearchResult]
) -> dict[str, Any]:
    """What was spent, and the incumbents: medians over seeds."""
    rows = [show_row(run) for run in runs]
    feasible = [row for row in rows if row["feasible"]]
    repeats = [run.repeats for run in runs if run.repeats is not None]
    drops = [run.best_checks for run in runs]
    above = drop_above_best(runs, everyone)

    def median(key: str) -> float | None:
        values = [row[key] for row in feasible if row[key] is not None]
        return float(np.median(values)) if values else None

    return {
        "strategy": label,
        "seeds": len(runs),
        "seeds_feasible": len(feasible),
        "seeds_beating_all_digital": sum(row["beats_all_digital"] for row in rows),
        "budget": {"trials": runs[0].budget.trials, "oracle_s": runs[0].budget.oracle_s},
        "trials": float(np.median([row["trials"] for row in rows])),
        "oracle_seconds": float(np.median([row["oracle_seconds"] for row in rows])),
        "draws": median_draws(runs),
        "diverged": sum(len(row["diverged"]) for row in rows),
        "repeats": float(np.median(repeats)) if repeats else None,
        "drop": median("drop"),
        "drop_above_best": above
        and {"estimate": above.estimate, "interval": [above.low, above.high]},
        "costs_over_best": costs_over_best(runs, everyone),
        "drop_in_checks": {
            name: float(np.median([checks[name] for checks in drops if name in checks]))
            for name in dict.fromkeys(name for checks in drops for name in checks)
        },
        **{key: median(key) for key in GAINS},
        "seeds_verified": sum(row["verdict"] == "verified" for row in rows),
        "mappings": len({tuple(sorted(row["mapping"].items())) for row in feasible}),
    }


def _truth_row(truth: SearchResult) -> dict[str, Any]:
    rows = []
    for max_drop in thresholds(truth.problem.accuracy_limit):
        known = with_ends(gain_estimates(truth, max_drop))
        rows.append({"max_drop": max_drop, **dict.fromkeys(names_with_ends(COMPARED)), **known})
    return {
        "mappings": len(truth.evaluations),
        "hypervolume": final_hypervolume(truth),
        "thresholds": rows,
    }


def _threshold_row(
    runs: Sequence[SearchResult], max_drop: float, truth: SearchResult | None
) -> dict[str, Any]:
    seeds = [gain_estimates(run, max_drop) for run in runs]
    gains = {
        name: {
            **_quartiles([gain.value for gain in estimates]),
            "interval": median_interval(estimates),
        }
        for name, estimates in with_all_digital(runs[0].problem, seeds).items()
    }
    return {
        "max_drop": max_drop,
        "seeds_found": sum(map(bool, seeds)),
        "speedup": gains["speedup"],
        **gap_below(runs, max_drop, truth),
        "energy_gain": gains["energy_gain"],
        "checks": _checks_row(runs, max_drop),
    }


def _columns_at(threshold: dict[str, Any]) -> dict[str, float | None]:
    """The speed-up within a drop and the ends of its interval, as columns of a frame."""
    speedup, name = threshold["speedup"], f"speedup_at_{threshold['max_drop']:g}"
    return with_ends({name: Estimate(speedup["median"], *(speedup["interval"] or ()))})


def _checks_row(runs: Sequence[SearchResult], max_drop: float) -> dict[str, Any]:
    """Name of a final check -> what it says of each seed's fastest mapping at the threshold."""
    by_check: dict[str, list[Accuracy]] = {}
    for run in runs:
        fastest = run.fastest_at(max_drop)
        checks = run.checks.get(fastest.candidate.digest, {}) if fastest else {}
        for name, accuracy in checks.items():
            if not is_again(name):
                by_check.setdefault(name, []).append(accuracy)
    limit = runs[0].problem.accuracy_limit
    rows: dict[str, Any] = {}
    for name, accuracies in by_check.items():
        drops = [final_bounds(limit, [accuracy]) for accuracy in accuracies]
        within = replace(limit, max_drop=max_drop)
        rows[name] = {
            "seeds": len(accuracies),
            "seeds_within": sum(drop_excess(drop.estimate, max_drop) <= 0 for drop in drops),
            "seeds_verified": sum(keeps(within, drop) for drop in drops),
            "drop": _envelope(drops),
        }
    return rows


def _envelope(seeds: Sequence[Bounds]) -> dict[str, Any]:
    """The median over seeds; the interval reaches from the lowest to the highest bound of any seed."""
    return {
        "median": float(np.median([bounds.estimate for bounds in seeds])),
        "interval": [
            min(bounds.low for bounds in seeds),
            max(bounds.high for bounds in seeds),
        ],
    }

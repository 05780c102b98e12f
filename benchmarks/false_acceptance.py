"""How often a limit is accepted that does not hold: one mapping at it, and the winner of a search.

    python benchmarks/false_acceptance.py mappings
    python benchmarks/false_acceptance.py measure table.npz
    python benchmarks/false_acceptance.py search table.npz

`mappings` decides made-up mappings whose true drop, over chips and the population of examples, is
exactly the limit. `measure` measures a small digit classifier in every mapping on many chips, without
training, at four times, and keeps which examples are right. `search` resamples chips and examples of
such a table: what it holds is the population, so that every true drop is known. Candidates are mappings
at one of the times, and the cheapest that is accepted is the candidate of the search. With
`--costs worst`, the more a mapping truly loses, the cheaper it is: no search can be luckier. `verified`
is what a verdict makes of it with as many fresh chips and examples: the cheapest mapping on its ladder
that is shown to keep the limit, or all-digital. Both commands compare the limit with the older one,
which is about the given examples (`over="examples"`).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.results.finalists import steps
from lionheart_opt.results.verdict import final_bounds, keeps
from lionheart_opt.statistics.outcomes import Outcomes

OVER = ("population", "examples")
#: Mean and deviation of made-up margins: 91 % of the examples are right.
MARGIN = 1.34
#: Deviations of what a margin changes by: always, and anew on every chip.
OWN, ANEW = 0.25, 0.15
#: Dearer mappings that a search has tried beside its candidate.
OTHERS = 30


def levels(rng: np.random.Generator, n: int, skewness: float) -> np.ndarray:
    """Draws of mean 0, deviation 1 and the given skewness."""
    if not skewness:
        return rng.normal(size=n)
    shape = 4.0 / skewness**2
    return (rng.gamma(shape, size=n) - shape) / np.sqrt(shape)


class MadeUp:
    """Chips that shift the margins of all examples, so that their drops have a mean and a deviation."""

    def __init__(self, drop: float, deviation: float, skewness: float) -> None:
        rng = np.random.default_rng(0)
        margins = rng.normal(MARGIN, 1.0, 400_000)
        self._shifts = np.linspace(-0.8, 2.5, 133)
        width = np.hypot(OWN, ANEW)
        right = (margins > 0).mean()
        self._drops = np.array([right - ndtr((margins - s) / width).mean() for s in self._shifts])
        # drops themselves have the skewness: chips are drawn by their drop
        self._mean, self._deviation, self._skewness = drop, deviation, skewness
        self.true_drop = float(
            np.clip(drop + deviation * levels(rng, 10**6, skewness), *self._drops[[0, -1]]).mean()
        )

    def outcomes(self, rng: np.random.Generator, n_examples: int, draws: int) -> Outcomes:
        """A sample of examples on a sample of chips."""
        drops = self._mean + self._deviation * levels(rng, draws, self._skewness)
        shifts = np.interp(drops, self._drops, self._shifts)
        margins = rng.normal(MARGIN, 1.0, n_examples)
        own = OWN * rng.normal(size=n_examples) + ANEW * rng.normal(size=(draws, n_examples))
        return Outcomes.of(margins > 0, (margins + own - shifts[:, None] > 0)[:, None])


def decided(limit: AccuracyLimit, outcomes: Outcomes) -> tuple[Accuracy, int]:
    """What has been seen when it is decided, and the passes of an example through the network of that."""
    times_s = limit.times_s
    whole = replace(Accuracy.of(outcomes, times_s=times_s), of_examples=outcomes.n_examples)
    accuracy = part(whole, limit.first_look)
    while (look := limit.next_look(accuracy)) is not None:
        more = part(whole, look)
        accuracy = accuracy.extend(more) if look.draws[0] else accuracy.widen(more)
    return accuracy, len(accuracy.samples) * (accuracy.n_examples or 0)


def part(whole: Accuracy, look: Fidelity) -> Accuracy:
    """What a look shows."""
    answer = whole.part(look)
    assert answer is not None
    return answer


def mappings(repetitions: int) -> list[dict[str, Any]]:
    """Share of accepted mappings exactly at the limit, for numbers of examples, drops and chips."""
    rows = []
    for n_examples in (377, 1000, 5000):
        for drop in (0.005, 0.01, 0.02, 0.05):
            for skewness in (0.0, 1.5):
                for spread in (0.25, 0.8):
                    made_up = MadeUp(drop, spread * drop, skewness)
                    rng = np.random.default_rng(1)
                    counts = dict.fromkeys(OVER, 0)
                    for _ in range(repetitions):
                        outcomes = made_up.outcomes(rng, n_examples, 20)
                        for over in OVER:
                            limit = AccuracyLimit(max_drop=made_up.true_drop, time_s=1.0, over=over)
                            accuracy, _ = decided(limit, outcomes)
                            counts[over] += limit.decision(accuracy) == "holds"
                    rows.append(
                        {
                            "n_examples": n_examples,
                            "drop": drop,
                            "deviation": spread * drop,
                            "skewness": skewness,
                            **{f"accepted, {over}": counts[over] / repetitions for over in OVER},
                        }
                    )
                    print(json.dumps(rows[-1]), flush=True)
    return rows


def measure(path: Path, draws: int) -> None:
    """Which examples a digit classifier gets right, in every mapping, on so many chips."""
    import lionheart_opt as lo
    from lionheart_opt.space import every_mapping

    file = Path(__file__).parents[1] / "studies" / "quickstart" / "study.toml"
    text = file.read_text().replace("validation_fraction = 0.3", "validation_fraction = 0.4")
    text = text.replace("[1.0, 86400.0]", "[1.0, 3600.0, 86400.0, 31536000.0]")
    folder = path.parent / f"{path.stem}-study"
    folder.mkdir(exist_ok=True)
    (folder / "study.toml").write_text(text)
    study = lo.load(folder)
    problem, oracle = study.problem, study.problem.oracle
    chosen = list(every_mapping(problem))
    asked = [problem.pretrained(each).with_training("none") for each in chosen]
    everything = Fidelity(draws=(0, draws))
    oracle.expect([each for each in asked if each.mapping != problem.all_digital], everything, 0)
    answers = [oracle.accuracy(each, everything, 0) for each in asked]
    known = [answer for answer in answers if answer.outcomes is not None]
    np.savez_compressed(
        path,
        baseline=known[0].outcomes.right_at_baseline,
        right=np.stack([answer.outcomes.draws for answer in known]),
        cost=np.array(
            [
                problem.cost(each).latency_s / problem.digital_cost.latency_s
                for each, answer in zip(chosen, answers, strict=True)
                if answer.outcomes is not None
            ]
        ),
    )


def search(
    path: Path, repetitions: int, are_worst: bool, numbers: list[int]
) -> list[dict[str, Any]]:
    """How often the winner of a search breaks the limit, and its speed-up; all-digital may win."""
    with np.load(path) as file:
        baseline, packed, costs = file["baseline"], file["right"], file["cost"]
    right = np.unpackbits(packed, axis=-1, count=len(baseline)).astype(bool)
    right = right.transpose(0, 2, 1, 3).reshape(-1, right.shape[1], len(baseline))  # a time each
    drops = baseline.mean() - right.mean((1, 2))
    costs = np.repeat(costs, len(right) // len(costs))
    if are_worst:  # all-digital costs 1, the one that loses most a tenth of it
        costs = np.interp(drops, [0.0, drops.max()], [1.0, 0.1])
    rows = []
    for n_examples in numbers:
        for max_drop in (0.01, 0.02):
            for n_candidates in (30, len(right)):
                rng = np.random.default_rng(0)
                won: dict[str, list[int | None]] = {kind: [] for kind in (*OVER, "verified")}
                best = []
                for _ in range(repetitions):
                    candidates = rng.choice(len(right), n_candidates, replace=False)
                    candidates = candidates[np.argsort(costs[candidates], kind="stable")]
                    candidates = candidates[costs[candidates] < 1.0]
                    population = Population(baseline, right, rng, n_examples)
                    good = candidates[(drops <= max_drop)[candidates]]
                    best.append(1.0 / min([*costs[good], 1.0]))
                    for over in OVER:
                        limit = AccuracyLimit(max_drop=max_drop, time_s=1.0, over=over)
                        looked = (
                            each for each in candidates if population.high(limit, each) is not None
                        )
                        won[over].append(next(looked, None))
                    limit = AccuracyLimit(max_drop=max_drop, time_s=1.0)
                    winner = won["population"][-1]
                    dearer = (
                        candidates[costs[candidates] > costs[winner]] if winner is not None else []
                    )
                    others = rng.choice(dearer, min(len(dearer), OTHERS), replace=False)
                    won["verified"].append(verified(limit, population, winner, others, costs))
                row: dict[str, Any] = {
                    "n_examples": n_examples,
                    "max_drop": max_drop,
                    "candidates": n_candidates,
                    "speedup of the best": round(float(np.mean(best)), 3),
                }
                for kind, winners in won.items():
                    excess = [drops[each] - max_drop for each in winners if each is not None]
                    gains = [1.0 if each is None else 1.0 / costs[each] for each in winners]
                    row[f"broken, {kind}"] = sum(each > 0 for each in excess) / repetitions
                    row[f"largest excess, {kind}"] = round(max([0.0, *excess]), 5)
                    row[f"speedup, {kind}"] = round(float(np.mean(gains)), 3)
                rows.append(row)
                print(json.dumps(rows[-1]), flush=True)
    return rows


class Population:
    """A table of chips and examples, of which a study sees a sample, and its verdict another one.

    Args:
        baseline: Which examples the floating-point network gets right, shape (n_examples,).
        right: Which ones each mapping gets right on each chip, shape (n_mappings, n_chips, n_examples).
        rng: Draws the samples.
        n_examples: Size of each sample; there are twenty chips.
    """

    def __init__(
        self, baseline: np.ndarray, right: np.ndarray, rng: np.random.Generator, n_examples: int
    ) -> None:
        self._baseline, self._right = baseline, right
        self._seen, self._fresh = (
            (rng.integers(right.shape[1], size=20), rng.integers(len(baseline), size=n_examples))
            for _ in range(2)
        )

    def high(self, limit: AccuracyLimit, mapping: int) -> float | None:
        """The upper bound of a mapping's drop where the limit is accepted; None where it is not."""
        accuracy = decided(limit, self._outcomes(mapping, *self._seen))[0]
        return limit.bounds(accuracy).high if limit.decision(accuracy) == "holds" else None

    def passes(self, limit: AccuracyLimit, mapping: int) -> bool:
        """Whether fresh chips and examples verify a mapping."""
        fresh = Accuracy.of(self._outcomes(mapping, *self._fresh), times_s=limit.times_s)
        return keeps(limit, final_bounds(limit, [fresh]))

    def _outcomes(self, mapping: int, chips: np.ndarray, examples: np.ndarray) -> Outcomes:
        sample = self._right[mapping][np.ix_(chips, examples)]
        return Outcomes.of(self._baseline[examples], sample[:, None])


def verified(
    limit: AccuracyLimit,
    population: Population,
    winner: int | None,
    others: np.ndarray,
    costs: np.ndarray,
) -> int | None:
    """The mapping that a verdict verifies, of the winner and of safer ones that a search has tried."""
    if winner is None:
        return None
    accepted = [
        (each, high) for each in others if (high := population.high(limit, each)) is not None
    ]
    highest = population.high(limit, winner) or 0.0
    safer = [(int(each), high) for each, high in accepted if high < highest]
    chosen = steps([high for _, high in safer], [float(costs[each]) for each, _ in safer])
    last = None
    for each in (*(safer[number][0] for number in chosen), winner):
        if not population.passes(limit, each):
            break
        last = each
    return last


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("mappings").add_argument("--repetitions", type=int, default=1000)
    measured = commands.add_parser("measure")
    measured.add_argument("table", type=Path)
    measured.add_argument("--draws", type=int, default=16)
    searched = commands.add_parser("search")
    searched.add_argument("table", type=Path)
    searched.add_argument("--repetitions", type=int, default=200)
    searched.add_argument("--examples", type=int, nargs="+", default=[377, 1000, 5000])
    searched.add_argument("--costs", choices=("real", "worst"), default="real")
    arguments = parser.parse_args()
    if arguments.command == "mappings":
        mappings(arguments.repetitions)
    elif arguments.command == "measure":
        measure(arguments.table, arguments.draws)
    else:
        are_worst = arguments.costs == "worst"
        search(arguments.table, arguments.repetitions, are_worst, arguments.examples)


if __name__ == "__main__":
    main()

"""How well cheap training ranks mappings: one-shot, short and no training against full HAT.

    python benchmarks/one_shot_rank.py STUDY --mappings 10

A random sample of a study's mappings is measured with every training level, with the same programming
draws. Printed for each level: Spearman's rank correlation with the drops after full training, mean and
mean absolute difference to them in points, and seconds of training. Evaluations are kept in the study's
storage: run again, it resumes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from scipy.stats import spearmanr

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.mapping import TRAININGS, Candidate, Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.results.live import Live
from lionheart_opt.results.report import drop_of
from lionheart_opt.space import random_unseen, size
from lionheart_opt.strategy import Proposals
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Budget, Search

QUICKSTART = Path(__file__).parents[1] / "studies" / "quickstart"


@dataclass(frozen=True)
class Sample:
    """Evaluates random mappings with every training level; larger samples begin with smaller ones.

    Args:
        mappings: Number of mappings.
    """

    mappings: int

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """One mapping a batch, so that more mappings can be added to a record."""
        seen = {problem.all_digital}
        for _ in range(min(self.mappings, size(problem) - 1)):
            mapping = random_unseen(problem, rng, seen)
            seen.add(mapping)
            yield [Candidate(mapping, training=training) for training in TRAININGS]


def measure(file: StudyFile, mappings: int, draws: int, seed: int) -> Search:
    """Run or resume the sample of a study; every candidate gets the same number of draws."""
    limit = replace(file.problem.accuracy_limit, quantile=None, draws=(draws,))
    problem = replace(
        file.problem,
        oracle=file.oracle,
        objectives=("drop",),
        accuracy_limit=limit,
        cost_limits={},
    )
    specification = {**file.oracle_specification, "times_s": list(limit.times_s)}
    name = f"one-shot-rank/seed{seed}/draws{draws}"
    record = Record(problem, OptunaKeeper.open(problem, name, file.storage, specification))
    budget = Budget(trials=mappings * len(TRAININGS))
    search = Search(record, Sample(mappings), seed, budget)
    with Live(file.oracle) as live:
        live.ended(search.run(live.start(search)))
    return search


def rows(search: Search, mappings: int) -> list[dict[str, Any]]:
    """One row a training level: drops against those of full training, and seconds a mapping."""
    drops: dict[Training, dict[Mapping, float]] = {training: {} for training in TRAININGS}
    accuracies: dict[Training, list[Accuracy]] = {training: [] for training in TRAININGS}
    for evaluation in search.record.evaluations()[: mappings * len(TRAININGS)]:
        drop, training = drop_of(search.problem, evaluation), evaluation.candidate.training
        if drop is not None and evaluation.accuracy is not None and training is not None:
            drops[training][evaluation.mapping] = drop
            accuracies[training].append(evaluation.accuracy)
    full = np.array(list(drops["full"].values()))
    return [
        {
            "training": training,
            "mappings": len(full),
            "rank_correlation": float(spearmanr(list(level.values()), full).statistic),
            "mean_gap": float(np.mean(gaps)),
            "mean_absolute_gap": float(np.mean(np.abs(gaps))),
            "mean_drop": float(np.mean(list(level.values()))),
            "training_s": float(
                np.mean([accuracy.training_s for accuracy in accuracies[training]])
            ),
            "shared_s": max(accuracy.shared_s for accuracy in accuracies[training]),
        }
        for training, level in drops.items()
        if len(gaps := np.array([level[mapping] - drops["full"][mapping] for mapping in level]))
    ]


def show(table: Sequence[dict[str, Any]]) -> None:
    print(
        f"{'':10}{'rank':>12}{'':11}{'difference to full':^22}{'training':^22}\n"
        f"{'training':10}{'correlation':>12}{'mean drop':>11}{'mean':>10}{'absolute':>12}"
        f"{'s a mapping':>13}{'s once':>9}"
    )
    for row in table:
        print(
            f"{row['training']:10}{row['rank_correlation']:12.2f}{100 * row['mean_drop']:11.2f}"
            f"{100 * row['mean_gap']:+10.2f}{100 * row['mean_absolute_gap']:12.2f}"
            f"{row['training_s']:13.1f}{row['shared_s']:9.1f}"
        )
    print(f"{table[0]['mappings']} random mappings; drops and differences in points of top-1")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", nargs="?", type=Path, default=QUICKSTART)
    parser.add_argument("--mappings", type=int, default=10)
    parser.add_argument("--draws", type=int, default=10, help="programming draws of each mapping")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = measure(StudyFile.load(options.study), options.mappings, options.draws, options.seed)
    table = rows(search, options.mappings)
    if options.json:
        print(json.dumps(table, indent=2))
    else:
        show(table)


if __name__ == "__main__":
    main()

"""How well cheap training ranks mappings: one-shot, short and no training against full HAT.

    python benchmarks/one_shot_rank.py STUDY --mappings 10
    python benchmarks/one_shot_rank.py STUDY --mappings 24 --ways 3

A random sample of a study's mappings is measured with every training level, with the same programming
draws. Printed for each level: Spearman's rank correlation with the drops after full training, mean and
mean absolute difference to them in points, and seconds of training. Evaluations are kept in the study's
storage: run again, it resumes.

With `--ways N`, ways of one-shot training are compared instead: random mappings or sandwich sampling,
with and without distillation, and as many epochs or as much time. Each is trained N times with other
seeds, and compared with full trainings of the same seeds.

Measured on the quickstart with `--mappings 24 --ways 3` (10 draws, one thread of a shared machine):

    one-shot training               rank correlation   drop   difference to full   seconds
                                     mean    least             mean   absolute
    full, another seed               0.950   0.939     1.21   +0.00     0.32         1.5 each
    random                           0.959   0.929     1.10   -0.11     0.21         5.5
    random, distilled                0.954   0.925     1.19   -0.03     0.17         7.1
    random, 4x epochs                0.944   0.905     1.23   +0.02     0.17         5.1
    sandwich                         0.959   0.946     1.02   -0.19     0.24        15.9
    sandwich, distilled              0.964   0.946     1.10   -0.12     0.17        18.6
    sandwich, 1/4 epochs             0.960   0.959     1.28   +0.07     0.15         4.1
    sandwich, distilled, 1/4 epochs  0.962   0.957     1.28   +0.07     0.14         3.7

All ways rank mappings as well as another full training does, and three trainings do not tell their rank
correlations apart. In the same time, random mappings give the smallest drop, so they are the default.
A sandwich takes three times as long for 0.1 points less.
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

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.mapping import TRAININGS, Candidate, Mapping, Training
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.problem import Problem
from lionheart_opt.results.live import Live
from lionheart_opt.results.metrics import drop_of
from lionheart_opt.space import random_unseen, size
from lionheart_opt.strategy import Proposals
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search

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
        name = search.record.name
        live.ended(name, search.run(live.start(search, name)))
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


def ways(epochs: int) -> dict[str, dict[str, Any]]:
    """Name of a way of one-shot training -> its settings; a step of a sandwich has four passes."""
    sandwich = {"one_shot_sampling": "sandwich"}
    distilled = {"one_shot_distillation": 0.5}
    longer, shorter = {"one_shot_epochs": 4 * epochs}, {"one_shot_epochs": max(1, epochs // 4)}
    return {
        "random": {},
        "random, distilled": distilled,
        "random, 4x epochs": longer,
        "random, distilled, 4x epochs": distilled | longer,
        "sandwich": sandwich,
        "sandwich, distilled": sandwich | distilled,
        "sandwich, 1/4 epochs": sandwich | shorter,
        "sandwich, distilled, 1/4 epochs": sandwich | distilled | shorter,
    }


def compare_ways(
    file: StudyFile, mappings: int, draws: int, seed: int, trainings: int
) -> list[dict[str, Any]]:
    """One row a way of one-shot training, with means over trainings; weights stay in the store."""
    base, rng = file.oracle, np.random.default_rng(seed)
    if not isinstance(base, HatOracle):
        raise SystemExit(
            f"{type(base).__name__} trains nothing; choose a study with its own oracle"
        )
    seen = {file.problem.all_digital}
    for _ in range(min(mappings, size(file.problem) - 1)):
        seen.add(random_unseen(file.problem, rng, seen))
    chosen = [mapping for mapping in seen if mapping != file.problem.all_digital]
    chosen.sort(key=lambda mapping: mapping.digest)
    time_s, fidelity = max(file.problem.accuracy_limit.times_s), Fidelity(draws=(0, draws))
    start = file.problem.pretrained

    def drops(oracle: HatOracle, training: Training, seed: int) -> tuple[np.ndarray, float]:
        asked = [start(mapping).with_training(training).resolved("full") for mapping in chosen]
        oracle.expect(asked, fidelity, seed)
        answers = [oracle.accuracy(each, fidelity, seed) for each in asked]
        seconds = answers[0].shared_s or float(np.mean([each.training_s for each in answers]))
        return np.array([each.drops_at(time_s).mean() for each in answers]), seconds

    seeds = range(seed, seed + trainings)
    full = {each: drops(base, "full", each) for each in seeds}
    again = {each: full[seed + (each - seed + 1) % trainings] for each in seeds}
    measured = {"full": full, "full, another seed": again}
    for name, changes in ways(base.settings.hat.one_shot_epochs).items():
        hat = base.settings.hat.model_copy(update=changes)
        oracle = replace(base, settings=base.settings.model_copy(update={"hat": hat}))
        measured[name] = {each: drops(oracle, "one_shot", each) for each in seeds}
    table = []
    for name, by_seed in measured.items():
        ranks = [spearmanr(by_seed[each][0], full[each][0]).statistic for each in seeds]
        gaps = [by_seed[each][0] - full[each][0] for each in seeds]
        table.append(
            {
                "way": name,
                "mappings": len(chosen),
                "trainings": trainings,
                "rank_correlation": float(np.mean(ranks)),
                "least_rank_correlation": float(np.min(ranks)),
                "mean_drop": float(np.mean([by_seed[each][0] for each in seeds])),
                "mean_gap": float(np.mean(gaps)),
                "mean_absolute_gap": float(np.mean(np.abs(gaps))),
                "training_s": float(np.mean([by_seed[each][1] for each in seeds])),
            }
        )
    return table


def show_ways(table: Sequence[dict[str, Any]]) -> None:
    print(
        f"{'':32}{'rank correlation':^18}{'':9}{'difference to full':^20}\n"
        f"{'one-shot training':32}{'mean':>9}{'least':>9}{'drop':>9}{'mean':>10}{'absolute':>10}"
        f"{'seconds':>9}"
    )
    for row in table:
        print(
            f"{row['way']:32}{row['rank_correlation']:9.3f}{row['least_rank_correlation']:9.3f}"
            f"{100 * row['mean_drop']:9.2f}{100 * row['mean_gap']:+10.2f}"
            f"{100 * row['mean_absolute_gap']:10.2f}{row['training_s']:9.1f}"
        )
    print(
        f"{table[0]['mappings']} random mappings, {table[0]['trainings']} trainings; drops and "
        "differences in points of top-1; seconds of a training (of each mapping, for full)"
    )


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
    parser.add_argument(
        "--ways",
        type=int,
        default=0,
        metavar="N",
        help="compare ways of one-shot training, N times",
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = StudyFile.load(options.study)
    if options.ways:
        table = compare_ways(file, options.mappings, options.draws, options.seed, options.ways)
    else:
        search = measure(file, options.mappings, options.draws, options.seed)
        table = rows(search, options.mappings)
    if options.json:
        print(json.dumps(table, indent=2))
    else:
        (show_ways if options.ways else show)(table)


if __name__ == "__main__":
    main()

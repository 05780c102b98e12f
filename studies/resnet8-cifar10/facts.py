"""The numbers of README.md that no verb prints.

    python studies/resnet8-cifar10/facts.py

From table.npz: the fastest mappings at each threshold, how nearly losses add up, what predicts a layer's
effect, and the mappings that were trained separately. From the records, where the study has been run:
trainings and seconds, shared against own weights, and the means of the drift study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr, t

from lionheart_opt.limits import LIONHEART_THRESHOLDS
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.space import every_mapping
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.reading import storage_to_read

HERE = Path(__file__).parent


def table_facts(file: StudyFile, table: AccuracyTable) -> None:
    """Additivity, rank correlations with each layer's mean effect, mappings trained separately."""
    mean_drops = table.baseline - table.samples[:, :, 0].mean(1)
    shared = np.array(table.trainings) == "one_shot"
    keys = [row.tobytes() for row in table.assignments]
    shared_drops = {keys[row]: mean_drops[row] for row in np.flatnonzero(shared)}
    trained = [(shared_drops[keys[row]], mean_drops[row]) for row in np.flatnonzero(~shared)]
    pairs_facts("trained separately", trained)
    drops = mean_drops[shared]
    analog = (table.assignments[shared] == table.targets.index("tile")).astype(float)
    design = np.column_stack([np.ones(len(drops)), analog])
    residual = drops - design @ np.linalg.lstsq(design, drops, rcond=None)[0]
    print(f"variance explained by a sum over layers: {1 - residual.var() / drops.var():.3f}")
    effects = [drops[on].mean() - drops[~on].mean() for on in analog.T.astype(bool)]
    alone = [drops[(analog.sum(1) == 1) & on].item() for on in analog.T.astype(bool)]
    workload = file.workload
    macs = [workload.unit_macs(workload.unit(unit)) for unit in table.units]
    for name, values in {"alone": alone, "macs": macs, **table.proxies}.items():
        correlation = spearmanr(values, effects)[0]
        print(f"rank correlation with a layer's mean effect: {name} {correlation:+.2f}")


def front_facts(file: StudyFile, table: AccuracyTable) -> None:
    """Fastest mapping that keeps each threshold, judged by all draws of the table."""
    draws = (table.samples.shape[1],)
    limit = replace(file.problem.accuracy_limit, draws=draws)
    problem = replace(file.problem, accuracy_limit=limit)
    evaluations = [problem.evaluate(Candidate(mapping)) for mapping in every_mapping(problem)]
    for max_drop in LIONHEART_THRESHOLDS:
        kept = [
            evaluation
            for evaluation in evaluations
            if evaluation.accuracy and limit.bounds(evaluation.accuracy).high <= max_drop
        ]
        best = min(kept, key=lambda evaluation: evaluation.cost.latency_s)
        assert best.accuracy is not None
        drops = 100 * best.accuracy.drops_at(max(limit.times_s))
        half = t.ppf(0.975, len(drops) - 1) * drops.std(ddof=1) / np.sqrt(len(drops))
        speedup, energy_gain = problem.gains(best.cost)
        print(
            f"within {100 * max_drop:g} points: {len(kept)} mappings, fastest {speedup:.2f}x, energy "
            f"{energy_gain:.2f}x, drop {drops.mean():+.1f} ({half:.1f}): "
            f"{' '.join(best.mapping.units_on('tile'))}"
        )


def pairs_facts(what: str, drops: Sequence[tuple[float, float]]) -> None:
    """How drops with shared weights compare with those after each mapping's own training."""
    if len(drops) < 3:
        return
    shared, own = 100 * np.array(drops).T
    gaps = own - shared
    half = t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    print(
        f"{what}: {len(drops)} mappings, rank correlation {spearmanr(shared, own)[0]:.2f}; mean drop "
        f"with shared weights {shared.mean():.1f}, own {own.mean():.1f}; own - shared "
        f"{gaps.mean():+.1f} ({half:.1f}), from {gaps.min():+.1f} to {gaps.max():+.1f} points"
    )


def training_facts(file: StudyFile) -> None:
    """Trainings and seconds of each run, and drops of the front before and after further training."""
    limit = file.problem.accuracy_limit
    for plan, record in file.records():
        drops: dict[bool, dict[Mapping, float]] = {True: {}, False: {}}
        accuracies = []
        for evaluation in record.evaluations():
            if evaluation.accuracy is not None:
                accuracies.append(evaluation.accuracy)
                is_shared = evaluation.candidate.training == "one_shot"
                drops[is_shared][evaluation.mapping] = limit.bounds(evaluation.accuracy).estimate
        trained_s = [accuracy.training_s for accuracy in accuracies if accuracy.training_s > 0]
        shared_s = max((accuracy.shared_s for accuracy in accuracies), default=0.0)
        measuring_s = sum(accuracy.evaluation_s for accuracy in accuracies)
        print(
            f"{file.path.name}, {plan.label}: {len(trained_s)} trainings of {sum(trained_s):.0f} s, "
            f"shared {shared_s:.0f} s, measuring {measuring_s:.0f} s"
        )
        if plan.strategy == "one_shot":
            pairs = [(drops[True][mapping], own) for mapping, own in drops[False].items()]
            pairs_facts(plan.label, pairs)


def drift_facts(file: StudyFile) -> None:
    """Mean drop at each time, half-width of its 95 % interval over draws in brackets."""
    for plan, record in file.records():
        for evaluation in record.evaluations():
            accuracy = evaluation.accuracy
            if accuracy is not None:
                drops = 100 * (accuracy.baseline - accuracy.samples)
                n = len(drops)
                half = t.ppf(0.975, n - 1) * drops.std(0, ddof=1) / np.sqrt(n)
                cells = (f"{m:.1f} ({h:.1f})" for m, h in zip(drops.mean(0), half, strict=True))
                print(plan.label, *cells, sep=" | ")


if __name__ == "__main__":
    on_table, table = StudyFile.load(HERE / "on-table.toml"), AccuracyTable.load(HERE / "table.npz")
    front_facts(on_table, table)
    table_facts(on_table, table)
    for name, facts in (
        ("ground-truth.toml", training_facts),
        ("study.toml", training_facts),
        ("tenth.toml", training_facts),
        ("drift.toml", drift_facts),
    ):
        file = StudyFile.load(HERE / name)
        if storage_to_read(file.table.storage, file.folder) is not None:
            facts(file)

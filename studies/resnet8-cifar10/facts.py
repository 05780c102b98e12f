"""The figures of README.md that no verb prints.

python studies/resnet8-cifar10/facts.py

From table.npz: the fastest mappings at each threshold, how nearly losses add up, what foretells a
layer's effect, and the sample that was trained in earnest. From the records, where the study has been
run: trainings and seconds, shared against own weights, and the means of the drift study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr, t

from lionheart_opt.limits import LIONHEART_THRESHOLDS
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.results.metrics import gains
from lionheart_opt.space import every_mapping
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.storage import storage_exists

HERE = Path(__file__).parent


def table_facts(file: StudyFile, table: AccuracyTable) -> None:
    """Additivity, rank correlations with each layer's mean effect over all mappings, the sample."""
    every = table.baseline - table.samples[:, :, 0].mean(1)
    shared = np.array(table.trainings) == "one_shot"
    keys = [row.tobytes() for row in table.assignments]
    known = {keys[row]: every[row] for row in np.flatnonzero(shared)}
    sample = [(known[keys[row]], every[row]) for row in np.flatnonzero(~shared)]
    pairs_facts("trained sample", sample)
    drops = every[shared]
    analog = (table.assignments[shared] == table.targets.index("tile")).astype(float)
    design = np.column_stack([np.ones(len(drops)), analog])
    rest = drops - design @ np.linalg.lstsq(design, drops, rcond=None)[0]
    print(f"explained by a sum over layers: {1 - rest.var() / drops.var():.3f}")
    effects = [drops[on].mean() - drops[~on].mean() for on in analog.T.astype(bool)]
    alone = [drops[(analog.sum(1) == 1) & on].item() for on in analog.T.astype(bool)]
    workload = file.workload
    macs = [workload.unit_macs(workload.unit(unit)) for unit in table.units]
    for name, values in {"alone": alone, "macs": macs, **table.proxies}.items():
        print(f"rank correlation with the mean effect: {name} {spearmanr(values, effects)[0]:+.2f}")


def front_facts(file: StudyFile, table: AccuracyTable) -> None:
    """Fastest mapping that keeps each threshold, judged by all draws of the table."""
    draws = (table.samples.shape[1],)
    limit = replace(file.problem.accuracy_limit, draws=draws)
    problem = replace(file.problem, accuracy_limit=limit)
    every = [problem.evaluate(Candidate(mapping)) for mapping in every_mapping(problem)]
    for max_drop in LIONHEART_THRESHOLDS:
        kept = [
            one for one in every if one.accuracy and limit.bounds(one.accuracy).high <= max_drop
        ]
        best = min(kept, key=lambda one: one.cost.latency_s)
        assert best.accuracy is not None
        drops = 100 * best.accuracy.drops_at(max(limit.times_s))
        half = t.ppf(0.975, len(drops) - 1) * drops.std(ddof=1) / np.sqrt(len(drops))
        speedup, energy_gain = gains(problem, best.cost)
        print(
            f"within {100 * max_drop:g} points: {len(kept)} mappings, fastest {speedup:.2f}x, energy "
            f"{energy_gain:.2f}x, drop {drops.mean():+.1f} ({half:.1f}): "
            f"{' '.join(best.mapping.units_on('tile'))}"
        )


def pairs_facts(what: str, drops: Sequence[tuple[float, float]]) -> None:
    """How drops with shared weights compare with those after a training of each mapping."""
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
    """What each run trained, and drops of the front with shared weights and after training on."""
    limit = file.problem.accuracy_limit
    for plan, record in file.records():
        found: dict[bool, dict[object, float]] = {True: {}, False: {}}
        answers = [one for one in record.evaluations() if one.accuracy is not None]
        for one in answers:
            assert one.accuracy is not None
            is_shared = one.candidate.training == "one_shot"
            found[is_shared][one.mapping] = limit.bounds(one.accuracy).estimate
        costs = [one.accuracy for one in answers if one.accuracy is not None]
        trained_s = [one.training_s for one in costs if one.training_s > 0]
        print(
            f"{file.path.name}, {plan.label}: {len(trained_s)} trainings of {sum(trained_s):.0f} s, "
            f"shared {max((one.shared_s for one in costs), default=0.0):.0f} s, measuring "
            f"{sum(one.evaluation_s for one in costs):.0f} s"
        )
        if plan.strategy == "one_shot":
            pairs_facts(plan.label, [(found[True][key], own) for key, own in found[False].items()])


def drift_facts(file: StudyFile) -> None:
    """Mean drop at each time, half-width of its 95 % interval over draws in brackets."""
    for plan, record in file.records():
        for accuracy in (one.accuracy for one in record.evaluations()):
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
        if storage_exists(file.table.storage, file.folder):
            facts(file)

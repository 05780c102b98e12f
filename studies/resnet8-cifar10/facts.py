"""The figures of README.md that no verb prints.

python studies/resnet8-cifar10/facts.py

From table.npz: how nearly losses add up, and what foretells a layer's effect. From the records, where the
study has been run: shared against own weights, and the means of the drift study.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import spearmanr, t

from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.storage import storage_exists
from lionheart_opt.studyfile import StudyFile

HERE = Path(__file__).parent


def table_facts(file: StudyFile, table: AccuracyTable) -> None:
    """Additivity, and rank correlations with each layer's mean effect over all mappings."""
    drops = table.baseline - table.samples[:, :, 0].mean(1)
    analog = (table.assignments == table.targets.index("tile")).astype(float)
    design = np.column_stack([np.ones(len(drops)), analog])
    rest = drops - design @ np.linalg.lstsq(design, drops, rcond=None)[0]
    print(f"explained by a sum over layers: {1 - rest.var() / drops.var():.3f}")
    effects = [drops[on].mean() - drops[~on].mean() for on in analog.T.astype(bool)]
    alone = [drops[(analog.sum(1) == 1) & on].item() for on in analog.T.astype(bool)]
    workload = file.workload
    macs = [workload.unit_macs(workload.unit(unit)) for unit in table.units]
    for name, values in {"alone": alone, "macs": macs, **table.proxies}.items():
        print(f"rank correlation with the mean effect: {name} {spearmanr(values, effects)[0]:+.2f}")


def training_facts(file: StudyFile) -> None:
    """Drops of the front with shared weights and after a short training of its own."""
    limit = file.problem.accuracy_limit
    for run, _, record in file.records():
        drops: dict[bool, dict[object, float]] = {True: {}, False: {}}
        for one in record.evaluations():
            if run.name == "one_shot" and one.accuracy is not None:
                is_shared = one.candidate.training == "one_shot"
                drops[is_shared][one.mapping] = 100 * limit.bounds(one.accuracy).estimate
        if drops[False]:
            pairs = np.array([(drops[True][key], drop) for key, drop in drops[False].items()])
            rank, gap = spearmanr(*pairs.T)[0], (pairs[:, 1] - pairs[:, 0]).mean()
            print(f"{len(pairs)} points: rank correlation {rank:.2f}, mean gap {gap:.1f} points")


def drift_facts(file: StudyFile) -> None:
    """Mean drop at each time, half-width of its 95 % interval over draws in brackets."""
    for run, _, record in file.records():
        for accuracy in (one.accuracy for one in record.evaluations()):
            if accuracy is not None:
                drops = 100 * (accuracy.baseline - accuracy.samples)
                n = len(drops)
                half = t.ppf(0.975, n - 1) * drops.std(0, ddof=1) / np.sqrt(n)
                cells = (f"{m:.1f} ({h:.1f})" for m, h in zip(drops.mean(0), half, strict=True))
                print(run.name, *cells, sep=" | ")


if __name__ == "__main__":
    table_facts(StudyFile.load(HERE / "on-table.toml"), AccuracyTable.load(HERE / "table.npz"))
    for name, facts in (("study.toml", training_facts), ("drift.toml", drift_facts)):
        file = StudyFile.load(HERE / name)
        if storage_exists(file.table.storage, file.folder):
            facts(file)

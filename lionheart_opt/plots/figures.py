"""All figures of a study, as files."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from lionheart_opt.plots.beside_best import beside_best
from lionheart_opt.plots.drift import drift
from lionheart_opt.plots.mappings import mappings
from lionheart_opt.plots.pareto import pareto
from lionheart_opt.plots.progress import progress
from lionheart_opt.plots.source import Source, as_results, truth_of
from lionheart_opt.plots.style import save
from lionheart_opt.plots.thresholds import thresholds
from lionheart_opt.results.result import SearchResult
from lionheart_opt.study.file import StudyFile


def draw_study(
    source: Source, truth: SearchResult | None, folder: Path, shown: StudyFile | None = None
) -> list[Path]:
    """Write every figure of a study as PDF and PNG, and return the paths.

    Args:
        source: A study, a `SearchResult`, or several.
        truth: Every mapping, evaluated; where it is None, that of the study, if known.
        folder: Folder to write to; created where it does not exist.
        shown: A study whose searches show the PNGs in optuna-dashboard; None shows them nowhere.

    Raises:
        InputError: The source holds nothing that one figure can show.
    """
    results = as_results(source)
    truth = truth or truth_of(source)
    drawings: dict[str, Callable[[Sequence[SearchResult]], Figure]] = {
        "pareto": partial(pareto, truth=truth),
        "mac_ratio": partial(pareto, gain="analog MACs", truth=truth),
        "hypervolume_trials": partial(progress, truth=truth),
        "hypervolume_seconds": partial(progress, spent="seconds", truth=truth),
        "thresholds": partial(thresholds, truth=truth),
        "mappings": mappings,
        "drift": drift,
    }
    if len({result.label for result in results}) > 1:
        drawings["beside_best"] = beside_best
    paths = list[Path]()
    gc.freeze()  # of what was read nothing is garbage; looking through it takes long
    try:
        for name, draw in drawings.items():
            paths += save(draw(results), folder, name)
            gc.collect(1)  # a figure holds itself
    finally:
        gc.unfreeze()
    if shown is not None:
        from lionheart_opt.study.optuna_keeper import OptunaKeeper

        _ = shown.storage  # opened to write
        for _, record in shown.records():
            if isinstance(record.keeper, OptunaKeeper):
                record.keeper.attach([path for path in paths if path.suffix == ".png"])
    return paths

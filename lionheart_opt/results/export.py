"""Take one trial out of its record: mapping, trained weights and a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lionheart_opt.accuracy import KeepsWeights
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.results.metrics import gains
from lionheart_opt.results.result import SearchResult
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.storage import shown_url
from lionheart_opt.text_files import reported, write_text


def export_trial(
    file: StudyFile,
    results: Sequence[SearchResult],
    search: str | None,
    trial: int,
    out: Path | None,
) -> list[Path]:
    """Write `mapping.json`, `report.json` and, where the oracle keeps them, `weights.pt`.

    Args:
        file: The study.
        results: What its searches found.
        search: `LABEL/seedN`; may be None where there is one search only.
        trial: Number of the trial.
        out: Folder; inside the study by default.

    Raises:
        InputError: There is no such search or trial, or the trial has no result.
    """
    searches = {result.name: result for result in results}
    if search is None and len(searches) == 1:
        search = next(iter(searches))
    if search is None:
        raise InputError(f"{file.path}: --only is missing; one of: {', '.join(searches)}")
    if search not in searches:
        raise unknown("search", search, searches, f"{file.path}: --only")
    evaluation = searches[search].evaluation(trial)
    folder = out or file.folder / "export" / f"{search.replace('/', '-')}-trial{trial}"
    with reported(folder):
        folder.mkdir(parents=True, exist_ok=True)
    mapping, report = folder / "mapping.json", folder / "report.json"
    write_text(mapping, json.dumps(evaluation.mapping.to_json(), indent=2) + "\n")
    write_text(report, json.dumps(_report(file, search, trial, evaluation), indent=2) + "\n")
    written = [mapping, report]
    oracle, problem = file.oracle, file.problem
    if isinstance(oracle, KeepsWeights) and evaluation.accuracy is not None:
        weights = folder / "weights.pt"
        with reported(weights):
            oracle.export_weights(problem.resolved(evaluation.candidate), problem.seed, weights)
        written.append(weights)
    return written


def _report(file: StudyFile, search: str, trial: int, evaluation: Evaluation) -> dict[str, object]:
    problem = file.problem
    speedup, energy_gain = gains(problem, evaluation.cost)
    report: dict[str, object] = {
        "study": file.name,
        "question": file.table.question,
        "search": search,
        "trial": trial,
        "feasible": evaluation.feasible,
        "violations": evaluation.violations,
        "latency_s": evaluation.cost.latency_s,
        "energy_j": evaluation.cost.energy_j,
        "speedup": speedup,
        "energy_gain": energy_gain,
        "analog_mac_ratio": problem.analog_mac_ratio(evaluation.mapping),
        "tiles": evaluation.cost.tiles,
        "oracle_seconds": evaluation.oracle_s,
        "specification": {
            **file.table.model_dump(mode="json"),
            "storage": shown_url(file.table.storage),
        },
    }
    if evaluation.accuracy is not None:
        bounds = problem.accuracy_limit.bounds(evaluation.accuracy)
        report["accuracy"] = {
            "examples": "validation",
            "baseline": evaluation.accuracy.baseline,
            "times_s": list(evaluation.accuracy.times_s),
            "samples": evaluation.accuracy.samples.tolist(),
            "drop": bounds.estimate,
            "drop_interval": [bounds.low, bounds.high],
            "note": evaluation.accuracy.note,
        }
    return report

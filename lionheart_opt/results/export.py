"""Take one trial out of its record: mapping, trained weights and a report."""

from __future__ import annotations

import json
from pathlib import Path

from lionheart_opt.accuracy import KeepsWeights
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.results.metrics import gains
from lionheart_opt.study.file import StudyFile, search_name
from lionheart_opt.study.record import Recorded


def export_trial(file: StudyFile, search: str | None, number: int, out: Path | None) -> list[Path]:
    """Write `mapping.json`, `report.json` and, where the oracle keeps them, `weights.pt`.

    Args:
        file: the study.
        search: `LABEL/seedN`; may be None where the study has one search only.
        number: of the trial.
        out: folder; inside the study by default.

    Raises:
        InputError: no such search or trial, or the trial has no result.
    """
    found = {search_name(run, seed): record for run, seed, record in file.records()}
    if search is None and len(found) == 1:
        search = next(iter(found))
    if search is None or search not in found:
        raise unknown("search", search or "", found, f"{file.path}: --only")
    recorded = {one.number: one for one in found[search].finished()}
    if number not in recorded:
        numbers = ", ".join(map(str, sorted(recorded))) or "none"
        raise InputError(f"{search}: --trial: got {number}; finished trials: {numbers}")
    one = recorded[number]
    folder = out or file.folder / "export" / f"{search.replace('/', '-')}-trial{number}"
    folder.mkdir(parents=True, exist_ok=True)
    mapping, report = folder / "mapping.json", folder / "report.json"
    mapping.write_text(json.dumps(one.evaluation.mapping.to_json(), indent=2) + "\n")
    report.write_text(json.dumps(_report(file, search, one), indent=2) + "\n")
    written = [mapping, report]
    oracle = file.oracle
    if isinstance(oracle, KeepsWeights) and one.evaluation.accuracy is not None:
        weights = folder / "weights.pt"
        candidate = one.evaluation.candidate.resolved(file.table.training)
        training = candidate.training or file.table.training
        oracle.export_weights(candidate, training, file.table.seed, weights)
        written.append(weights)
    return written


def _report(file: StudyFile, search: str, recorded: Recorded) -> dict[str, object]:
    evaluation, problem = recorded.evaluation, file.problem
    speedup, energy_gain = gains(problem, evaluation.cost)
    report: dict[str, object] = {
        "study": file.name,
        "question": file.table.question,
        "search": search,
        "trial": recorded.number,
        "feasible": evaluation.feasible,
        "violations": evaluation.violations,
        "latency_s": evaluation.cost.latency_s,
        "energy_j": evaluation.cost.energy_j,
        "speedup": speedup,
        "energy_gain": energy_gain,
        "analog_mac_ratio": problem.analog_mac_ratio(evaluation.mapping),
        "tiles": evaluation.cost.tiles,
        "oracle_seconds": evaluation.oracle_s,
        "specification": file.table.model_dump(mode="json"),
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

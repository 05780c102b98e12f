"""Take one trial out of its record: mapping, trained weights and a report."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from lionheart_opt.accuracy import KeepsWeights
from lionheart_opt.estimates import with_ends
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.masking import shown_url
from lionheart_opt.results.best import chosen_trial
from lionheart_opt.results.metrics import is_option, saves
from lionheart_opt.results.result import SearchResult
from lionheart_opt.results.wording import json_text
from lionheart_opt.study.file import StudyFile
from lionheart_opt.text_files import replacing, reported, write_text
from lionheart_opt.uncertainty import estimates_of


class ExportWarning(UserWarning):
    """What is exported breaks a limit, or costs more than all-digital."""


def export_trial(
    file: StudyFile,
    results: Sequence[SearchResult],
    search: str | None,
    trial: int | None,
    out: Path | None,
) -> list[Path]:
    """Write `mapping.json`, `report.json` and, where the oracle keeps them, `weights.pt`.

    A warning says what is wrong with the mapping; it stands in the report, too.

    Args:
        file: The study.
        results: What its searches found.
        search: `LABEL/seedN`; None where there is one search only, or for the best one of all.
        trial: Number of the trial; None for the best mapping, which is all-digital where nothing beats
            that.
        out: Folder; inside the study by default.

    Raises:
        InputError: There is no such search or trial, the trial has no result, or nothing is feasible.
    """
    result, trial, evaluation = chosen_trial(results, search, trial, str(file.path))
    search = result.name
    name = "all-digital" if trial is None else f"trial{trial}"
    folder = out or file.folder / "export" / f"{search.replace('/', '-')}-{name}"
    with reported(folder):
        folder.mkdir(parents=True, exist_ok=True)
    mapping, report = folder / "mapping.json", folder / "report.json"
    write_text(mapping, json_text(evaluation.mapping.to_json()) + "\n")
    concern = concern_of(result, trial, evaluation)
    write_text(report, json_text(_report(file, search, trial, evaluation, concern)) + "\n")
    if concern:
        warnings.warn(concern, ExportWarning, stacklevel=3)
    written = [mapping, report]
    oracle, problem = file.oracle, file.problem
    if isinstance(oracle, KeepsWeights) and evaluation.accuracy is not None:
        weights = folder / "weights.pt"
        with reported(weights), replacing(weights) as part:
            oracle.export_weights(problem.resolved(evaluation.candidate), problem.seed, part)
        written.append(weights)
    return written


def concern_of(result: SearchResult, trial: int | None, evaluation: Evaluation) -> str:
    """What speaks against using an evaluation of a search; empty if nothing does."""
    problem = result.problem
    name = f"{result.name}: {'all-digital' if trial is None else f'trial {trial}'}"
    broken = [limit for limit, excess in evaluation.violations.items() if not excess <= 0]
    best = "" if result.best_trial is None else f"; the best is trial {result.best_trial}"
    if broken:
        return f"{name} is not feasible: it breaks {', '.join(broken)}{best}"
    if evaluation.mapping == problem.all_digital:
        return "" if result.beats_all_digital else f"{name}: nothing beats it"
    if is_option(problem) and not saves(problem, evaluation.cost):
        return f"{name} costs no less than all-digital{best}"
    return ""


def _report(
    file: StudyFile, search: str, trial: int | None, evaluation: Evaluation, concern: str
) -> dict[str, object]:
    problem = file.problem
    report: dict[str, object] = {
        "study": file.name,
        "question": file.table.question,
        "search": search,
        "trial": trial,
        "warning": concern,
        "feasible": evaluation.feasible,
        "violations": evaluation.violations,
        **with_ends(estimates_of(problem.cost(evaluation.mapping), problem.digital_cost)),
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

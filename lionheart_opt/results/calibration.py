"""What calibrating the chips of a study's results costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lionheart_opt.aging.calibration_cost import CalibrationCost, calibration_cost
from lionheart_opt.results.result import SearchResult
from lionheart_opt.study.question import USUAL_ORACLE

if TYPE_CHECKING:
    from lionheart_opt.oracle.settings import OracleSettings

#: The share of time and energy for which the number of inferences between calibrations is given.
SHARE = 0.01


def calibration_costs(
    results: Sequence[SearchResult], oracle: dict[str, Any]
) -> list[CalibrationCost | None]:
    """The cost of calibrating the best mapping of each search.

    Args:
        results: The searches.
        oracle: The `[oracle]` table of their study.

    Returns:
        None for a search without an analog unit in its best mapping, and for all of them if the study
        does not calibrate.
    """
    settings = _settings(oracle)
    return [None if settings is None else _cost(result, settings) for result in results]


def calibration_json(cost: CalibrationCost) -> dict[str, Any]:
    """As `show --json` prints it."""
    return {**asdict(cost), "inferences_at_1_percent": cost.inferences(SHARE)}


def _settings(oracle: dict[str, Any]) -> OracleSettings | None:
    """The settings, if the oracle is ours and they can be read."""
    if oracle.get("kind", USUAL_ORACLE) != USUAL_ORACLE:
        return None
    from lionheart_opt.oracle.settings import OracleSettings

    try:
        return OracleSettings.model_validate({k: v for k, v in oracle.items() if k != "kind"})
    except ValidationError:  # of a file that was changed after its study was run
        return None


def _cost(result: SearchResult, settings: OracleSettings) -> CalibrationCost | None:
    best, problem = result.best, result.problem
    if settings.compensation == "none" or best is None:
        return None
    if problem.analog_mac_ratio(best.mapping) == 0:
        return None
    calibration = settings.calibration
    return calibration_cost(
        problem,
        best.mapping,
        compensation=settings.compensation,
        examples=calibration.examples,
        reads=calibration.reads,
        fit_to=calibration.fit_to,
    )

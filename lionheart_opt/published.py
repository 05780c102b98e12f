"""Published numbers beside the predictions of a cost model: what `lionheart-opt validate` prints."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, get_args

from lionheart_opt import errors, plugins

#: What a published number is to the model: constants are fitted to it, it is predicted, or it is given.
Role = Literal["fitted", "predicted", "input"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One quantity of one published case.

    Args:
        system: Name of the system.
        case: The paper's name for it (`row 17 ADD`, `MLP case 1`, `vgg16 all-analog`).
        quantity: `latency_s`, `energy_j`, `speedup`, `energy_gain`, `clusters`, ...
        published: The paper's number; None where it gives none, or where it is kept for validation.
        predicted: The number of the cost model.
        predicted_low, predicted_high: Ends of its interval of 95 %; None where nobody has worked it out.
        source: Paper, and table or section, of the published number.
        role: Whether constants are fitted to it, it is predicted, or the model is given it.
    """

    system: str
    case: str
    quantity: str
    published: float | None
    predicted: float
    source: str
    role: Role = "predicted"
    predicted_low: float | None = None
    predicted_high: float | None = None

    @property
    def error_percent(self) -> float | None:
        """(predicted / published - 1) x 100."""
        if self.published is None:
            return None
        return (self.predicted / self.published - 1.0) * 100.0


def rows(system: str | None = None) -> list[dict[str, str | float | None]]:
    """JSON rows of all cases, or of those of one system, in the order in which the models give them.

    Raises:
        InputError: The system does not exist, or nothing is published about it.
    """
    validated = plugins.available("validations")
    if system is not None and system not in validated:
        raise errors.unknown("validated system", system, validated)
    cases: list[Case] = []
    for name in validated if system is None else [system]:
        cases += plugins.load("validations", name)()
    return [
        {
            "system": case.system,
            "case": case.case,
            "quantity": case.quantity,
            "published": case.published,
            "predicted": case.predicted,
            "predicted_low": case.predicted_low,
            "predicted_high": case.predicted_high,
            "error_percent": case.error_percent,
            "source": case.source,
            "role": case.role,
        }
        for case in cases
    ]


def summary(cases: list[dict[str, Any]]) -> list[str]:
    """A line for each role: how many published numbers, the median and the worst error.

    Args:
        cases: Rows of one system.
    """
    lines = []
    for role in get_args(Role):
        published = [
            row for row in cases if row["role"] == role and row["error_percent"] is not None
        ]
        if published:
            worst = max(published, key=lambda row: abs(row["error_percent"]))
            errors_percent = [abs(row["error_percent"]) for row in published]
            lines.append(
                f"{len(published)} {role}: median error {median(errors_percent):.1f} %, "
                f"worst {worst['error_percent']:+.1f} % ({worst['case']}, {worst['quantity']})"
            )
    return lines

"""Published numbers beside the predictions of a cost model: what `lionheart-opt validate` prints."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, get_args

from lionheart_opt import errors, plugins
from lionheart_opt.estimates import Estimate, Uncertain

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

    @staticmethod
    def of(predicted: float | Estimate | Uncertain, **known: Any) -> Case:
        """A case with the interval of what is predicted.

        Args:
            predicted: A plain number has no interval.
            known: All other arguments of `Case`.
        """
        ours = predicted.estimate if isinstance(predicted, Uncertain) else predicted
        ours = ours if isinstance(ours, Estimate) else Estimate(ours)
        return Case(predicted=ours.value, predicted_low=ours.low, predicted_high=ours.high, **known)

    @property
    def error_percent(self) -> float | None:
        """(predicted / published - 1) x 100."""
        if self.published is None:
            return None
        return (self.predicted / self.published - 1.0) * 100.0

    @property
    def within_interval(self) -> bool | None:
        """Whether the published number lies in the interval of ours; None where one is missing."""
        if self.published is None or self.predicted_low is None or self.predicted_high is None:
            return None
        return self.predicted_low <= self.published <= self.predicted_high


def rows(system: str | None = None) -> list[dict[str, str | float | bool | None]]:
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
            "within_interval": case.within_interval,
            "source": case.source,
            "role": case.role,
        }
        for case in cases
    ]


def summary(cases: list[dict[str, Any]]) -> list[str]:
    """A line for each role: how many published numbers, their errors, and how many intervals hold them.

    Inputs are given, so that nothing is said of their intervals.

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
            line = (
                f"{len(published)} {role}: median error {median(errors_percent):.1f} %, "
                f"worst {worst['error_percent']:+.1f} % ({worst['case']}, {worst['quantity']})"
            )
            known = [row["within_interval"] for row in published]
            known = [is_within for is_within in known if is_within is not None]
            if known and role != "input":
                line += f"; {sum(known)} of {len(known)} within intervals of 95 %"
            lines.append(line)
    return lines

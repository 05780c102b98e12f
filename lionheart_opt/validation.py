"""Published numbers beside a cost model's own: what `lionheart-opt validate` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Case:
    """One quantity of one published case.

    Args:
        system: name of the system.
        case: as its paper names it (`row 17 ADD`, `MLP case 1`, `vgg16 all-analog`).
        quantity: `latency_s`, `energy_j`, `speedup`, `energy_gain`, `clusters`, ...
        published: the paper's number; None where it gives none (or it is kept for validation).
        predicted: ours.
        source: paper and table or section of the published number.
    """

    system: str
    case: str
    quantity: str
    published: float | None
    predicted: float
    source: str

    @property
    def error_percent(self) -> float | None:
        """(predicted / published - 1) x 100."""
        if self.published is None:
            return None
        return (self.predicted / self.published - 1.0) * 100.0

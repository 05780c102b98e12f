"""The sensitivity profile: what each unit alone loses on an analog target; proxies if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.mapping import Training
from lionheart_opt.metric import ACCURACY, Metric

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The drop with one unit on an analog target and all others on the host.

    Args:
        unit: Name of the unit.
        target: Name of the analog target.
        drop: Mean drop over draws at the profile's time; None where it was not measured.
        deviation: Standard deviation of the drop over draws; None where it was not measured.
        standard_error: Standard error of `drop` over draws; None where it was not measured.
    """

    unit: str
    target: str
    drop: float | None
    deviation: float | None
    standard_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """The drop with two analog units beyond the drops of each alone.

    Args:
        producer: Name of the unit whose result the other one reads.
        consumer: Name of the other unit.
        drop: Mean drop with both analog over draws.
        interaction: Mean over draws of that drop minus the drops of the two alone in the same draw.
        deviation: Standard deviation of the interaction over draws.
    """

    producer: str
    consumer: str
    drop: float
    interaction: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Spearman's rank correlation over units.

    Args:
        rho: The correlation, in [-1, 1].
        p_value: Probability of a correlation at least as large by chance.
    """

    rho: float
    p_value: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Profile:
    """Measured sensitivities of units, interactions of pairs, and proxies.

    Args:
        training: Training of the weights.
        time_s: Time after programming, in seconds.
        n_draws: Number of programming draws of each measurement.
        baseline: Accuracy of the floating-point network; None where nothing was measured.
        oracle_s: Oracle seconds of the measurements.
        sensitivities: One for each unit and analog target, in execution order.
        interactions: One for each measured pair of units; empty where none was measured.
        proxies: Name of the proxy -> unit -> value.
        metric: What drops are of.
        screened: Whether "drops" are how far units move the network's outputs, see `Divergences`.
        n_evaluations: Number of measurements.
    """

    training: Training
    time_s: float
    n_draws: int
    baseline: float | None
    oracle_s: float
    sensitivities: tuple[Sensitivity, ...]
    interactions: tuple[Interaction, ...]
    proxies: dict[str, dict[str, float]]
    metric: Metric = ACCURACY
    screened: bool = False
    n_evaluations: int = 0

    @property
    def quantity(self) -> str:
        """What is measured, for messages: a drop, or the divergence of the outputs."""
        return "divergence" if self.screened else "drop"

    @property
    def drops(self) -> dict[str, float]:
        """Unit -> mean drop on its first analog target, where it was measured."""
        first: dict[str, float] = {}
        for sensitivity in self.sensitivities:
            if sensitivity.drop is not None:
                first.setdefault(sensitivity.unit, sensitivity.drop)
        return first

    def correlations(self) -> dict[str, Correlation | None]:
        """Proxy -> rank correlation with `drops`; None for fewer than three units or no variation."""
        drops = self.drops
        return {
            name: rank_correlation([values[unit] for unit in drops], list(drops.values()))
            for name, values in self.proxies.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data, correlations included."""
        correlations = {
            name: correlation and asdict(correlation)
            for name, correlation in self.correlations().items()
        }
        return {**asdict(self), "metric": self.metric.to_json(), "correlations": correlations}

    def to_frame(self) -> pandas.DataFrame:
        """One row a unit and analog target, in execution order.

        Columns: `unit`, `target`, `drop`, `drop_deviation`, `drop_standard_error` (missing where not
        measured), and one for each proxy.
        """
        import pandas

        columns = ["unit", "target", "drop", "drop_deviation", "drop_standard_error"]
        columns += self.proxies
        rows = [
            [
                sensitivity.unit,
                sensitivity.target,
                sensitivity.drop,
                sensitivity.deviation,
                sensitivity.standard_error,
                *(values[sensitivity.unit] for values in self.proxies.values()),
            ]
            for sensitivity in self.sensitivities
        ]
        numbers = dict.fromkeys(columns[2:], float)
        return pandas.DataFrame(rows, columns=columns).astype(numbers)

    def __repr__(self) -> str:
        drops = self.drops
        text = f"{len(drops)} of {len({each.unit for each in self.sensitivities})} units measured"
        if drops:
            worst = max(drops, key=lambda unit: drops[unit])
            text += f", largest {self.quantity} {drops[worst]:.4g} ({worst})"
        return (
            f"Profile({text}, training={self.training!r}, time_s={self.time_s:g}, "
            f"n_draws={self.n_draws}, interactions={len(self.interactions)}, "
            f"proxies={list(self.proxies)})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(index=False)}"


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> Correlation | None:
    """Spearman's rank correlation; ties get their mean rank.

    None for fewer than three values, or where the values of either side are all the same.
    """
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    from scipy.stats import spearmanr  # slow to import

    result = spearmanr(a, b)
    return Correlation(rho=float(result.statistic), p_value=float(result.pvalue))

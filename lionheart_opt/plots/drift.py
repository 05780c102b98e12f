"""The figure of drift: what each strategy's incumbent loses as time passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lionheart_opt.plots.style import look, new_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lionheart_opt.results.result import SearchResult

#: Quantiles over programming draws between which bands are drawn.
BANDS = (0.05, 0.25, 0.75, 0.95)
#: Named times in seconds: a month is 30 days, a year 365.
TICKS = {
    "1 s": 1.0,
    "1 min": 60.0,
    "1 h": 3_600.0,
    "1 day": 86_400.0,
    "1 month": 2_592_000.0,
    "1 year": 31_536_000.0,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class DriftInfo:
    """Drop of one mapping as it drifts.

    Args:
        label: the strategy.
        times_s: since programming, growing, shape (n_times,); a logarithmic axis has no zero.
        drop: the limit's statistic (mean or quantile over draws) in points, shape (n_times,).
        bands: 5, 25, 75 and 95 % quantiles over draws in points, shape (4, n_times).
    """

    label: str
    times_s: np.ndarray
    drop: np.ndarray
    bands: np.ndarray


def drift_info(runs: Sequence[SearchResult]) -> list[DriftInfo]:
    """Each strategy's incumbent, of its first seed that found one."""
    infos: dict[str, DriftInfo] = {}
    for run in runs:
        accuracy = run.best.accuracy if run.best else None
        if accuracy is None or run.label in infos:
            continue
        times_s = np.array(sorted(time_s for time_s in accuracy.times_s if time_s > 0))
        drops = [100 * accuracy.drops_at(time_s) for time_s in times_s]
        statistic = run.problem.accuracy_limit.statistic
        infos[run.label] = DriftInfo(
            label=run.label,
            times_s=times_s,
            drop=np.array([statistic(at_time) for at_time in drops]),
            bands=np.array([np.quantile(at_time, BANDS) for at_time in drops]).reshape(-1, 4).T,
        )
    return list(infos.values())


def drift_figure(runs: Sequence[SearchResult]) -> Figure:
    """Drop of each strategy's incumbent against time.

    Bands hold the middle 50 % (dark) and 90 % (light) of the programming draws; dotted lines are the
    limit's times.
    """
    infos = drift_info(runs)
    figure, panels = new_panels(
        [info.label for info in infos], "time after programming", "accuracy drop (points)"
    )
    limit = runs[0].problem.accuracy_limit
    every = [time_s for info in infos for time_s in info.times_s]
    for axes, shown in panels:
        for k, label in enumerate(shown):
            [info] = [one for one in infos if one.label == label]
            colour, marker = look(k)
            axes.plot(
                info.times_s, info.drop, color=colour, marker=marker, markersize=4, label=label
            )
            outer_low, low, high, outer_high = info.bands
            for bottom, top in ((outer_low, outer_high), (low, high)):
                axes.fill_between(info.times_s, bottom, top, color=colour, alpha=0.15, linewidth=0)
        axes.axhline(100 * limit.max_drop, color="black", linestyle="--", linewidth=0.8)
        for time_s in limit.times_s:
            if time_s > 0:
                axes.axvline(time_s, color="black", linestyle=":", linewidth=0.8)
        axes.set_xscale("log")
        narrow = {"fontsize": 7, "rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(
            list(TICKS.values()), list(TICKS), **({"fontsize": 8} if len(panels) == 1 else narrow)
        )
        axes.minorticks_off()
        if every:
            axes.set_xlim(min(every) / 1.5, max(every) * 1.5)
    if len(panels) == 1 and infos:
        panels[0][0].legend(bbox_to_anchor=(1.02, 1), loc="upper left")
    return figure

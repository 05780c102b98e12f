"""The figure of drift: what each strategy's incumbent loses as time passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lionheart_opt.plots.source import Source, as_results
from lionheart_opt.plots.style import (
    GREY,
    as_text,
    drop_label,
    duration,
    legend_above,
    look,
    new_panels,
    paper_style,
    say,
)
from lionheart_opt.results.best import outcome_of
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
        label: The strategy's label.
        times_s: Seconds since programming, growing, shape (n_times,); zero has no place on a
            logarithmic axis.
        drop: The limit's statistic (mean or quantile over draws) as it is shown, shape (n_times,).
        bands: 5, 25, 75 and 95 % quantiles over draws, shape (4, n_times).
    """

    label: str
    times_s: np.ndarray
    drop: np.ndarray
    bands: np.ndarray


def drift_info(results: Sequence[SearchResult]) -> list[DriftInfo]:
    """The best mapping of each strategy's first seed that beats all-digital, which does not drift."""
    infos: dict[str, DriftInfo] = {}
    for result in results:
        accuracy = result.best.accuracy if result.best and result.beats_all_digital else None
        if accuracy is None or result.label in infos:
            continue
        times_s = np.array(sorted(time_s for time_s in accuracy.times_s if time_s > 0))
        scale = accuracy.metric.drop_scale
        drops = [scale * accuracy.drops_at(time_s) for time_s in times_s]
        statistic = result.problem.accuracy_limit.statistic
        infos[result.label] = DriftInfo(
            label=result.label,
            times_s=times_s,
            drop=np.array([statistic(draws) for draws in drops]),
            bands=np.array([np.quantile(draws, BANDS) for draws in drops]).reshape(-1, 4).T,
        )
    return list(infos.values())


@paper_style()
def drift(source: Source) -> Figure:
    """Drop of each strategy's incumbent against time.

    Bands hold the middle 50 % (dark) and 90 % (light) of the programming draws; dotted lines are the
    limit's times.

    Args:
        source: A study, a `SearchResult`, or several.

    Raises:
        InputError: The source holds nothing that one figure can show.
    """
    results = as_results(source)
    infos = drift_info(results)
    limit, metric = results[0].problem.accuracy_limit, results[0].metric
    figure, panels = new_panels(
        [info.label for info in infos],
        "time after programming",
        drop_label(metric),
    )
    times_s = sorted({time_s for info in infos for time_s in info.times_s.tolist()})
    for axes, shown in panels:
        for k, info in enumerate(info for info in infos if info.label in shown):
            _curve(axes, info, *look(k))
        axes.axhline(
            metric.drop_scale * limit.max_drop, color="black", linestyle="--", linewidth=0.8
        )
        for time_s in limit.times_s:
            if time_s > 0:
                axes.axvline(time_s, color="black", linestyle=":", linewidth=0.8)
        if times_s:
            time_axis(axes, times_s)
        else:
            axes.set_xticks([])
            nothing = "no incumbent was measured"
            if any(result.best is not None for result in results):
                nothing = outcome_of(results) or nothing
            say(axes, nothing if not infos else "measured at time zero only")
    legend_above(figure, _handles(infos, len(panels) == 1, metric.in_words(limit.max_drop)))
    return figure


def _curve(axes: Any, info: DriftInfo, colour: str, marker: str) -> None:
    axes.plot(info.times_s, info.drop, color=colour, marker=marker)
    outer_low, low, high, outer_high = info.bands
    for bottom, top in ((outer_low, outer_high), (low, high)):
        if len(info.times_s) == 1:  # a band has no width there
            axes.vlines(info.times_s, bottom, top, color=colour, alpha=0.15, linewidth=4)
        else:
            axes.fill_between(info.times_s, bottom, top, color=colour, alpha=0.15, linewidth=0)


def time_axis(axes: Any, times_s: Sequence[float]) -> None:
    """A logarithmic axis over these times, with the named times on it, or else with these."""
    low, high = times_s[0] / 1.5, times_s[-1] * 1.5
    ticks = {name: time_s for name, time_s in TICKS.items() if low <= time_s <= high}
    ticks = ticks or {duration(time_s): time_s for time_s in (times_s[0], times_s[-1])}
    axes.set_xscale("log")
    turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if len(ticks) > 3 else {}
    axes.set_xticks(list(ticks.values()), list(ticks), **turn)
    axes.minorticks_off()
    axes.set_xlim(low, high)


def _handles(infos: Sequence[DriftInfo], named: bool, limit_text: str) -> list[Any]:
    """The legend: strategies where they share a panel, and what the signs mean."""
    handles: list[Any] = [
        Line2D([], [], color=look(k)[0], marker=look(k)[1], label=as_text(info.label))
        for k, info in enumerate(infos if named else ())
    ]
    colour = GREY if named else look(0)[0]
    if infos:
        handles += [
            Patch(color=colour, alpha=0.4, linewidth=0, label="half of the draws"),
            Patch(color=colour, alpha=0.2, linewidth=0, label="90 % of the draws"),
        ]
    limit: dict[str, Any] = {"color": "black", "linewidth": 0.8}
    return [
        *handles,
        Line2D([], [], linestyle="--", label=f"limit: {limit_text}", **limit),
        Line2D([], [], linestyle=":", label="time of the limit", **limit),
    ]

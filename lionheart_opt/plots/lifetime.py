"""The figure of how long a mapping keeps its limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lionheart_opt.aging.lifetimes import Lifetime, Until
from lionheart_opt.plots.drift import time_axis
from lionheart_opt.plots.style import (
    COLUMN,
    as_text,
    drop_label,
    legend_above,
    look,
    new_figure,
    paper_style,
    save,
    say,
)
from lionheart_opt.statistics.bounds import Bounds


@paper_style()
def lifetime(lifetime: Lifetime) -> Figure:
    """Drop against time with its bounds, above the share of the chips that are within the limit.

    Bars reach from the lower to the upper confidence bound. The dashed line is the limit, or the share of
    the chips that was asked for. Solid vertical lines are the last times up to which it is shown to hold,
    which are the longest intervals between two programmings; dotted ones the first times from which on it
    is shown to be broken. A third panel has the largest drop for each interval between two calibrations
    that was tried.

    Args:
        lifetime: What `lo.lifetime` returns.
    """
    tried = lifetime.recalibration.intervals if lifetime.recalibration else ()
    figure, grid = new_figure(3 if tried else 2, 1, COLUMN, 5.7 if tried else 3.8)
    drops, chips = grid[:2, 0]
    _panel(drops, lifetime.times_s, lifetime.drops, lifetime.limit, lifetime.max_drop)
    _panel(chips, lifetime.times_s, lifetime.chips, lifetime.of_chips, lifetime.share)
    if lifetime.subject:
        drops.set_title(as_text(lifetime.subject), fontsize=7)
    drops.set_ylabel(drop_label(lifetime.metric))
    chips.set_ylabel("chips within\nthe limit (%)")
    chips.set_xlabel("time after programming")
    chips.set_ylim(-3.0, 103.0)
    if tried:
        assert lifetime.recalibration is not None
        kept = Until(kept_s=lifetime.recalibration.kept_s, broken_s=None, estimate_s=None)
        intervals, worst = zip(*((each.interval_s, each.drop) for each in tried), strict=True)
        _panel(grid[2, 0], intervals, worst, kept, lifetime.max_drop)
        grid[2, 0].set_ylabel(f"largest {drop_label(lifetime.metric)}")
        grid[2, 0].set_xlabel("interval between calibrations")
    colour, limit = look(0)[0], lifetime.metric.in_words(lifetime.max_drop)
    legend_above(
        figure,
        [
            Line2D([], [], color=colour, marker=look(0)[1], label="estimate and bounds"),
            _line("--", f"limit: {limit}; {100 * lifetime.share:g} % of chips"),
            _line("-", "shown to hold until"),
            _line(":", "shown to be broken from"),
        ],
    )
    return figure


def _line(style: Any, label: str) -> Any:
    return Line2D([], [], color="black", linewidth=0.8, linestyle=style, label=label)


def _panel(
    axes: Any, times_s: Sequence[float], values: Sequence[Bounds], until: Until, limit: float
) -> None:
    """Estimates with bounds at the times after zero, in percent, and what they show."""
    shown = [(time_s, each) for time_s, each in zip(times_s, values, strict=True) if time_s > 0]
    axes.axhline(100 * limit, color="black", linestyle="--", linewidth=0.8)
    axes.locator_params(axis="y", nbins=6)
    if not shown:
        axes.set_xticks([])
        say(axes, "measured at time zero only")
        return
    axes.errorbar(
        [time_s for time_s, _ in shown],
        [100 * each.estimate for _, each in shown],
        yerr=[
            [100 * max(each.estimate - each.low, 0.0) for _, each in shown],
            [100 * max(each.high - each.estimate, 0.0) for _, each in shown],
        ],
        color=look(0)[0],
        marker=look(0)[1],
        elinewidth=0.8,
        capsize=2,
    )
    for time_s, style in ((until.kept_s, "-"), (until.broken_s, ":")):
        if time_s:
            axes.axvline(time_s, color="black", linestyle=style, linewidth=0.8)
    time_axis(axes, [time_s for time_s, _ in shown])


def draw_lifetime(measured: Lifetime, folder: Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the paths."""
    return save(lifetime(measured), folder, "lifetime")

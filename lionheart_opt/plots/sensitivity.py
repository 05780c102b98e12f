"""The figure of a sensitivity profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lionheart_opt.plots.depth import depth, depth_info, profile_label
from lionheart_opt.plots.style import (
    COLUMN,
    PAGE,
    as_text,
    legend_above,
    look,
    name_height,
    name_units,
    new_figure,
    paper_style,
    save,
    say,
    unit_text,
)
from lionheart_opt.results.sensitivity import Profile

#: Layers from which on a heat map is drawn, too.
DEEP = 3


def rank_info(profile: Profile) -> dict[str, dict[str, float]]:
    """Row of the figure -> unit -> rank from 1 (least) to the number of measured units.

    The first row ranks the measured drops, the others the proxies. Equal values share their mean rank.
    """
    from scipy.stats import rankdata  # slow to import

    units = list(profile.drops)
    rows = {"measured drop": profile.drops, **profile.proxies}
    return {
        name: dict(zip(units, rankdata([values[unit] for unit in units]).tolist(), strict=True))
        for name, values in rows.items()
    }


@paper_style()
def sensitivity(profile: Profile) -> Figure:
    """Drop of each unit alone, in execution order, above the ranks that the proxies give the units.

    Bars are means over draws, error bars one standard deviation. Ranks go from the least sensitive
    (white) to the most sensitive unit (dark). Where pairs were measured, the last panel shows what they
    lose beyond the sum of both alone.

    Args:
        profile: A measured profile (`lionheart_opt.results.sensitivity`).
    """
    units = list(dict.fromkeys(sensitivity.unit for sensitivity in profile.sensitivities))
    pairs = _pairs(profile)
    n_panels = 2 + bool(pairs)
    most = max(len(units), len(pairs))
    width = min(max(COLUMN, 1.6 + 0.25 * most), PAGE)
    height = 1.6 * n_panels + name_height([unit_text(unit) for unit in units])
    if pairs:
        height += name_height(pairs)
    figure, grid = new_figure(n_panels, 1, width, height)
    bars, ranks = grid[:2, 0]
    if units:
        legend_above(figure, _drops(bars, profile, units))
        _ranks(ranks, profile, units, width - 1.3)
    for axes in () if units else (bars, ranks):
        axes.set_xticks([])
        axes.set_yticks([])
        say(axes, "no unit has an analog target")
    if pairs:
        _interactions(grid[2, 0], profile, pairs, width - 1.3)
    return figure


def _drops(axes: Any, profile: Profile, units: list[str]) -> list[Any]:
    """Draw the bars; they are the legend where there are several targets."""
    targets = list(dict.fromkeys(row.target for row in profile.sensitivities))
    width = 0.8 / len(targets)
    handles = []
    for k, target in enumerate(targets):
        rows = [
            row for row in profile.sensitivities if row.target == target and row.drop is not None
        ]
        handles.append(
            axes.bar(
                [units.index(row.unit) + (k - (len(targets) - 1) / 2) * width for row in rows],
                [profile.metric.drop_scale * (row.drop or 0.0) for row in rows],
                width,
                yerr=[
                    profile.metric.drop_scale * (row.deviation or row.standard_error or 0.0)
                    for row in rows
                ],
                color=look(k)[0],
                error_kw=_error_bars(len(units)),
                label=as_text(target),
            )
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel(profile_label(profile))
    axes.set_xticks([])
    spread = "standard error" if profile.screened else "deviation"
    axes.set_title(f"one unit analog:\nmean and {spread} over {profile.n_draws} draws", fontsize=7)
    axes.set_xlim(-0.6, len(units) - 0.4)
    return handles if len(targets) > 1 else []


def _ranks(axes: Any, profile: Profile, units: list[str], width: float) -> None:
    rows = rank_info(profile)
    grid = np.array([[ranks.get(unit, np.nan) for unit in units] for ranks in rows.values()])
    axes.imshow(grid, cmap="Blues", aspect="auto", vmin=0, vmax=max(len(profile.drops), 1))
    axes.set_title("rank among the units\n(dark: most sensitive)", fontsize=7)
    axes.grid(visible=False)
    axes.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5, alpha=1)
    axes.tick_params(which="minor", length=0)
    name_units(axes, [unit_text(unit) for unit in units], width)
    axes.set_yticks(range(len(rows)), _labels(profile))
    axes.set_xlim(-0.6, len(units) - 0.4)
    axes.set_xlabel("unit, in execution order")


def _pairs(profile: Profile) -> list[str]:
    """Names of the pairs, short enough for an axis."""
    return [
        f"{unit_text(pair.producer, 18)}\N{RIGHTWARDS ARROW}{unit_text(pair.consumer, 18)}"
        for pair in profile.interactions
    ]


def _interactions(axes: Any, profile: Profile, names: list[str], width: float) -> None:
    axes.bar(
        range(len(names)),
        [profile.metric.drop_scale * pair.interaction for pair in profile.interactions],
        yerr=[profile.metric.drop_scale * pair.deviation for pair in profile.interactions],
        color=look(1)[0],
        error_kw=_error_bars(len(names)),
    )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel(f"interaction\n({profile.metric.drop_unit})")
    axes.set_title("two units analog: drop of both\nbeyond the sum of each alone", fontsize=7)
    name_units(axes, names, width)
    axes.set_xlim(-0.6, len(names) - 0.4)


def _error_bars(count: int) -> dict[str, float]:
    """Error bars without caps where so many bars would touch."""
    return {"elinewidth": 0.8 if count <= 60 else 0.4, "capsize": 1.5 if count <= 60 else 0.0}


def _labels(profile: Profile) -> list[str]:
    labels = ["divergence" if profile.screened else "measured drop"]
    for name, correlation in profile.correlations().items():
        rho = "" if correlation is None else f" (ρ = {correlation.rho:+.2f})"
        labels.append(as_text(name.replace("_", " "), 24) + rho)
    return labels


def draw_profile(profile: Profile, folder: Path) -> list[Path]:
    """Write the figure as PDF and PNG, and a heat map of deep networks; return the paths."""
    name = f"profile-{profile.training}{'-screened' if profile.screened else ''}"
    paths = save(sensitivity(profile), folder, name)
    if len(depth_info(profile)[1]) >= DEEP:
        paths += save(depth(profile), folder, f"{name}-by-depth")
    return paths

"""The figure of a sensitivity profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.plots.style import STYLE, look, new_figures, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lionheart_opt.results.sensitivity import Profile


def profile_figure(profile: Profile) -> Figure:
    """Drop of each unit alone, in execution order, above the ranks that the proxies give the units.

    Bars: mean over draws, error bars one standard deviation. Ranks go from the least (white) to the
    most sensitive (dark), of the drops in the first row; equal values share their mean rank. Where
    pairs were measured, the last panel shows what they lose beyond the sum of both alone.
    """
    from scipy.stats import rankdata

    units = list(dict.fromkeys(one.unit for one in profile.sensitivities))
    targets = list(dict.fromkeys(one.target for one in profile.sensitivities))
    panels, most = 2 + bool(profile.interactions), max(len(units), len(profile.interactions))
    figure, [[bars], [ranks], *more] = new_figures(panels, 1, 2.8 + 0.34 * most, 2.3 * panels)
    width = 0.8 / max(len(targets), 1)
    for k, target in enumerate(targets):
        found = [one for one in profile.sensitivities if one.target == target]
        shown = [one for one in found if one.drop is not None]
        bars.bar(
            [units.index(one.unit) + (k - (len(targets) - 1) / 2) * width for one in shown],
            [100 * (one.drop or 0.0) for one in shown],
            width,
            yerr=[100 * (one.deviation or 0.0) for one in shown],
            color=look(k)[0],
            error_kw={"elinewidth": 1, "capsize": 2},
            label=target,
        )
    bars.axhline(0, color="black", linewidth=0.8)
    bars.set_ylabel("drop (points)")
    bars.set_title(
        f"one unit analog at a time: mean and deviation over {profile.n_draws} draws", fontsize=8
    )
    bars.set_xticks(range(len(units)), [""] * len(units))
    bars.set_xlim(-0.6, len(units) - 0.4)
    if len(targets) > 1:
        bars.legend()
    measured = [unit for unit in units if unit in profile.drops]
    rows = {"measured drop": profile.drops, **profile.proxies}
    grid = np.full((len(rows), len(units)), np.nan)
    for row, values in zip(grid, rows.values(), strict=True):
        order = rankdata([values[unit] for unit in measured])
        row[[units.index(unit) for unit in measured]] = order
    ranks.imshow(grid, cmap="Blues", aspect="auto", vmin=0, vmax=max(len(measured), 1))
    ranks.set_title("rank among the units (dark: most)", fontsize=8)
    ranks.grid(visible=False)
    ranks.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
    ranks.grid(which="minor", color="white", linewidth=1.5, alpha=1)
    ranks.tick_params(which="minor", length=0)
    ranks.set_xticks(range(len(units)), units, rotation=60, ha="right", fontsize=7)
    ranks.set_yticks(range(len(rows)), _labels(profile), fontsize=7)
    ranks.set_xlim(-0.6, len(units) - 0.4)
    ranks.set_xlabel("unit, in execution order")
    for [axes] in more:
        _interactions(axes, profile)
    return figure


def _interactions(axes: Any, profile: Profile) -> None:
    pairs = profile.interactions
    axes.bar(
        range(len(pairs)),
        [100 * one.interaction for one in pairs],
        yerr=[100 * one.deviation for one in pairs],
        color=look(1)[0],
        error_kw={"elinewidth": 1, "capsize": 2},
    )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("interaction (points)")
    axes.set_title("two units analog: drop of both beyond the sum of each alone", fontsize=8)
    names = [f"{one.producer} \N{RIGHTWARDS ARROW} {one.consumer}" for one in pairs]
    axes.set_xticks(range(len(pairs)), names, rotation=60, ha="right", fontsize=7)


def _labels(profile: Profile) -> list[str]:
    labels = ["measured drop"]
    for name, correlation in profile.correlations().items():
        rho = "" if correlation is None else f" (ρ = {correlation.rho:+.2f})"
        labels.append(name.replace("_", " ") + rho)
    return labels


def draw_profile(profile: Profile, folder: Path) -> list[Path]:
    """Write the figure as PDF and PNG; the paths written."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        return save(profile_figure(profile), folder, f"profile-{profile.training}")

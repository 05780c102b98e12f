"""The figure of a sensitivity profile by kind of unit and depth."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.figure import Figure

from lionheart_opt.errors import InputError
from lionheart_opt.plots.style import PAGE, as_text, drop_label, new_figure, paper_style
from lionheart_opt.results.sensitivity import Profile

#: `encoder.layer.3.attention.query`: what is before the depth, the depth, what is behind it.
_NAME = re.compile(r"^(.*?)\.?(\d+)\.(.+)$")


def depth_info(profile: Profile) -> tuple[list[str], list[int], np.ndarray]:
    """Kinds of units, depths, and the drop of each kind at each depth.

    A unit is of a kind and at a depth if its name has the number of a layer, with a name behind it:
    `layers.3.attention.query` is `attention.query` at depth 3. Other units are left out.

    Args:
        profile: A measured profile.

    Returns:
        Kinds, depths, and mean drops, shape (n_kinds, n_depths); NaN where there is no such unit, or
        where it could not be measured.
    """
    drops: dict[tuple[str, int], float] = {}
    several = len({match[1] for match in map(_NAME.match, profile.drops) if match}) > 1
    for unit, drop in profile.drops.items():
        match = _NAME.match(unit)
        if match:
            kind = f"{match[1]}: {match[3]}" if several else match[3]
            drops[kind, int(match[2])] = drop
    kinds = list(dict.fromkeys(kind for kind, _ in drops))
    depths = sorted({depth for _, depth in drops})
    grid = np.full((len(kinds), len(depths)), np.nan)
    for (kind, depth), drop in drops.items():
        grid[kinds.index(kind), depths.index(depth)] = drop
    return kinds, depths, grid


@paper_style()
def depth(profile: Profile) -> Figure:
    """Heat map of what each unit loses alone: kinds of units against the depth of their layer.

    Published for GPT-2, where a few kinds of projections lose most at every depth. Units without a depth
    in their name, such as the first and the last ones, are left out (`depth_info`).

    Args:
        profile: A measured profile (`Study.profile`).

    Raises:
        InputError: No unit has a depth in its name.
    """
    kinds, depths, grid = depth_info(profile)
    if not kinds:
        raise InputError(
            "depth: no unit has the number of its layer in its name, such as layers.3.query"
        )
    figure, axes_of = new_figure(1, 1, min(2.4 + 0.42 * len(depths), PAGE), 0.9 + 0.24 * len(kinds))
    axes = axes_of[0, 0]
    values = profile.metric.drop_scale * grid
    most = max(float(np.nanmax(np.abs(values))), 1e-12)
    image = axes.imshow(values, cmap="PuOr_r", vmin=-most, vmax=most, aspect="auto")
    for row in range(len(kinds)):
        for column in range(len(depths)):
            value = values[row, column]
            if np.isfinite(value) and len(depths) <= 12:
                colour = "white" if abs(value) > 0.7 * most else "black"
                text = f"{value:.2g}" if profile.metric.drop_scale == 1.0 else f"{value:.1f}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=5.5)
    axes.grid(visible=False)
    axes.set_xticks(range(len(depths)), [str(number) for number in depths])
    axes.set_yticks(range(len(kinds)), [as_text(kind, 34) for kind in kinds])
    axes.set_xlabel("layer")
    figure.colorbar(image, ax=axes, label=profile_label(profile))
    return figure


def profile_label(profile: Profile) -> str:
    """Label of an axis of what a profile measures."""
    return "divergence of\nthe outputs" if profile.screened else drop_label(profile.metric)

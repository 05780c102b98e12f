"""Figures for a paper: what they show is computed by `*_info`, drawn by `draw_*` (PDF and PNG)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt import report
from lionheart_opt.figures import COLOURS, STYLE, look, new_figure, new_figures, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lionheart_opt.protocols import Cost
    from lionheart_opt.report import Run

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
class ParetoInfo:
    """Points of one strategy, all seeds together.

    Args:
        label: the strategy.
        speedup: over all-digital, shape (n,).
        drop: in points (the limit's statistic at its worst time), shape (n,).
        feasible: shape (n,).
        front: numbers of the feasible points that no other feasible one dominates, by speed-up.
    """

    label: str
    speedup: np.ndarray
    drop: np.ndarray
    feasible: np.ndarray
    front: np.ndarray


def pareto_info(runs: Sequence[Run]) -> list[ParetoInfo]:
    """Speed-up against drop for each strategy."""
    infos = []
    for label in dict.fromkeys(run.label for run in runs):
        mine = [run for run in runs if run.label == label]
        pairs = np.concatenate([report.points(run) for run in mine])
        feasible = np.array(
            [one.feasible for run in mine for one in run.evaluations if one.accuracy is not None],
            dtype=bool,
        )
        speedup, drop = 1.0 / pairs[:, 0], 100.0 * pairs[:, 1]
        front: list[int] = []
        for k in np.lexsort((drop, -speedup)):  # fastest first; of equal ones the most accurate
            if feasible[k] and (not front or drop[k] < drop[front[-1]]):
                front.append(int(k))
        infos.append(
            ParetoInfo(
                label=label,
                speedup=speedup,
                drop=drop,
                feasible=feasible,
                front=np.array(front[::-1], dtype=int),
            )
        )
    return infos


def pareto_figure(runs: Sequence[Run]) -> Figure:
    """Drop against speed-up; filled points keep the limit, lines join each strategy's front."""
    figure, axes = new_figure(5.2, 3.6)
    for k, info in enumerate(pareto_info(runs)):
        colour, marker = look(k)
        axes.scatter(
            info.speedup[info.feasible],
            info.drop[info.feasible],
            s=26,
            color=colour,
            marker=marker,
            label=info.label,
            zorder=3,
        )
        axes.scatter(
            info.speedup[~info.feasible],
            info.drop[~info.feasible],
            s=22,
            facecolors="none",
            edgecolors=colour,
            marker=marker,
            alpha=0.6,
        )
        axes.step(
            info.speedup[info.front], info.drop[info.front], where="pre", color=colour, alpha=0.8
        )
    accuracy_limit = runs[0].problem.accuracy_limit
    limit = 100 * accuracy_limit.max_drop
    axes.axhline(limit, color="black", linestyle="--", linewidth=1)
    axes.annotate(
        f"limit {limit:g}",
        (1, limit),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=8,
    )
    times = " or ".join(_time(time_s) for time_s in accuracy_limit.times_s)
    axes.set_xlabel("speed-up over all-digital")
    axes.set_ylabel(f"accuracy drop (points)\n{times} after programming")
    axes.legend(
        title="filled: limit holds", title_fontsize=8, bbox_to_anchor=(1.02, 1), loc="upper left"
    )
    return figure


def mapping_figure(runs: Sequence[Run]) -> Figure:
    """Which target runs each unit in each search's incumbent."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    found = [(run, run.best) for run in runs if run.best is not None]
    problem = runs[0].problem
    units = [unit.name for unit in problem.units]
    targets = [target.name for target in problem.system.targets]
    grid = np.array(
        [[targets.index(best.mapping[unit]) for unit in units] for _, best in found]
    ).reshape(len(found), len(units))
    figure, axes = new_figure(1.8 + 0.34 * len(units), 1.2 + 0.24 * len(found))
    palette = ["#E8E8E8", *COLOURS][: len(targets)]
    if len(found):
        axes.imshow(
            grid, cmap=ListedColormap(palette), vmin=-0.5, vmax=len(targets) - 0.5, aspect="auto"
        )
    axes.grid(visible=False)
    axes.set_xticks(np.arange(len(units)), units, rotation=60, ha="right", fontsize=7)
    axes.set_xticks(np.arange(len(units) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(found) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5, alpha=1)
    axes.tick_params(which="minor", length=0)
    labels = [
        f"{run.label} (seed {run.seed}), {report.gains(problem, best.cost)[0]:.2f}x"
        for run, best in found
    ]
    axes.set_yticks(np.arange(len(found)), labels, fontsize=7)
    handles = [
        Patch(color=colour, label=name) for colour, name in zip(palette, targets, strict=True)
    ]
    axes.legend(handles=handles, bbox_to_anchor=(1.02, 1), loc="upper left")
    axes.set_xlabel("unit, in execution order")
    return figure


@dataclass(frozen=True, kw_only=True, eq=False)
class HypervolumeInfo:
    """Hypervolume of one strategy as oracle time is spent.

    Args:
        label: the strategy.
        oracle_s: shape (n,).
        quartiles: over seeds, shape (3, n).
    """

    label: str
    oracle_s: np.ndarray
    quartiles: np.ndarray


def hypervolume_info(runs: Sequence[Run]) -> list[HypervolumeInfo]:
    """Quartiles over seeds at every moment when one of the seeds got an answer."""
    infos = []
    for label in dict.fromkeys(run.label for run in runs):
        histories = [report.hypervolume_history(run) for run in runs if run.label == label]
        moments = np.unique(np.concatenate([seconds for seconds, _ in histories]))
        values = np.array(
            [
                volume[np.searchsorted(seconds, moments, side="right") - 1]
                for seconds, volume in histories
            ]
        )
        quartiles = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        infos.append(HypervolumeInfo(label=label, oracle_s=moments, quartiles=quartiles))
    return infos


def hypervolume_figure(runs: Sequence[Run]) -> Figure:
    """Hypervolume against oracle seconds: median and quartile band over seeds."""
    figure, axes = new_figure(5.2, 3.4)
    for k, info in enumerate(hypervolume_info(runs)):
        colour, marker = look(k)
        low, middle, high = info.quartiles
        axes.step(
            info.oracle_s,
            middle,
            where="post",
            color=colour,
            marker=marker,
            markersize=3,
            label=info.label,
        )
        axes.fill_between(
            info.oracle_s, low, high, step="post", color=colour, alpha=0.18, linewidth=0
        )
    axes.set_xlabel("oracle time spent (s)")
    axes.set_ylabel("hypervolume (share of the box)")
    axes.set_ylim(bottom=0)
    axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left")
    return figure


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


def drift_info(runs: Sequence[Run]) -> list[DriftInfo]:
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


def drift_figure(runs: Sequence[Run]) -> Figure:
    """Drop of each strategy's incumbent against time.

    Bands hold the middle 50 % (dark) and 90 % (light) of the programming draws; dotted lines are the
    limit's times.
    """
    figure, axes = new_figure(5.2, 3.4)
    infos = drift_info(runs)
    for k, info in enumerate(infos):
        colour, marker = look(k)
        axes.plot(info.times_s, info.drop, color=colour, marker=marker, label=info.label)
        outer_low, low, high, outer_high = info.bands
        for bottom, top in ((outer_low, outer_high), (low, high)):
            axes.fill_between(info.times_s, bottom, top, color=colour, alpha=0.15, linewidth=0)
    limit = runs[0].problem.accuracy_limit
    axes.axhline(100 * limit.max_drop, color="black", linestyle="--", linewidth=1)
    for time_s in limit.times_s:
        if time_s > 0:
            axes.axvline(time_s, color="black", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks(list(TICKS.values()), list(TICKS))
    axes.minorticks_off()
    every = [time_s for info in infos for time_s in info.times_s]
    if every:
        axes.set_xlim(min(every) / 1.5, max(every) * 1.5)
    axes.set_xlabel("time after programming")
    axes.set_ylabel("accuracy drop (points)")
    if infos:
        axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left")
    return figure


def costs_figure(costs: dict[str, Cost], title: str) -> Figure:
    """Time and energy of several mappings side by side, by component and by layer."""
    components = list(
        dict.fromkeys(
            c for cost in costs.values() for layer in cost.layers for c in layer.components
        )
    )
    layers = [layer.name for layer in next(iter(costs.values())).layers]
    figure, grid = new_figures(2, 2, 8.4, 6.4)
    for row, (quantity, unit) in enumerate((("latency", "ms"), ("energy", "mJ"))):
        by_component = {
            name: [1e3 * _component(cost, name, row) for cost in costs.values()]
            for name in components
        }
        totals = {
            name: [
                1e3
                * sum(
                    layer.components[c][row]
                    for layer in cost.layers
                    if layer.name == name
                    for c in layer.components
                )
                for cost in costs.values()
            ]
            for name in layers
        }
        largest = sorted(layers, key=lambda name: -max(totals[name]))[: len(COLOURS) - 1]
        by_layer = {name: totals[name] for name in layers if name in largest}
        others = [sum(totals[n][k] for n in layers if n not in largest) for k in range(len(costs))]
        if len(layers) > len(largest):
            by_layer["other layers"] = others
        for column, stacks in enumerate((by_component, by_layer)):
            axes = grid[row][column]
            _stack(axes, list(costs), stacks)
            axes.set_ylabel(f"{quantity} ({unit})")
            axes.set_title("by component" if column == 0 else "by layer", fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure


def _component(cost: Cost, name: str, which: int) -> float:
    return sum(layer.components.get(name, (0.0, 0.0))[which] for layer in cost.layers)


def _stack(axes: Any, names: Sequence[str], stacks: dict[str, list[float]]) -> None:
    bottom = np.zeros(len(names))
    for k, (label, values) in enumerate(stacks.items()):
        hatch = "//" if k >= len(COLOURS) else None
        axes.bar(
            names, values, bottom=bottom, width=0.6, color=look(k)[0], hatch=hatch, label=label
        )
        bottom += np.array(values)
    axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=7)


def draw_study(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write every figure of a study as PDF and PNG; the paths written."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        figures = {
            "pareto": pareto_figure(runs),
            "mappings": mapping_figure(runs),
            "hypervolume": hypervolume_figure(runs),
            "drift": drift_figure(runs),
        }
        return [path for name, figure in figures.items() for path in save(figure, folder, name)]


def draw_costs(costs: dict[str, Cost], folder: Path, title: str) -> list[Path]:
    """Write the cost breakdown as PDF and PNG; the paths written."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        return save(costs_figure(costs, title), folder, "costs")


def _time(time_s: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if time_s >= length and time_s % length == 0:
            count = int(time_s // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{time_s:g} s"

"""Like HILAL: two clusters of units by their Hessians; the robust one becomes analog unit by unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.errors import unknown
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Proxies
from lionheart_opt.space import analog_units
from lionheart_opt.strategies.parts.pricing import acceptable
from lionheart_opt.strategy import Proposals

#: Differences of standardised features up to this are rounding errors.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Hilal:
    """HILAL (DATE 2026; code: anissbslh/HILAL) with the problem's oracle.

    Each unit has two features, taken from the pretrained network and standardised over units: the
    expected rise of the loss under weight noise, 1/2 sigma^2 tr(H) / n with sigma relative to the unit's
    largest weight; and the share of the largest eigenvalue, lambda_max / tr(H). k-means divides the
    units into two clusters, and the one with the smaller mean rise is robust. Its units become analog
    one after the other, least rise first, each network trained from the one before, whatever its
    accuracy: HILAL has no accuracy limit.

    It departs from the paper and its code as follows. H is the Hessian for the weights without bias.
    lambda_max is the largest eigenvalue, not the one of largest magnitude. The clusters are the exact
    optimum, not the best of eight random starts. `reject` is ours. Every network is measured with the
    study's programming and drift.

    Args:
        reject: Whether to roll back a unit that breaks a limit.
    """

    reject: bool = False

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """One candidate at a time, one for each robust unit; `rng` is not used.

        Raises:
            InputError: The oracle does not have the proxies.
        """
        kept = problem.pretrained(problem.all_digital)
        for unit in robust_units(problem):
            trial = kept.move(unit, problem.analog_target(unit))
            [evaluation] = yield [trial]
            if not self.reject or acceptable(problem, kept.mapping, evaluation):
                kept = trial


def robust_units(problem: Problem) -> list[str]:
    """The units of the robust cluster, least expected rise of the loss first."""
    units = analog_units(problem)
    if not units:
        return []
    rises, shares = features(problem, units)
    robust = two_means(np.column_stack([_standardised(rises), _standardised(shares)]))
    if rises[robust].mean() > rises[~robust].mean():
        robust = ~robust
    order = np.lexsort((shares, rises))
    return [units[k] for k in order if robust[k]]


def features(problem: Problem, units: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Expected rise of the loss (for unit noise) and lambda_max / tr(H), each of shape (n_units,).

    Both are 0 where the trace is not positive, as in HILAL's code.

    Raises:
        InputError: The oracle does not have the proxies.
    """
    proxies = problem.ask(Proxies(units=units)).values
    columns = []
    for name in ("hessian_trace", "hessian_max_eigenvalue", "max_weight"):
        if name not in proxies:
            raise unknown("proxy", name, proxies, "hilal: the study's oracle")
        columns.append(np.array([proxies[name][unit] for unit in units]))
    trace, largest, weight = columns
    count = np.array([_weight_count(problem, unit) for unit in units])
    positive = np.where(trace > 0, trace, np.inf)
    rises = np.where(trace > 0, 0.5 * weight**2 * trace / count, 0.0)
    return rises, largest / positive


def two_means(points: np.ndarray) -> np.ndarray:
    """The two clusters with the least sum of squared distances to their means (k-means, exact).

    A line divides the best two clusters, and it can be moved until it passes through two points. So all
    lines through two points are tried; turning a line a little about one of its points divides those
    that lie on it. Least distances within clusters are largest distances of the clusters' means from
    the mean of all points.

    Args:
        points: The points, shape (n_points, 2).

    Returns:
        Whether each point belongs to the first cluster, shape (n_points,); all True where the points do
        not differ.
    """
    n = len(points)
    points = points - points.mean(axis=0)
    best, most = np.ones(n, dtype=bool), 0.0
    for point in points:
        others = points - point
        length = np.linalg.norm(others, axis=1)
        along = others[length > 0] / length[length > 0, None]
        ahead = along @ others.T  # shape (n_lines, n_points), like all arrays that follow
        aside = along[:, ::-1] * (-1.0, 1.0) @ others.T
        left, on_line = aside > ROUNDING, np.abs(aside) <= ROUNDING
        # those behind the point alone are divided off at another point of the line
        for turned in (ahead <= ROUNDING, ahead >= -ROUNDING, ahead > ROUNDING):
            inside = left | (on_line & turned)
            size = inside.sum(axis=1).clip(1, n - 1)
            between = ((inside @ points) ** 2).sum(axis=1) * (1 / size + 1 / (n - size))
            if between.max(initial=0.0) > most + ROUNDING:
                best, most = inside[between.argmax()], float(between.max())
    return best


def _standardised(values: np.ndarray) -> np.ndarray:
    deviation = values.std()
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros(len(values))


def _weight_count(problem: Problem, unit: str) -> int:
    layers = problem.workload.layers_of(problem.workload.unit(unit))
    return sum({layer.module: layer.weight_count for layer in layers}.values())

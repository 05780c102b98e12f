"""What accuracy is measured in: a value of means over examples, with its direction and range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isinf, isnan, log, nan, sqrt
from typing import Any

import numpy as np

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.own_errors import own_error
from lionheart_opt.text import shown

#: From means over examples of statistics, shape (..., n_statistics), to values, shape (...).
ValueFunction = Callable[[np.ndarray], np.ndarray]


def _mean(means: np.ndarray) -> np.ndarray:
    return np.asarray(means[..., 0])


def _ratio(means: np.ndarray) -> np.ndarray:
    return _divided(means[..., 0], means[..., 1])


def _exponential(means: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.asarray(np.exp(_ratio(means)))
    return np.where(means[..., 1] == 0.0, nan, values)  # of no token


def _root(means: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(means[..., 0]))


def _mean_of_ratios(means: np.ndarray) -> np.ndarray:
    above, below = means[..., 0::2], means[..., 1::2]
    counted = below > 0.0
    ratios = np.divide(above, below, out=np.zeros_like(above), where=counted)
    return _divided(ratios.sum(axis=-1), counted.sum(axis=-1))


def _correlation(means: np.ndarray) -> np.ndarray:
    x, y, xx, yy, xy = np.moveaxis(means, -1, 0)
    return _divided(xy - x * y, np.sqrt(np.maximum((xx - x**2) * (yy - y**2), 0.0)))


def _determination(means: np.ndarray) -> np.ndarray:
    error, y, yy = np.moveaxis(means, -1, 0)
    spread = yy - y**2
    # equal targets, but for rounding, have no share that could be explained
    return np.where(spread <= 1e-12 * yy, nan, 1.0 - _divided(error, spread))


def _matthews(means: np.ndarray) -> np.ndarray:
    hit, false, missed, rejected = np.moveaxis(means, -1, 0)
    below = (hit + false) * (hit + missed) * (rejected + false) * (rejected + missed)
    return _divided(hit * rejected - false * missed, np.sqrt(below))


def _divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """A ratio, which is 0 where both parts are 0."""
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    return np.asarray(np.divide(above, below, out=np.zeros(above.shape), where=below != 0.0))


#: Name -> how a metric follows from the means over examples of its statistics a, b, ...
VALUES: dict[str, ValueFunction] = {
    "mean": _mean,  # a: whether the answer is right, absolute error
    "root": _root,  # sqrt(a), of squared errors
    "ratio": _ratio,  # a / b: micro F1, bits per character
    "exponential": _exponential,  # exp(a / b): perplexity, of negative log-likelihoods and tokens
    "mean_of_ratios": _mean_of_ratios,  # mean of a / b, c / d, ...: intersection over union of classes
    "correlation": _correlation,  # Pearson's, of x, y, x^2, y^2, x y
    "determination": _determination,  # R^2, of squared errors, y and y^2
    "matthews": _matthews,  # of true and false positives, false and true negatives
}

#: Value -> number of statistics that it takes; `mean_of_ratios` takes any number of pairs.
_WIDTHS = {
    "mean": 1,
    "root": 1,
    "ratio": 2,
    "exponential": 2,
    "correlation": 5,
    "determination": 3,
    "matthews": 4,
}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What the accuracy of a network is measured in.

    Every example has a few statistics, and the metric is a value of their means over examples. So the
    confidence bounds of a limit hold for any metric: they follow from the means by the delta method.

    Args:
        name: Name in tables, plots and messages.
        value: How the metric follows from the means of the statistics: a name of `VALUES`, or a function
            of means of shape (..., n_statistics) that returns values of shape (...).
        higher_is_better: Whether more is better. A drop is always what is lost.
        low: Least value.
        high: Largest value.
        unit: `%` for a share, which is shown times 100 and whose drops are in points; any other text is
            shown behind the number.
        counts: Whether a single statistic says if the answer is right.
        relative: Whether drops are shares of the baseline.

    Raises:
        InputError: The value is unknown, or the range is empty.
    """

    name: str = "accuracy"
    value: str | ValueFunction | None = "mean"
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0
    unit: str = "%"
    counts: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.value, str) and self.value not in VALUES:
            raise unknown("value of a metric", self.value, VALUES)
        if not self.low < self.high:
            raise InputError(
                f"metric {self.name!r}: from {self.low:g} to {self.high:g}; must be a range"
            )

    @property
    def is_known(self) -> bool:
        """Whether its value can be computed. A record does not keep functions of users."""
        return self.value is not None

    def of(self, means: np.ndarray) -> np.ndarray:
        """Values, from means of statistics of shape (..., n_statistics).

        Raises:
            InputError: It is not known how the value is computed.
        """
        if self.value is None:
            raise InputError(f"metric {self.name!r}: its function is not known here")
        function = VALUES[self.value] if isinstance(self.value, str) else self.value
        values = np.asarray(function(np.asarray(means, float)), float)
        within = np.clip(values, self.low, self.high)  # a perfect network may be rounded beyond it
        return np.where(np.abs(values - within) <= 1e-9, within, values)

    def check_means(self, means: np.ndarray) -> None:
        """Refuse statistics from whose means the value cannot be computed.

        Args:
            means: Means over a few examples, shape (n_statistics,).

        Raises:
            InputError: There are too many statistics or too few, or the function of a user does not
                return a value for each row of means.
        """
        n = len(means)
        if isinstance(self.value, str):
            takes = _WIDTHS.get(self.value, "pairs")
            if n != takes and (takes != "pairs" or n % 2 or not n):
                raise InputError(
                    f"metric {self.name!r}: got {n} statistics for each example; "
                    f"value {self.value!r} takes {takes}"
                )
        elif self.value is not None:
            several = np.tile(np.asarray(means, float), (2, 3, 1))
            try:
                shape = np.shape(self.value(several))
            except Exception as error:  # of a user's function
                raise own_error(error, f"metric {self.name!r}: value") from error
            if shape != (2, 3):
                raise InputError(
                    f"metric {self.name!r}: value: returns shape {shape} for means of shape "
                    f"{several.shape}; must be (2, 3): a value for each row, such as means[..., 0]"
                )

    def gradient(self, means: np.ndarray) -> np.ndarray:
        """Derivatives of the value with respect to each mean, of the same shape (..., n_statistics)."""
        means = np.asarray(means, float)
        if self.value == "mean":
            return np.ones_like(means)
        slopes = np.empty_like(means)
        for k in range(means.shape[-1]):
            step = np.zeros_like(means)
            step[..., k] = 1e-6 * np.maximum(np.abs(means[..., k]), 1e-6)
            # a mean of 0 may be a count, which has no values below
            below = np.where(means - step < 0.0, means, means - step)
            below = np.where(means < 0.0, means - step, below)
            change = self.of(means + step) - self.of(below)
            slopes[..., k] = change / (means + step - below)[..., k]
        return slopes

    def drop(self, baseline: float, values: np.ndarray) -> np.ndarray:
        """What is lost against the baseline, with the sign that a loss is positive."""
        lost = baseline - values if self.higher_is_better else values - baseline
        return lost / abs(baseline) if self.relative and baseline else lost

    def log_loss(self, drop: float, baseline: float) -> float:
        """A loss that adds up better over units than drops do, which cannot exceed the baseline.

        ln(baseline / value), where the value counts as at least 1 % of the baseline; of what is better
        where it is lower, ln(value / baseline); and the drop itself where the baseline is 0.
        """
        share = drop if self.relative else drop / abs(baseline) if baseline else 0.0
        if not baseline:
            return drop
        return (
            -log(max(1.0 - share, 0.01)) if self.higher_is_better else log(max(1.0 + share, 0.01))
        )

    def drop_range(self, baseline: float) -> tuple[float, float]:
        """Least and largest drop that there can be."""
        ends: list[float] = self.drop(baseline, np.array([self.low, self.high])).tolist()
        return min(ends), max(ends)

    @property
    def drop_unit(self) -> str:
        """What drops are given in, in the plural: `points`, `perplexity`, `% of the baseline`."""
        if self.relative:
            return "% of the baseline"
        return "points" if self.unit == "%" else (self.unit or self.name)

    @property
    def drop_name(self) -> str:
        """What drops are called: `accuracy drop`, or `perplexity rise`."""
        return f"{self.name} {'drop' if self.higher_is_better else 'rise'}"

    @property
    def drop_unit_in_full(self) -> str:
        """As `drop_unit`, for captions and axes."""
        return "percentage points" if self.drop_unit == "points" else self.drop_unit

    @property
    def drop_scale(self) -> float:
        """What drops are multiplied with where they are shown."""
        return 100.0 if self.relative or self.unit == "%" else 1.0

    def shown(self, value: float | None) -> str:
        """A value for people: 0.9105 -> `91.05 %`, or `3.214 bits`."""
        if value is None:
            return "-"
        if self.unit == "%":
            return f"{100 * value:.2f} %"
        return f"{value:.4g} {self.unit}".rstrip()

    def said(self, drop: float | None) -> str:
        """A drop for people, without its unit: 0.0123 -> `+1.23`."""
        if drop is None:
            return "-"
        if self.drop_scale == 1.0:
            return f"{drop + 0.0:+.4g}"
        return f"{round(self.drop_scale * drop, 2) + 0.0:+.2f}"

    def in_words(self, drop: float) -> str:
        """A drop in words: 0.01 -> `1 point`, or `0.05 bits`."""
        number = f"{self.drop_scale * drop:g}"
        unit = self.drop_unit
        return f"{number} {unit[:-1] if (unit, number) == ('points', '1') else unit}"

    def rounding(self, n_examples: int | None, baseline: float) -> float:
        """Standard deviation of what rounding to a share of the examples does to a drop.

        Args:
            n_examples: Number of examples; None where values are exact.
            baseline: Value of the floating-point network.
        """
        if n_examples is None or not self.counts:
            return 0.0
        unit = abs(baseline) if self.relative and baseline else 1.0
        return 1.0 / (sqrt(12.0) * n_examples * unit)

    def check(self, values: np.ndarray) -> None:
        """Refuse values out of range.

        Raises:
            InputError: A value is out of range, or NaN.
        """
        within = (values >= self.low) & (values <= self.high)  # NaN is in no range
        if not within.all():
            what = "accuracies" if self == ACCURACY else f"values of {self.name!r}"
            worst = np.asarray(values)[~within][0]
            raise InputError(
                f"{what} must be from {self.low:g} to {self.high:g}, samples and baseline; "
                f"got {worst:g}"
            )

    def check_baseline(self, baseline: float) -> None:
        """Refuse a baseline against which there is no drop.

        Raises:
            InputError: It is infinite, or it is 0 and drops are shares of it.
        """
        if isinf(baseline):
            raise InputError(f"the floating-point network's {self.name} is infinite")
        if self.relative and baseline == 0.0:
            raise InputError(
                f"max_relative_drop: the floating-point network's {self.name} is 0, which has no shares; "
                "use max_drop"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain data; functions of users are left out."""
        data = {name: value for name, value in vars(self).items() if not callable(value)}
        for end in ("low", "high"):
            if abs(data[end]) == inf:
                data[end] = None
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> Metric:
        """The metric of `to_json`'s data.

        Raises:
            InputError: The data are not those of a metric.
        """
        try:
            ends = {"low": data["low"], "high": data["high"]}
            unbounded = {"low": -inf, "high": inf}
            given = {
                name: unbounded[name] if end is None else float(end) for name, end in ends.items()
            }
            if any(map(isnan, given.values())) or not isinstance(data["name"], str):
                raise TypeError
            return Metric(**{"value": None, **data, **given})
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"metric: got {shown(data)}; must be that of a record") from error


#: Share of the examples whose most probable class is the right one.
ACCURACY = Metric(counts=True)

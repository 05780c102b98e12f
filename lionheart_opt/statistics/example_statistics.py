"""Statistics of every example in every draw: what a metric and its confidence bounds follow from."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.statistics.outcomes import Outcomes, Spread


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ExampleStatistics:
    """Statistics of examples: of the floating-point network, and of every draw at every time.

    Args:
        baseline: Those of the floating-point network, float64, shape (n_examples, n_statistics).
        draws: Those of the draws, float64, shape (n_draws, n_times, n_examples, n_statistics).

    Raises:
        InputError: Shapes or types do not fit together, or a number is not finite.
    """

    baseline: np.ndarray
    draws: np.ndarray

    def __post_init__(self) -> None:
        if (
            self.baseline.ndim != 2
            or self.draws.ndim != 4
            or self.draws.shape[2:] != self.baseline.shape
            or {self.baseline.dtype, self.draws.dtype} != {np.dtype(np.float64)}
        ):
            raise InputError(
                f"statistics: got {self.baseline.dtype} {self.baseline.shape} and {self.draws.dtype} "
                f"{self.draws.shape}; must be float64 of the same examples"
            )
        if not (np.isfinite(self.baseline).all() and np.isfinite(self.draws).all()):
            raise InputError("statistics: NaN or infinite numbers")

    @staticmethod
    def of(baseline: np.ndarray, draws: np.ndarray) -> ExampleStatistics:
        """Statistics of any number type; for the arguments, see the class."""
        return ExampleStatistics(
            baseline=np.asarray(baseline, np.float64), draws=np.asarray(draws, np.float64)
        )

    @staticmethod
    def from_outcomes(outcomes: Outcomes) -> ExampleStatistics:
        """Whether an example is right, as a statistic."""
        return ExampleStatistics.of(outcomes.right_at_baseline[:, None], outcomes.right[..., None])

    def __repr__(self) -> str:
        n_draws, n_times, n_examples, n_statistics = self.draws.shape
        return (
            f"ExampleStatistics({n_draws} draws at {n_times} times, {n_examples} examples, "
            f"{n_statistics} statistics)"
        )

    @property
    def n_examples(self) -> int:
        """Number of examples."""
        return len(self.baseline)

    def samples(self, metric: Metric) -> np.ndarray:
        """The metric of every draw, shape (n_draws, n_times)."""
        return metric.of(self.draws.mean(axis=2, dtype=np.float64))

    def baseline_value(self, metric: Metric) -> float:
        """The metric of the floating-point network."""
        return float(metric.of(self.baseline.mean(axis=0, dtype=np.float64)))

    def spread(self, metric: Metric) -> Spread:
        """How much losses differ between examples.

        The loss of an example is the drop plus the example's influence on it, which is the derivative of
        the drop with respect to the weight of the example (delta method: Efron, The Jackknife, the
        Bootstrap and Other Resampling Plans, 1982, section 6.3).
        """
        base, values = self.baseline_value(metric), self.samples(metric)[..., None]
        sign = 1.0 if metric.higher_is_better else -1.0
        of_base, of_draws = linearised(self.baseline, metric), linearised(self.draws, metric)
        losses = sign * (of_base - of_draws)
        if metric.relative and base:
            # of (b - v) / |b|: the baseline, too, is that of these examples
            losses = losses - sign * (1.0 - values / base) * (of_base - base)
            losses = losses / abs(base)
        mean_losses = losses.mean(axis=0)
        around = mean_losses - mean_losses.mean(axis=-1, keepdims=True)
        each = losses - losses.mean(axis=-1, keepdims=True)
        return Spread(
            deviation=np.sqrt((around**2).mean(axis=-1)),
            third=(around**3).mean(axis=-1),
            each=np.sqrt((each**2).mean(axis=-1)),
            each_third=(each**3).mean(axis=-1),
            largest=np.abs(losses).max(axis=(0, 2)),
        )

    def part(self, draws: slice, examples: slice) -> ExampleStatistics:
        """Those of some draws and examples."""
        return ExampleStatistics(
            baseline=self.baseline[examples], draws=self.draws[draws, :, examples]
        )

    def with_draws(self, more: ExampleStatistics) -> ExampleStatistics:
        """With further draws of the same examples.

        Raises:
            ValueError: The examples are others.
        """
        if not np.array_equal(self.baseline, more.baseline):
            raise ValueError("statistics of different examples cannot be joined draw by draw")
        return ExampleStatistics(
            baseline=self.baseline, draws=np.concatenate([self.draws, more.draws])
        )

    def with_examples(self, more: ExampleStatistics) -> ExampleStatistics:
        """With further examples of the same draws."""
        return ExampleStatistics(
            baseline=np.concatenate([self.baseline, more.baseline]),
            draws=np.concatenate([self.draws, more.draws], axis=2),
        )

    def to_bytes(self) -> bytes:
        """Compressed; `from_bytes` gives equal statistics back. Equal ones give equal bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, statistics=self.baseline, of_draws=self.draws)
        return buffer.getvalue()

    @staticmethod
    def from_bytes(content: bytes) -> ExampleStatistics | Outcomes:
        """The statistics, or the outcomes, of `to_bytes`.

        Raises:
            InputError: The bytes are damaged.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                if "statistics" in file:
                    return ExampleStatistics(baseline=file["statistics"], draws=file["of_draws"])
        except Exception as error:  # a damaged archive may raise anything
            raise InputError(f"outcomes: damaged: {error or type(error).__name__}") from error
        return Outcomes.from_bytes(content)


def linearised(statistics: np.ndarray, metric: Metric) -> np.ndarray:
    """What each example adds to a metric: the value, and the example's influence on it.

    For a mean, it is the statistic itself. The mean over examples is the value.

    Args:
        statistics: Shape (..., n_examples, n_statistics).
        metric: The metric.

    Returns:
        Shape (..., n_examples).
    """
    means = statistics.mean(axis=-2, dtype=np.float64)
    around = statistics - means[..., None, :]
    influences = np.einsum("...nk,...k->...n", around, metric.gradient(means))
    return np.asarray(metric.of(means)[..., None] + influences)


#: What an oracle may say of every example: whether it is right, or its statistics.
Told = Outcomes | ExampleStatistics


def outcomes_of(baseline: np.ndarray, draws: np.ndarray) -> Told:
    """What statistics of examples tell; boolean ones say which examples are right.

    Args:
        baseline: Those of the floating-point network, shape (n_examples, n_statistics).
        draws: Those of the draws, shape (n_draws, n_times, n_examples, n_statistics).
    """
    if baseline.dtype == draws.dtype == np.bool_:
        return Outcomes.of(baseline[..., 0], draws[..., 0])
    return ExampleStatistics.of(baseline, draws)


def told(outcomes: Told, metric: Metric) -> dict[str, Any]:
    """Arguments of an `Accuracy` that follow from outcomes of examples."""
    if isinstance(outcomes, Outcomes) and metric == ACCURACY:
        samples, baseline, spread = outcomes.samples, outcomes.baseline_share, outcomes.spread
    else:
        statistics = outcomes
        if isinstance(statistics, Outcomes):
            statistics = ExampleStatistics.from_outcomes(statistics)
        samples, baseline = statistics.samples(metric), statistics.baseline_value(metric)
        spread = statistics.spread(metric)
    return {
        "samples": samples,
        "baseline": baseline,
        "n_examples": outcomes.n_examples,
        "spread": spread,
        "outcomes": outcomes,
    }


def joined(a: Told | None, b: Told | None, along: Literal["draws", "examples"]) -> Told | None:
    """Outcomes with further draws, or further examples; None where they are not known of both."""
    for kind in (Outcomes, ExampleStatistics):
        if isinstance(a, kind) and isinstance(b, kind):
            together: Told = a.with_draws(b) if along == "draws" else a.with_examples(b)  # type: ignore[arg-type]
            return together
    return None

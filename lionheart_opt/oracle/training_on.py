"""Training on from shared weights: how, and whether it has made them better."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt
from time import perf_counter

import numpy as np

from lionheart_opt.datasets.splits import Splits
from lionheart_opt.digest import digest
from lionheart_opt.metric import Metric
from lionheart_opt.oracle.compensation import Compensation
from lionheart_opt.oracle.engine import Engine
from lionheart_opt.oracle.measurement import Conditions, measure
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.settings import HatRecipe, OracleSettings
from lionheart_opt.oracle.store import Weights, WeightStore
from lionheart_opt.oracle.training import Job, with_weights
from lionheart_opt.oracle.uses import Uses
from lionheart_opt.statistics.bounds import Bounds, Losses, mean_width
from lionheart_opt.statistics.example_statistics import linearised

#: Note of weights that training on has not been shown to make better.
KEPT = "training on is not shown to be better; the weights before are kept"


def recipe_from_shared(hat: HatRecipe) -> HatRecipe:
    """The recipe of a training that starts from shared weights; see `FromShared`."""
    how = hat.from_shared
    digital = hat.digital
    if digital is not None and digital.learning_rate is not None:
        rate = digital.learning_rate * how.rate
        digital = digital.model_copy(update={"learning_rate": rate})
    changes = {
        "learning_rate": hat.learning_rate * how.rate,
        "digital": digital,
        "batch_norm": how.batch_norm,
    }
    return hat.model_copy(update=changes)


@dataclass(frozen=True, kw_only=True, eq=False)
class PairedTest:
    """Compares weights before and after a training, on the same chips and validation examples.

    The chips are not those by which a search judges the mapping.

    Args:
        job: The training.
        engine: What simulates analog matrices.
        uses: How often each analog matrix is used in one inference.
        splits: The data.
        settings: The oracle's settings.
    """

    job: Job
    engine: Engine
    uses: Uses
    splits: Splits
    settings: OracleSettings

    def shows_gain(self, store: WeightStore, key: str, after: Weights) -> tuple[bool, float]:
        """Whether the weights after the training are shown to be better, and seconds that it took.

        It is found out once.

        Args:
            store: Where the answer is kept.
            key: Key of the weights after the training.
            after: These weights.
        """
        settings = self.settings
        measured = {"engine", "batch_size", "validation_examples", "compensation"}
        asked = settings.model_dump(mode="json", include=measured)
        asked["calibration"] = _at_the_time(settings).calibration.model_dump(mode="json")
        how = settings.hat.from_shared.model_dump() | {"time_s": settings.test_time_s}
        name = f"{digest([key, asked, how, self.splits.digest])}.gain.pt"
        gain = store.read(name)
        if gain is None:
            started = perf_counter()
            gain = vars(self.gain(after)) | {"seconds": perf_counter() - started}
            store.write(name, gain)
        return gain["low"] > 0.0, gain["seconds"]

    def gain(self, after: Weights) -> Bounds:
        """By how much the metric is better after the training, with one-sided bounds."""
        before = self._statistics(self.job.start)
        confidence = self.settings.hat.from_shared.confidence
        return paired_gain(
            before, self._statistics(after), self.splits.train.task.metric, confidence
        )

    def _statistics(self, weights: Weights) -> np.ndarray:
        """Statistics of examples, shape (n_draws, n_examples, n_statistics); one draw if none differ."""
        job, settings = self.job, self.settings
        conditions = Conditions(
            times_s=(settings.test_time_s,),
            draws=range(settings.hat.from_shared.draws if job.matrices else 1),
            seed=derive(job.seed, "training on"),
            batch_size=settings.batch_size,
        )
        statistics = measure(
            self.engine,
            with_weights(job.model, weights).to(job.device),
            [tuple(job.matrices)],
            job.rpu_config,
            self.splits.validation[: settings.validation_examples],
            conditions,
            self.uses,
            Compensation.of(_at_the_time(settings), self.splits.train) if job.matrices else None,
            job.digital,
        )
        return statistics[0, :, 0]


def _at_the_time(settings: OracleSettings) -> OracleSettings:
    """Settings without a schedule of calibrations: weights are the same whatever it is."""
    changes = {"recalibrate_every_s": None}
    return settings.model_copy(
        update={"calibration": settings.calibration.model_copy(update=changes)}
    )


def paired_gain(before: np.ndarray, after: np.ndarray, metric: Metric, confidence: float) -> Bounds:
    """Gain in a metric from one network to another, with one-sided bounds over chips and examples.

    The half-width is the root sum of squares of that over chips (Student's t of the gains of each chip)
    and of that over examples (of the mean gains of each example), as in `AccuracyLimit.bounds`.

    Args:
        before: Statistics of the examples with the first network, shape
            (n_draws, n_examples, n_statistics).
        after: The same of the second network, on the same chips. A single draw counts as exact.
        metric: What follows from them.
        confidence: Confidence of each bound.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    gains = sign * (linearised(after, metric) - linearised(before, metric))
    mean, n = float(gains.mean()), gains.shape[1]
    tail = 1.0 - confidence
    chips = 0.0
    if len(gains) > 1:
        rounding = sqrt(2.0) * metric.rounding(n, 1.0)
        chips = mean_width(gains.mean(1), tail, rounding=rounding)
    of_examples = -gains.mean(0)
    centred = of_examples - of_examples.mean()
    losses = Losses(
        n=n,
        mean=-mean,
        deviation=float(np.sqrt((centred**2).mean())),
        third=float((centred**3).mean()),
        largest=1.0 if metric.counts else float(np.abs(gains).max()),
    )
    return Bounds(
        estimate=mean,
        low=mean - hypot(chips, losses.width(tail)),
        high=mean + hypot(chips, losses.mirrored().width(tail)),
    )

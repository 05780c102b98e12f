"""The verdict on a search: what test data that nothing was chosen by say of its mappings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import hypot

import numpy as np

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import AccuracyLimit, drop_excess
from lionheart_opt.statistics.bounds import Bounds, Losses, losses_of, mean_width

#: The check that a verdict rests on: test data with fresh draws.
TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the test data say of a search.

    Args:
        tested: The mappings that were tested, in this order, with the bounds of their drops.
        verified: The last one that was shown to keep the limit: the result of the search. None if not
            even the first was.
        trainings: Number of trainings that it rests on. With one, the weights are taken as given.
        untested: Number of mappings that are still to be tested, since a run was interrupted or goes on.
    """

    tested: tuple[tuple[Evaluation, Bounds], ...]
    verified: Evaluation | None
    trainings: int = 1
    untested: int = 0

    @property
    def bounds(self) -> Bounds:
        """Bounds of the verified mapping's drop; of the first one's if none is verified."""
        return next((b for each, b in self.tested if each is self.verified), self.tested[0][1])

    def says(self, evaluation: Evaluation) -> str:
        """`verified` or `not verified`; empty for a mapping that was not tested."""
        number = next((k for k, (each, _) in enumerate(self.tested) if each is evaluation), None)
        if number is None:
            return ""
        is_last = number == len(self.tested) - 1
        return "not verified" if is_last and evaluation is not self.verified else "verified"


def verdict_of(
    evaluations: Iterable[Evaluation],
    order: Sequence[str],
    checks: dict[str, dict[str, Accuracy]],
    limit: AccuracyLimit,
) -> Verdict | None:
    """What the test data say; None where nothing has been tested.

    Mappings are tested one after the other in an order that the test data did not decide, each with the
    confidence of the limit, and the first one that is not verified ends it. So the chance that a
    verified mapping breaks the limit is that of a single test, however many there were (fixed-sequence
    testing: Maurer, Hothorn and Lehmacher, 1995; Angelopoulos et al., Learn then Test, Annals of Applied
    Statistics 19, 2025). A search that goes on after its verdict and is judged again looks at the same
    test data again; the confidence is that of each verdict by itself.

    Args:
        evaluations: Of the search.
        order: Digests of the candidates to test.
        checks: Digest of a candidate -> name of a check -> its samples.
        limit: The limit.
    """
    if not order:  # nothing has been tested, and thousands of digests take a while
        return None
    by_digest = {each.candidate.digest: each for each in evaluations}
    tested: list[tuple[Evaluation, Bounds]] = []
    trainings: list[int] = []
    verified, untested = None, 0
    for number, digest in enumerate(order):
        judged = judged_on(checks.get(digest, {}))
        if not judged or digest not in by_digest:
            untested = sum(each in by_digest for each in order[number:])
            break
        bounds = final_bounds(limit, judged)
        trainings.append(len(judged))
        tested.append((by_digest[digest], bounds))
        if not keeps(limit, bounds):
            break
        verified = by_digest[digest]
    if not tested:
        return None
    return Verdict(
        tested=tuple(tested), verified=verified, trainings=min(trainings), untested=untested
    )


def again(number: int) -> str:
    """Name of the check on the test data after another training: 1, 2, ..."""
    return f"{TEST}, training {number + 1}"


def is_again(name: str) -> bool:
    """Whether a check is one after another training, which the verdict alone is about."""
    return name.startswith(f"{TEST}, training ")


def judged_on(checks: dict[str, Accuracy]) -> list[Accuracy]:
    """The checks that a verdict rests on: one for each training."""
    others = (again(number) for number in range(1, len(checks)))
    return [checks[name] for name in (TEST, *others) if name in checks]


def final_bounds(limit: AccuracyLimit, trainings: Sequence[Accuracy]) -> Bounds:
    """Bounds of a drop that is looked at once, with all of the error.

    With several trainings the bound of a mean is one over trainings, too: Student's t over their mean
    drops, in which the chips are contained, instead of that over chips. A quantile must be kept by the
    worst of the trainings. A training that diverged shows nothing: the bound is the most that there is.

    Args:
        limit: The limit.
        trainings: Accuracies on the same examples, one for each training of the mapping.
    """
    once = replace(limit, draws=limit.draws[-1:], examples=("all",))
    bounds = [once.bounds(accuracy) for accuracy in trainings]
    if any(accuracy.diverged for accuracy in trainings):
        first = trainings[0]
        return replace(bounds[0], high=first.metric.drop_range(first.baseline)[1])
    if len(bounds) == 1:
        return bounds[0]
    if limit.quantile is not None:
        return max(bounds, key=lambda each: each.high)
    return max((_over_trainings(limit, trainings, t) for t in limit.times_s), key=lambda b: b.high)


def _over_trainings(limit: AccuracyLimit, trainings: Sequence[Accuracy], time_s: float) -> Bounds:
    """Bounds of the mean drop over trainings, chips and examples at one time."""
    error = 1.0 - limit.confidence
    drops = np.array([each.drops_at(time_s).mean() for each in trainings])
    width = mean_width(drops, error, trainings[0].rounding)
    each = [losses_of(accuracy, accuracy.times_s.index(time_s)) for accuracy in trainings]
    known = [losses for losses in each if losses is not None]
    examples = [0.0, 0.0]
    if known and limit.over == "population":
        # the mean over trainings differs between examples no more than they do on average
        mean = Losses(
            n=known[0].n,
            mean=float(drops.mean()),
            deviation=float(np.mean([losses.deviation for losses in known])),
            third=float(np.mean([losses.third for losses in known])),
            largest=max(losses.largest for losses in known),
        )
        examples = [mean.width(error), mean.mirrored().width(error)]
    middle, first = float(drops.mean()), trainings[0]
    least, most = first.metric.drop_range(first.baseline)
    return Bounds(
        estimate=middle,
        low=max(middle - hypot(width, examples[1]), least),
        high=min(middle + hypot(width, examples[0]), most),
    )


def keeps(limit: AccuracyLimit, bounds: Bounds) -> bool:
    """Whether bounds show that the limit holds."""
    return drop_excess(bounds.high, limit.max_drop) <= 0.0

"""The verdict on a search: what test data that nothing was chosen by say of its mappings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.bounds import Bounds
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import AccuracyLimit, drop_excess

#: The check that a verdict rests on: test data with fresh draws.
TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the test data say of a search.

    Args:
        tested: The mappings that were tested, in this order, with the bounds of their drops.
        verified: The last one that was shown to keep the limit; None if not even the first was.
    """

    tested: tuple[tuple[Evaluation, Bounds], ...]
    verified: Evaluation | None

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
    by_digest = {each.candidate.digest: each for each in evaluations}
    tested: list[tuple[Evaluation, Bounds]] = []
    verified = None
    for digest in order:
        accuracy = checks.get(digest, {}).get(TEST)
        if accuracy is None or digest not in by_digest:
            break
        bounds = final_bounds(limit, accuracy)
        tested.append((by_digest[digest], bounds))
        if not keeps(limit, bounds):
            break
        verified = by_digest[digest]
    return Verdict(tested=tuple(tested), verified=verified) if tested else None


def final_bounds(limit: AccuracyLimit, accuracy: Accuracy) -> Bounds:
    """Bounds of a drop that is looked at once, with all of the error."""
    return replace(limit, draws=limit.draws[-1:], examples=("all",)).bounds(accuracy)


def keeps(limit: AccuracyLimit, bounds: Bounds) -> bool:
    """Whether bounds show that the limit holds."""
    return drop_excess(bounds.high, limit.max_drop) <= 0.0

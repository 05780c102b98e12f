"""What each unit loses, estimated from far fewer measurements than there are units."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from math import ceil
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from lionheart_opt.accuracy import AccuracyOracle

#: Measurements, relative to the number of units.
SHARE = 1.0 / 3.0
#: Fewest units to screen: rows and columns of a smaller grid are more than `SHARE` of them.
FEWEST = 36
#: Rounds in which the units that seem to lose most are measured alone.
ROUNDS = 6
#: Losses below this share of the largest count as that: the estimate multiplies and divides.
LEAST = 1e-4
#: Sweeps over all groups until the estimate agrees with them.
SWEEPS = 200

#: Numbers of the units of a group, measured together.
Group = tuple[int, ...]


@runtime_checkable
class MeasuresLoss(Protocol):
    """An oracle that can measure the loss, which is finer than most metrics."""

    def measured_by_loss(self) -> AccuracyOracle:
        """The same oracle, with the same weights and chips, that measures the loss of its task."""
        ...


def crossed_groups(names: Sequence[str]) -> list[Group]:
    """Groups that cross each other, so that each unit is in two of them.

    Names of repeated blocks give blocks (`layer.3`) and what repeats in them (`layer.*.query`). Where
    that makes too many groups, or a group of all units, they are rows and columns of a square grid in
    the order of the names.

    Args:
        names: Names of the units, in execution order, at least `FEWEST`.
    """
    parts = [name.split(".") for name in names]
    first = [next((k for k, p in enumerate(part) if p.isdigit()), 0) for part in parts]
    blocks = [".".join(part[: k + 1]) for part, k in zip(parts, first, strict=True)]
    kinds = [".".join("*" if p.isdigit() else p for p in part) for part in parts]
    groups = _members(blocks) + _members(kinds)
    groups = list(dict.fromkeys(groups))
    if len(groups) <= SHARE * len(names) and max(map(len, groups)) < len(names):
        return groups
    side = ceil(len(names) ** 0.5)
    order = np.arange(len(names))
    return list(dict.fromkeys(_members(order // side) + _members(order % side)))


def most_measurements(names: Sequence[str]) -> int:
    """The most measurements that `screening` takes."""
    return max(int(SHARE * len(names)), len(crossed_groups(names)))


def _members(labels: Iterable[object]) -> list[Group]:
    members: dict[object, list[int]] = {}
    for number, label in enumerate(labels):
        members.setdefault(label, []).append(number)
    return [tuple(group) for group in members.values()]


def estimate(n_units: int, measured: dict[Group, float]) -> np.ndarray:
    """Losses of single units, shape (n_units,), that agree best with the measured sums.

    Of all losses that agree, these are the most even ones (largest entropy): iterative proportional
    fitting (Deming and Stephan, Annals of Mathematical Statistics 1940), all groups at once. Where
    blocks and kinds cross, this is a factor for the block times a factor for the kind. Sums that
    contradict each other, because losses do not quite add up, share the difference.

    Args:
        n_units: Number of units.
        measured: Loss of each measured group. A unit in no group gets the mean; all are 1 without any.
    """
    if not measured:
        return np.ones(n_units)
    largest = max([*measured.values(), 1e-12])
    losses = np.full(n_units, largest / n_units)
    alone = {group[0]: loss for group, loss in measured.items() if len(group) == 1}
    fixed = np.zeros(n_units, dtype=bool)
    for unit, loss in alone.items():
        losses[unit], fixed[unit] = max(loss, LEAST * largest), True
    groups = [(np.array(group), loss) for group, loss in measured.items() if len(group) > 1]
    member = np.zeros((len(groups), n_units))
    rest = np.zeros(len(groups))
    for row, (group, loss) in enumerate(groups):
        free = group[~fixed[group]]
        member[row, free] = 1.0
        rest[row] = max(loss - losses[group[fixed[group]]].sum(), LEAST * largest * len(free))
    counts = member.sum(axis=0)
    for _ in range(SWEEPS):
        sums = member @ np.where(fixed, 0.0, losses)
        ratios = np.log(np.where(sums > 0, rest, 1.0) / np.where(sums > 0, sums, 1.0))
        step = member.T @ ratios / np.maximum(counts, 1.0)
        losses *= np.exp(np.where(fixed, 0.0, step))
    losses[(counts == 0) & ~fixed] = losses[(counts > 0) | fixed].mean()
    return losses


def estimate_with_errors(
    n_units: int, measured: dict[Group, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Losses of single units and their standard errors over draws, both of shape (n_units,).

    A unit that was measured alone has the mean of its draws; the others have what `estimate` says. Errors
    are those of the jackknife over draws (Efron and Stein, Annals of Statistics 1981), which for a mean
    is the usual one. They do not know that losses may not add up, and that blocks may not be alike.

    Args:
        n_units: Number of units.
        measured: Losses of each measured group, shape (n_draws,), the same draws for all groups.
    """
    n_draws = min((len(losses) for losses in measured.values()), default=0)

    def losses_of(draws: np.ndarray) -> np.ndarray:
        means = {group: float(losses[draws].mean()) for group, losses in measured.items()}
        # no group loses less than nothing, unless by chance
        losses = estimate(n_units, {group: max(mean, 0.0) for group, mean in means.items()})
        for group, mean in means.items():
            if len(group) == 1:
                losses[group[0]] = mean
        return losses

    draws = np.arange(n_draws)
    losses = losses_of(draws)
    if n_draws < 2:
        return losses, np.full(n_units, np.nan)
    without = np.array([losses_of(np.delete(draws, draw)) for draw in draws])
    return losses, np.sqrt((n_draws - 1) * without.var(axis=0))


def next_alone(losses: np.ndarray, measured: Iterable[Group], count: int) -> list[Group]:
    """The units that seem to lose most of those that have not been measured alone, most first."""
    alone = {group[0] for group in measured if len(group) == 1}
    order = np.argsort(-losses, kind="stable")
    groups: list[Group] = [(int(unit),) for unit in order if int(unit) not in alone]
    return groups[: max(count, 0)]


def screening(names: Sequence[str]) -> Generator[list[Group], Sequence[float | None], np.ndarray]:
    """Measures groups that cross each other, then units alone that seem to lose most, in rounds.

    This is group screening with two crossed factors. Where few units matter, it finds them as
    sequential bifurcation does (Bettonvil and Kleijnen, European Journal of Operational Research 1997);
    where every block is built alike, it ranks the others, too. It cannot rank units that lose little
    and have nothing in common with others of their block or kind.

    Args:
        names: Names of the units, in execution order, at least `FEWEST`.

    Yields:
        Groups to measure. It receives the loss of each, None where it could not be measured.

    Returns:
        The loss of each unit, shape (n_units,).
    """
    most = int(SHARE * len(names))
    groups = crossed_groups(names)
    asked = len(groups)
    tried: list[Group] = list(groups)
    losses = yield groups
    measured = _answered(groups, losses)
    for round_number in range(ROUNDS):
        count = ceil((most - asked) / (ROUNDS - round_number))
        alone = next_alone(estimate(len(names), measured), tried, count)
        if not alone:
            break
        asked += len(alone)
        tried += alone
        losses = yield alone
        measured |= _answered(alone, losses)
    return estimate(len(names), measured)


def _answered(groups: Sequence[Group], losses: Sequence[float | None]) -> dict[Group, float]:
    pairs = zip(groups, losses, strict=True)
    return {group: max(loss, 0.0) for group, loss in pairs if loss is not None}

"""A number with its interval, and how a cost moves with what is not known of its system."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import exp, inf
from typing import NamedTuple, TypeVar

import numpy as np

Name = TypeVar("Name", bound=str)


class Estimate(NamedTuple):
    """A number and the ends of its interval of 95 %, which are None where nothing says how sure it is."""

    value: float
    low: float | None = None
    high: float | None = None

    @staticmethod
    def within(value: float, half_width: float | None) -> Estimate:
        """A number that is known up to a factor.

        Args:
            value: The number.
            half_width: Logarithm of the factor; None where it is not known.
        """
        if half_width is None:
            return Estimate(value)
        return Estimate(value, value * exp(-half_width), value * exp(half_width))

    @property
    def inverse(self) -> Estimate:
        """Of 1 / number: the rate of a time."""
        low, high = (None if end is None else 1.0 / end for end in self[1:])
        return Estimate(1.0 / self.value, high, low)

    def times(self, factor: float) -> Estimate:
        """Of a multiple of the number."""
        low, high = (None if end is None else factor * end for end in self[1:])
        return Estimate(factor * self.value, low, high)

    def said(self, say: Callable[[float], str]) -> str:
        """The number and its interval, such as `3.1 ms [1.7 ms, 5.7 ms]`; one that is exact has none.

        Args:
            say: Writes a number.
        """
        if self.low is None or self.high is None or self.low == self.high:
            return say(self.value)
        return f"{say(self.value)} [{say(self.low)}, {say(self.high)}]"


def ends_of(name: str) -> tuple[str, str]:
    """Names of the ends of an interval: `latency_low_s` and `latency_high_s` of `latency_s`.

    Those of a rate are `tokens_per_s_low` and `tokens_per_s_high`.
    """
    has_unit = name[-2:] in ("_s", "_j") and not name.endswith("_per_s")
    stem, unit = (name[:-2], name[-2:]) if has_unit else (name, "")
    return f"{stem}_low{unit}", f"{stem}_high{unit}"


def names_with_ends(names: Iterable[str]) -> tuple[str, ...]:
    """The names, then those of the ends of their intervals: the keys of `with_ends`."""
    kept = tuple(names)
    return (*kept, *(end for name in kept for end in ends_of(name)))


def with_ends(estimates: dict[Name, Estimate]) -> dict[str, float | None]:
    """Numbers by their names, then the ends of their intervals."""
    ends = {
        end: bound
        for name, estimate in estimates.items()
        for end, bound in zip(ends_of(name), estimate[1:], strict=True)
    }
    return {str(name): estimate.value for name, estimate in estimates.items()} | ends


def gain(before: float, after: float) -> float:
    """How many times less a cost is; 1 where nothing costs anything, as in a model without energies."""
    if before == after:
        return 1.0
    return before / after if after else inf


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """How a cost moves with the errors of its system.

    Args:
        errors: Name of each error: constants, such as `software.simple_cycles`, then what no constant
            explains, such as `time of analog targets`.
        shifts: Quantity -> change of its logarithm where one error is half of its interval of 95 %,
            shape (n_errors,).
        layers: Name of a layer -> the same for its latency and its energy, shape (2, n_errors).
        correlations: Of the errors, shape (n_errors, n_errors).
        system: Digest of the system, which errors are of.
    """

    errors: tuple[str, ...]
    shifts: dict[str, np.ndarray]
    layers: dict[str, np.ndarray]
    correlations: np.ndarray
    system: str = ""

    def shares_errors(self, other: Spread) -> bool:
        """Whether another cost moves with the same errors."""
        return (self.system, self.errors) == (other.system, other.errors)

    def half_width(self, shift: np.ndarray) -> float:
        """Half of the interval of 95 % of a logarithm that moves so, all errors together."""
        return float(np.sqrt(max(0.0, shift @ self.correlations @ shift)))

    def estimate(self, value: float, shift: np.ndarray) -> Estimate:
        """A number that moves so. One that no known error moves has no interval, as others may."""
        return Estimate.within(value, self.half_width(shift) if shift.any() else None)


@dataclass(frozen=True, eq=False)
class Uncertain:
    """A number that moves with the errors of its system.

    Sums, differences, products and quotients of such numbers move with the errors that they share, in
    first order. Plain numbers are exact.

    Args:
        value: The number.
        shift: Change of its logarithm where one error is half of its interval of 95 %, shape (n_errors,).
        spread: What the errors are; None where nothing is known of them.
    """

    value: float
    shift: np.ndarray
    spread: Spread | None

    @staticmethod
    def of(value: float, spread: Spread | None, quantity: str, layer: str = "") -> Uncertain:
        """A number of a cost.

        Args:
            value: The number.
            spread: How the cost moves; None where nothing is known.
            quantity: What the number is, such as `latency_s`.
            layer: The layer whose latency or energy it is; empty for the whole cost.
        """
        if spread is None:
            return Uncertain(value, np.zeros(()), None)
        shift = (
            spread.layers[layer][int(quantity == "energy_j")] if layer else spread.shifts[quantity]
        )
        return Uncertain(value, shift, spread)

    @property
    def estimate(self) -> Estimate:
        """The number with its interval of 95 %."""
        if self.spread is None:
            return Estimate(self.value)
        return self.spread.estimate(self.value, self.shift)

    @property
    def _change(self) -> np.ndarray:
        """Of the number itself."""
        return self.value * self.shift

    def _moved(self, value: float, change: np.ndarray, other: Uncertain | float) -> Uncertain:
        spread = self.spread
        if isinstance(other, Uncertain):
            if spread and other.spread and spread.errors != other.spread.errors:
                raise ValueError("numbers of systems with other errors")
            spread = spread and other.spread
        return Uncertain(value, change / value if value else 0.0 * change, spread)

    def __add__(self, other: Uncertain | float) -> Uncertain:
        value, change = _split(other)
        return self._moved(self.value + value, self._change + value * change, other)

    def __sub__(self, other: Uncertain | float) -> Uncertain:
        return self + other * -1.0

    def __mul__(self, other: Uncertain | float) -> Uncertain:
        value, shift = _split(other)
        product = self.value * value
        return self._moved(product, product * (self.shift + shift), other)

    def __rmul__(self, other: float) -> Uncertain:
        return self * other

    def __truediv__(self, other: Uncertain | float) -> Uncertain:
        value, shift = _split(other)
        ratio = self.value / value
        return self._moved(ratio, ratio * (self.shift - shift), other)

    def __rtruediv__(self, other: float) -> Uncertain:
        return Uncertain(other / self.value, -self.shift, self.spread)


def _split(number: Uncertain | float) -> tuple[float, np.ndarray | float]:
    """A number, and the change of its logarithm."""
    return (number.value, number.shift) if isinstance(number, Uncertain) else (number, 0.0)

"""Which examples a network gets right, in every draw: what a statement about the population rests on."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lionheart_opt.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """How much losses differ between examples.

    The loss of an example is what it adds to the drop. Of accuracy, it is the baseline's outcome minus
    the network's: 1 where only the floating-point network is right, -1 where only the other one is.

    Args:
        deviation: Standard deviation over examples of the mean loss over draws, shape (n_times,).
        third: Third central moment of the same, shape (n_times,).
        each: Standard deviation over examples of the losses in each draw, shape (n_draws, n_times).
        each_third: Third central moment of the same; None where losses are -1, 0 or 1.
        largest: Largest absolute loss, shape (n_times,); None where losses are -1, 0 or 1.

    Raises:
        InputError: Shapes do not fit together, or a value cannot be of losses, which are from -1 to 1
            where `largest` does not say otherwise.
    """

    deviation: np.ndarray
    third: np.ndarray
    each: np.ndarray
    each_third: np.ndarray | None = None
    largest: np.ndarray | None = None

    def __post_init__(self) -> None:
        times = self.deviation.shape
        if (
            self.third.shape != times
            or self.each.ndim != 2
            or self.each.shape[1:] != times
            or (self.each_third is not None and self.each_third.shape != self.each.shape)
            or (self.largest is not None and self.largest.shape != times)
            or (self.each_third is None) != (self.largest is None)
        ):
            shapes = ", ".join(
                str(np.shape(each)) for each in vars(self).values() if each is not None
            )
            raise InputError(f"spread: shapes {shapes} do not fit together")
        largest = np.ones(times) if self.largest is None else self.largest
        if not np.all((largest >= 0.0) & (largest < np.inf)):
            raise InputError("spread: largest: must be finite and not negative")
        # rounding may lead a little beyond
        largest = largest if self.largest is None else largest * (1.0 + 1e-9)
        allowed = "numbers from 0 to 1" if self.largest is None else "from 0 to the largest loss"
        for name in ("deviation", "each"):
            values = getattr(self, name)
            if not np.all((values >= 0.0) & (values <= largest)):
                raise InputError(f"spread: {name}: must be {allowed}")
        # a centred loss is at most twice the largest
        cubes = np.ones(times) if self.largest is None else 8.0 * largest**3
        if not np.all(np.abs(self.third) <= cubes):
            raise InputError("spread: third: must be numbers from -1 to 1")
        if self.each_third is not None and not np.all(np.abs(self.each_third) <= cubes):
            raise InputError("spread: each_third: larger than losses can give")

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` gives equal values back."""
        return {name: values.tolist() for name, values in vars(self).items() if values is not None}

    @staticmethod
    def from_json(data: dict[str, Any], n_times: int) -> Spread:
        """The spread of `to_json`'s data."""
        shapes = {
            "deviation": (-1,),
            "third": (-1,),
            "each": (-1, n_times),
            "each_third": (-1, n_times),
            "largest": (-1,),
        }
        needed = ("deviation", "third", "each")
        return Spread(
            **{
                name: np.array(data[name], float).reshape(shape)
                for name, shape in shapes.items()
                if name in needed or data.get(name) is not None
            }
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Outcomes:
    """Which examples are right: of the floating-point network, and of every draw at every time.

    One bit an example: 10 draws of 5,000 examples at one time are some 6 kB.

    Args:
        n_examples: Number of examples.
        baseline: Packed bits of the floating-point network, shape (n_bytes,).
        draws: Packed bits of the draws, shape (n_draws, n_times, n_bytes).

    Raises:
        InputError: Shapes or types do not fit together.
    """

    n_examples: int
    baseline: np.ndarray
    draws: np.ndarray

    def __post_init__(self) -> None:
        n_bytes = -(-self.n_examples // 8)
        if (
            self.baseline.shape != (n_bytes,)
            or self.draws.ndim != 3
            or self.draws.shape[2] != n_bytes
            or {self.baseline.dtype, self.draws.dtype} != {np.dtype(np.uint8)}
        ):
            raise InputError(
                f"outcomes: {self.n_examples} examples need {n_bytes} bytes each; got "
                f"{self.baseline.dtype} {self.baseline.shape} and {self.draws.dtype} {self.draws.shape}"
            )

    @staticmethod
    def of(baseline: np.ndarray, draws: np.ndarray) -> Outcomes:
        """Pack what is right.

        Args:
            baseline: Whether the floating-point network is right, boolean, shape (n_examples,).
            draws: Whether a draw is right, boolean, shape (n_draws, n_times, n_examples).
        """
        return Outcomes(
            n_examples=len(baseline),
            baseline=np.packbits(baseline),
            draws=np.packbits(draws, axis=-1),
        )

    def __repr__(self) -> str:
        n_draws, n_times, _ = self.draws.shape
        return f"Outcomes({n_draws} draws at {n_times} times, {self.n_examples} examples)"

    @property
    def right_at_baseline(self) -> np.ndarray:
        """Whether the floating-point network is right, boolean, shape (n_examples,)."""
        return np.unpackbits(self.baseline, count=self.n_examples).astype(bool)

    @property
    def right(self) -> np.ndarray:
        """Whether a draw is right, boolean, shape (n_draws, n_times, n_examples)."""
        return np.unpackbits(self.draws, axis=-1, count=self.n_examples).astype(bool)

    @property
    def samples(self) -> np.ndarray:
        """Share of the examples that are right, shape (n_draws, n_times)."""
        counts = np.bitwise_count(self.draws).sum(axis=-1, dtype=np.int64)
        return np.asarray(counts / self.n_examples)

    @property
    def baseline_share(self) -> float:
        """Share of the examples that the floating-point network gets right."""
        return int(np.bitwise_count(self.baseline).sum(dtype=np.int64)) / self.n_examples

    @property
    def mean_losses(self) -> np.ndarray:
        """Loss of every example, mean over draws, shape (n_times, n_examples)."""
        return np.asarray(self.right_at_baseline - self.right.mean(axis=0))

    @cached_property
    def spread(self) -> Spread:
        """How much losses differ between examples."""
        losses = self.mean_losses
        centred = losses - losses.mean(axis=-1, keepdims=True)
        differs = np.bitwise_count(self.draws ^ self.baseline).sum(axis=-1, dtype=np.int64)
        drops = self.baseline_share - self.samples
        return Spread(
            deviation=np.sqrt((centred**2).mean(axis=-1)),
            third=(centred**3).mean(axis=-1),
            each=np.sqrt(np.maximum(differs / self.n_examples - drops**2, 0.0)),
        )

    def part(self, draws: slice, examples: slice) -> Outcomes:
        """Those of some draws and examples."""
        return Outcomes.of(self.right_at_baseline[examples], self.right[draws, :, examples])

    def with_draws(self, more: Outcomes) -> Outcomes:
        """With further draws of the same examples.

        Raises:
            ValueError: The examples are others.
        """
        if self.n_examples != more.n_examples or (self.baseline != more.baseline).any():
            raise ValueError("outcomes of different examples cannot be joined draw by draw")
        return Outcomes(
            n_examples=self.n_examples,
            baseline=self.baseline,
            draws=np.concatenate([self.draws, more.draws]),
        )

    def with_examples(self, more: Outcomes) -> Outcomes:
        """With further examples of the same draws."""
        return Outcomes.of(
            np.concatenate([self.right_at_baseline, more.right_at_baseline]),
            np.concatenate([self.right, more.right], axis=-1),
        )

    def to_bytes(self) -> bytes:
        """Compressed; `from_bytes` gives equal outcomes back. Equal outcomes give equal bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            n_examples=np.array(self.n_examples),
            baseline=self.baseline,
            differs=self.draws ^ self.baseline,  # mostly zeros
        )
        return buffer.getvalue()

    @staticmethod
    def from_bytes(content: bytes) -> Outcomes:
        """The outcomes of `to_bytes`.

        Raises:
            InputError: The bytes are damaged.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                baseline = file["baseline"]
                return Outcomes(
                    n_examples=int(file["n_examples"]),
                    baseline=baseline,
                    draws=file["differs"] ^ baseline,
                )
        except Exception as error:  # a damaged archive may raise anything
            raise InputError(f"outcomes: damaged: {error or type(error).__name__}") from error

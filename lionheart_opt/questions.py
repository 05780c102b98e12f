"""Questions that a strategy may put to an oracle beside accuracy, and their answers.

A strategy asks with `Problem.ask`. The search charges the seconds to its budget and keeps the answer in
its record, where a resumed search reads it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, isfinite
from typing import ClassVar, Protocol, runtime_checkable

from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError
from lionheart_opt.signals import check_stopped


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question. Its fields are plain data.

    Attributes:
        what: What the question is about, for messages.
    """

    what: ClassVar[str]

    @property
    def digest(self) -> str:
        """Digest of the kind and the fields: equal for equal questions."""
        return digest([type(self).__name__, asdict(self)])


@dataclass(frozen=True, kw_only=True)
class Proxies(Question):
    """Asks for cheap predictors of each unit's sensitivity, from the pretrained network alone.

    The answer holds, for each name of a proxy, unit -> value.

    Args:
        units: Names of the units.
    """

    what: ClassVar[str] = "proxies of sensitivity"

    units: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Divergences(Question):
    """Asks how far each unit, alone on an analog target, moves the outputs of the pretrained network.

    See `lionheart_opt.tasks.Task.divergence`. Where the host does not compute in floating point, what
    it adds by itself is taken off.

    The answer holds, for the names `divergence` and `standard_error`, unit -> value. The error is over
    the held-out examples, and over chips where there are two or more.

    Args:
        units: Names of the units.
        target: Name of the analog target.
        others: Unit -> where it runs while another one is on the target.
        time_s: Time since programming, in seconds.
        n_draws: Number of programmed chips.
    """

    what: ClassVar[str] = "divergences of single units"

    units: tuple[str, ...]
    target: str
    others: dict[str, str]
    time_s: float
    n_draws: int = 1


@dataclass(frozen=True, kw_only=True)
class LearnedShares(Question):
    """Asks how much of each unit is analog after a training that minimises loss and cost together.

    The loss is the cross entropy plus `strength` times the expected cost. A unit's result is the mean
    of its digital and its analog result, weighted by shares that are learned with the weights.

    The answer holds, for the name `share`, unit -> share of the analog target, in [0, 1].

    Args:
        prices: Unit -> cost on the host, cost on the analog target.
        pairs: Names of two units and what they cost together beyond `prices`: with both digital, only
            the second analog, only the first analog, both analog.
        strength: Weight of the cost in the loss.
    """

    what: ClassVar[str] = "learned shares"

    prices: dict[str, tuple[float, float]]
    pairs: tuple[tuple[str, str, float, float, float, float], ...] = ()
    strength: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Answer:
    """The answer to a question.

    Args:
        values: Name of a quantity -> unit -> value.
        oracle_s: Oracle seconds that the answer took when it was computed, even if it is read from a
            record.

    Raises:
        InputError: A value is NaN or infinite.
    """

    values: dict[str, dict[str, float]]
    oracle_s: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.oracle_s < inf:
            raise InputError(
                f"answer: oracle_s: got {self.oracle_s}; must be finite and not negative"
            )
        for name, values in self.values.items():
            for unit, value in values.items():
                if not isfinite(value):
                    raise InputError(
                        f"answer: {name} of unit {unit!r}: got {value}; must be finite"
                    )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} of {len(units)} units" for name, units in self.values.items())
        return f"Answer({sizes}; {self.oracle_s:.3g} oracle seconds)"


@runtime_checkable
class Consultable(Protocol):
    """An oracle that answers questions beside accuracy."""

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """The kinds of questions that it answers."""
        ...

    def consult(self, question: Question, seed: int) -> Answer:
        """Answer one of `questions`; up to the seconds a pure function of the arguments."""
        ...


def questions_of(oracle: object) -> tuple[type[Question], ...]:
    """The kinds of questions that an oracle answers beside accuracy."""
    return oracle.questions if isinstance(oracle, Consultable) else ()


def consult(oracle: object, question: Question, seed: int) -> Answer:
    """Put a question to an oracle.

    Raises:
        InputError: The oracle does not answer such questions.
    """
    if not isinstance(oracle, Consultable) or type(question) not in oracle.questions:
        raise cannot_answer(question)
    check_stopped()
    return oracle.consult(question, seed)


def check_screening(oracle: object, training: str, where: str) -> None:
    """Refuse to ask for divergences where they say nothing, and an oracle that has none.

    Args:
        oracle: The oracle.
        training: Training of the weights that units are compared with.
        where: What asks, for the message.

    Raises:
        InputError: Each mapping has weights of its own, or the oracle cannot compare outputs.
    """
    if training != "none":
        raise InputError(
            f"{where}: all units are measured with the weights of the floating-point network; got "
            f'training {training!r}; allowed: "none"'
        )
    if Divergences not in questions_of(oracle):
        raise InputError(
            f"{where}: the study's oracle cannot compare outputs of the network; an oracle that can: "
            '[oracle] kind = "hat"'
        )


def cannot_answer(question: Question) -> InputError:
    """The error of a question that an oracle does not answer."""
    return InputError(
        f"the study's oracle has no {question.what}, which the strategy needs; "
        'an oracle that has: [oracle] kind = "hat"'
    )

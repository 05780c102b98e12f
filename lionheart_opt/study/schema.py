"""What a `study.toml` may say: every key with its meaning, type, range and default."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PlainSerializer,
    model_validator,
)

from lionheart_opt.buckets import place_of
from lionheart_opt.cost import CostObjective
from lionheart_opt.errors import InputError
from lionheart_opt.granularity import Granularity
from lionheart_opt.limits import MOST_DRAWS, AccuracyLimit
from lionheart_opt.mapping import Training
from lionheart_opt.oracle_context import DataTable, ModelTable, Table
from lionheart_opt.problem import Objective
from lionheart_opt.text import shown
from lionheart_opt.workload import MOST_IN_BATCH

#: Data sets that come along with a task of their own.
_WITH_TASKS = ("shakespeare", "text")
#: Trainings that a verdict may rest on.
MOST_TRAININGS = 100
#: One number or a list of them; a single one is written as a number again.
Times = Annotated[
    tuple[NonNegativeFloat, ...],
    Field(strict=False),
    BeforeValidator(lambda value: value if isinstance(value, (list, tuple)) else (value,)),
    PlainSerializer(lambda times_s: times_s[0] if len(times_s) == 1 else list(times_s)),
]


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError(f"got {shown(name)}; must have no control characters")
    return name


def _place(where: str) -> str:
    try:
        place_of(where)
    except InputError as error:
        raise ValueError(str(error).removeprefix("artifacts: ")) from None
    return where


#: Names of units, or patterns such as `layer1.*`.
Patterns = Annotated[tuple[str, ...], Field(strict=False)]


def _size_of_units(value: Any) -> Any:
    groups = value.values() if isinstance(value, dict) else [value]
    is_named = isinstance(value, str) and value in get_args(Granularity)
    if not is_named and not all(map(_are_patterns, groups)):
        raise ValueError(
            f'got {shown(value)}; must be "projections", "layers", "blocks", a list of names or '
            "patterns, or groups of them"
        )
    return value


def _are_patterns(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


#: What tables, plots and messages call something.
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]


class LimitsTable(Table):
    """`[limits]`: what a mapping must keep."""

    max_drop: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Largest drop against the floating-point network, in the unit of the task's metric (0.01 is 1 point
    of accuracy)."""
    max_relative_drop: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The same as a share of the floating-point network's value; one of the two is needed."""
    time_s: Times = (86_400.0,)
    """Time after programming, or several, at which it must hold; of the oracle's `times_s`."""
    quantile: float | None = None
    """Share of the programmed chips that must keep it (0.9); without it, the mean must."""
    confidence: float = 0.95
    draws: tuple[Annotated[int, Field(gt=0, le=MOST_DRAWS)], ...] = Field(
        default=(5, 10, 20), strict=False
    )
    """Numbers of programming draws at which to decide; the last is the maximum."""
    examples: tuple[Literal["all"] | Annotated[int, Field(gt=0)], ...] = Field(
        default=("all",), strict=False
    )
    """Numbers of validation examples at which to decide; the last is `all`."""
    over: Literal["population", "examples"] = "population"
    """What it is about: the population that the examples are drawn from, or the examples themselves."""
    latency_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    energy_j: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    interval_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_accuracy_limit(self) -> LimitsTable:
        if (self.max_drop is None) == (self.max_relative_drop is None):
            raise ValueError("max_drop: either it or max_relative_drop must be given")
        _ = self.accuracy_limit
        return self

    @property
    def cost_limits(self) -> dict[CostObjective, float]:
        """The limits of costs that are set."""
        limits: dict[CostObjective, float | None] = {
            "latency_s": self.latency_s,
            "energy_j": self.energy_j,
            "interval_s": self.interval_s,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}

    @property
    def accuracy_limit(self) -> AccuracyLimit:
        """The limit of the accuracy drop."""
        is_relative = self.max_drop is None
        return AccuracyLimit(
            max_drop=(self.max_relative_drop if is_relative else self.max_drop) or 0.0,
            time_s=self.time_s,
            quantile=self.quantile,
            confidence=self.confidence,
            draws=self.draws,
            examples=self.examples,
            over=self.over,
            relative=is_relative,
        )


class VerdictTable(Table):
    """`[verdict]`: how the best mappings are judged on the test data."""

    trainings: int = Field(default=1, gt=0, le=MOST_TRAININGS)
    """Trainings, each with another seed, that a verdict rests on."""


class BudgetTable(Table):
    """`[budget]`: for each search; whichever comes first."""

    trials: int | None = Field(default=None, gt=0)
    oracle_s: float | None = Field(default=None, gt=0)


class RunTable(Table):
    """`[[run]]`: one strategy, once for each seed."""

    strategy: str
    label: Name | None = None
    """What tables and plots call it; the strategy's name by default."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    seeds: tuple[NonNegativeInt, ...] = Field(default=(0,), min_length=1, strict=False)
    budget: BudgetTable | None = None
    """Instead of the study's."""

    @property
    def name(self) -> str:
        """The label, or the strategy's name."""
        return self.label or self.strategy


class ExploreTable(Table):
    """`[explore]`: systems to explore together with the mapping (`lionheart-opt explore`)."""

    vary: dict[str, str | list[bool | int | float | str]] = Field(min_length=1)
    """Dotted name of a number of the system (`targets.tile.rows`) -> its values, or a range from, to
    (included), step (`"64:512:64"`)."""
    objectives: tuple[Literal["latency_s", "energy_j", "interval_s", "area_m2"], ...] | None = (
        Field(default=None, strict=False)
    )
    """What is minimised, at most three; without them, latency, energy and, where it is known, area."""
    trials: int | None = Field(default=None, gt=0)
    """Designs at most; 100 without it."""


class StudyTable(Table):
    """A whole `study.toml`."""

    question: str = Field(min_length=1)
    """What the study is to find out, in one sentence."""
    system: str
    """A name of `lionheart-opt list systems`, or a path that ends in .toml."""
    objectives: tuple[Objective, ...] = Field(default=("latency_s",), min_length=1, strict=False)
    training: Training = "full"
    """How weights are obtained where a strategy does not say."""
    seed: int = Field(default=0, ge=0)
    """Of the oracle: the same programming draws for all strategies."""
    storage: str = Field(default="sqlite:///study.db", repr=False)  # it may hold a password
    """Any Optuna storage; relative files lie beside the study file."""
    artifacts: Annotated[str, AfterValidator(_place)] = "artifacts"
    """Where trained weights and what is known of each example are kept: a folder beside the study file,
    `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`."""
    model: ModelTable
    data: DataTable | None = None
    task: dict[str, Any] | None = None
    """What the network is for: `kind` and the arguments of that task, or a loss and a metric of your own;
    what the data set says by default."""
    batch: int = Field(default=1, gt=0, le=MOST_IN_BATCH)
    """Inferences that are priced together; see `lo.cost`."""
    units: Annotated[
        Granularity | Patterns | dict[Name, Patterns], BeforeValidator(_size_of_units)
    ] = Field(default_factory=dict)
    """What moves as a whole: `projections`, `layers`, `blocks`, patterns, or groups of them."""
    digital: tuple[str, ...] = Field(default=(), strict=False)
    """Units that stay on the host, whatever a strategy would like: names, or patterns (`layer1.*`)."""
    oracle: dict[str, Any] = Field(default_factory=dict)
    """`kind` (`hat` by default) and the settings of that oracle."""
    limits: LimitsTable
    budget: BudgetTable = BudgetTable(trials=100)
    verdict: VerdictTable = VerdictTable()
    explore: ExploreTable | None = None
    run: tuple[RunTable, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _drop_is_a_share(self) -> StudyTable:
        """What comes along is measured in shares; 1 means all, not a point."""
        drop, data = self.limits.max_drop, "" if self.data is None else self.data.name
        has_own = ":" in data or data in _WITH_TASKS or self.oracle.get("kind") == "table"
        has_own = has_own or self.model.is_pretrained
        if self.task is None and not has_own and drop is not None and drop > 1:
            raise ValueError(
                f"limits.max_drop: got {drop:g}; must be from 0 to 1 (0.01 is one point)"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_finite(cls, data: Any) -> Any:
        """TOML knows `nan` and `inf`; no setting is one, arguments of plug-ins included."""
        for path, number in _numbers(data):
            if not isfinite(number):
                raise ValueError(f"{path}: got {number}; must be a finite number")
        return data


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every floating-point number in plain data, and where it is."""
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inner:
            yield from _numbers(each, f"{path}.{key}" if path else str(key))

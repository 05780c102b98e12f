"""What an oracle is built from: a study's network, data, workload, system and limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from lionheart_opt.errors import InputError
from lionheart_opt.pretrained import PREFIX
from lionheart_opt.system import System
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    from torch import nn


class Table(BaseModel):
    """A table of a study file: known keys only, no conversion of types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # tracebacks would show passwords
    )


class ModelTable(Table):
    """`[model]`: the network, from the zoo, the user's own, or one of Hugging Face's."""

    model_config = ConfigDict(populate_by_name=True)  # as it is written

    name: str
    """A name of `lionheart-opt list models`, `package.module:factory`, or `hf:` and a folder or an id in
    the cache of Hugging Face."""
    class_name: str | None = Field(default=None, alias="class")
    """Class of `transformers` that loads a network of Hugging Face, such as
    `AutoModelForSequenceClassification`; by default, the class that saved it."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the factory, or of `from_pretrained`."""
    input_shape: tuple[PositiveInt, ...] | None = Field(default=None, min_length=1, strict=False)
    """Without the batch, channels first; the zoo knows its own, and data sets give theirs."""
    weights: str | None = None
    """A state dict saved by `torch.save`, instead of pretraining."""

    @property
    def is_pretrained(self) -> bool:
        """Whether it is a network of Hugging Face, which has its weights."""
        return self.name.startswith(PREFIX)

    @model_validator(mode="after")
    def _class_is_used(self) -> ModelTable:
        if self.class_name is not None and not self.is_pretrained:
            raise ValueError(f"class: it is for networks of Hugging Face, such as '{PREFIX}FOLDER'")
        return self


class DataTable(Table):
    """`[data]`: the data set and how its training part is split."""

    name: str
    """A name of `lionheart-opt list datasets`, or `package.module:factory`."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    folder: str | None = None
    """Where the files are; $LIONHEART_OPT_DATA or ./data by default."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training set that the search is judged on; never trained on."""
    seed: int = Field(default=0, ge=0)
    """Seed of the split."""


@runtime_checkable
class SaysNumerics(Protocol):
    """An oracle that simulates what the targets of a system compute in."""

    @property
    def numerics(self) -> dict[str, str]:
        """Name of a target -> what it computes in: `int8`, or `analog, lionheart`."""
        ...


class GivesSplits(Protocol):
    """A data set that is in memory, such as `lionheart_opt.datasets.Dataset`."""

    def split(self) -> Any:
        """Its training, validation and test data: `lionheart_opt.datasets.splits.Splits`."""
        ...


@dataclass(frozen=True, kw_only=True)
class OracleContext:
    """A study as its oracle sees it. An oracle's `from_study` receives this and its own settings.

    Args:
        workload: Traced from the network, units grouped.
        system: What the units can run on.
        model: The network: how a study file names it, or the module itself.
        data: The data set: how a study file names it, or the data set itself; None if the study has
            none.
        digital: Names of the units that stay on the host.
        times_s: Times at which the accuracy limit must hold.
        folder: What relative file names are relative to.
        artifacts: Where trained weights are kept: a folder, or the URL of a bucket; None is a temporary
            folder.
        origin: What error messages call the study: the path of its file, for example.
        relative: Whether the limit's drop is a share of the baseline.
        task: What the network is for, as a study file names it; None is what the data set says.
    """

    workload: Workload
    system: System
    model: ModelTable | nn.Module
    data: DataTable | GivesSplits | None
    digital: tuple[str, ...]
    times_s: tuple[float, ...]
    folder: Path
    artifacts: str | Path | None
    origin: str
    relative: bool = False
    task: Any = None

    @property
    def where(self) -> str:
        """What error messages call the oracle's settings."""
        return f"{self.origin}: [oracle]"

    def check_times(self, measured_s: Sequence[float]) -> None:
        """Refuse limits at times that the oracle does not measure.

        Args:
            measured_s: The times that it measures.

        Raises:
            InputError: The accuracy limit names another time.
        """
        for time_s in self.times_s:
            if time_s not in measured_s:
                allowed = ", ".join(f"{measured:g}" for measured in measured_s)
                raise InputError(
                    f"{self.origin}: [limits] time_s: got {time_s:g}; "
                    f"must be one of the oracle's times_s: {allowed}"
                )

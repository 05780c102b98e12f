"""A task of two functions of a user: a loss, and a metric."""

from __future__ import annotations

import hashlib
import inspect
import io
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from types import CodeType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lionheart_opt import plugins
from lionheart_opt.api_arguments import kind_of
from lionheart_opt.digest import digest, source_of, without_folder
from lionheart_opt.errors import InputError
from lionheart_opt.metric import Metric, ValueFunction
from lionheart_opt.own_errors import own_error
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.task import Batch, Task

#: How a metric of the package torchmetrics is named.
TORCHMETRICS = "torchmetrics:"
#: Most groups of examples that are left out one after the other (see `influences`).
GROUPS = 50


class OwnTask(Task):
    """A task of two functions.

    Args:
        loss: Function of outputs and targets that returns the mean training loss, or its name
            (`module:function`, or that of one in `torch.nn.functional`, such as `cross_entropy`).
        metric: Function of outputs and targets, or its name. It returns a number for each example, shape
            (n_examples,), whose mean is the metric, or several, shape (n_examples, n_statistics), from
            whose means `value` computes it. `torchmetrics:NAME` is a metric of that package.
        value: How the metric follows from means of statistics; see `Metric`. A name or a function.
        of_all: Whether the metric is a function of the outputs for all examples together, which returns a
            single number. Its confidence bounds are found by leaving out groups of examples (jackknife).
        arguments: Arguments of a metric of torchmetrics.
        name: Name of the metric.
        higher_is_better: Whether more is better.
        low: Least value.
        high: Largest value.
        unit: See `Metric`; `%` for shares.
        output: See `Task`.

    Raises:
        InputError: A function does not exist.
    """

    def __init__(
        self,
        *,
        loss: Callable[..., Tensor] | str,
        metric: Callable[..., Any] | str,
        value: str | ValueFunction = "mean",
        of_all: bool = False,
        arguments: dict[str, Any] | None = None,
        name: str | None = None,
        higher_is_better: bool = True,
        low: float = -inf,
        high: float = inf,
        unit: str = "",
        output: str | int | None = None,
    ) -> None:
        super().__init__(output=output)
        self.arguments = dict(arguments or {})
        self._loss = _function(loss, "loss")
        if isinstance(metric, str) and metric.startswith(TORCHMETRICS):
            self.of_all = True
            self._measure = _of_torchmetrics(metric, self.arguments)
        else:
            if arguments:
                raise InputError("task: arguments: only metrics of torchmetrics have any")
            self.of_all = of_all
            self._measure = _function(metric, "metric")
        if self.of_all and value != "mean":
            raise InputError("task: value: a metric of all outputs is the value itself")
        said = metric if isinstance(metric, str) else getattr(metric, "__name__", "metric")
        self.metric = Metric(
            name=name or said.rpartition(":")[2],
            value=value,
            higher_is_better=higher_is_better,
            low=float(low),
            high=float(high),
            unit=unit,
        )
        self.functions = {"loss": _identity(loss), "metric": _identity(metric)}
        if callable(value):
            self.functions["value"] = _identity(value)

    @property
    def training_loss(self) -> Callable[..., Tensor]:
        """The function of outputs and targets that is trained on."""
        return self._loss

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.loss`."""
        loss: Tensor = self._loss(self._said(outputs), batch.targets)
        return loss

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.statistics`."""
        if self.of_all:  # outputs are those of `kept`
            return influences(partial(_some, self._measure, outputs, batch.targets), len(batch))
        values = self._measure(self._said(outputs), batch.targets)
        try:
            values = torch.as_tensor(values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"metric {self.metric.name!r}: returns {kind_of(values)}; must be a number for each "
                "example"
            ) from error
        if values.ndim == 0:
            raise InputError(
                f"metric {self.metric.name!r}: returns one number for {len(batch)} examples; return one "
                "for each example, or say of_all = true"
            )
        values = values[:, None] if values.ndim == 1 else values
        return values.double()

    def kept(self, outputs: Any) -> Any:
        """See `Task.kept`."""
        return self._said(outputs)

    def check(self, outputs: Any, batch: Batch, parts: Sequence[Batch]) -> None:
        """See `Task.check`."""
        del parts
        with _named("loss"):
            loss = self.loss(outputs, batch)
        if not isinstance(loss, Tensor) or loss.ndim:
            raise InputError("task: loss: must return a tensor of shape (), the mean over examples")
        measured = self.kept(outputs) if self.of_all else outputs
        with _named("metric"):
            statistics = self.statistics(measured, batch)
        self.refuse_shape(statistics, batch)

    def check_alone(self, outputs: Any, batch: Batch, alone: Sequence[tuple[Any, Batch]]) -> None:
        """See `Task.check_alone`. A loss of outputs that are broadcast to pairs is refused, too."""
        super().check_alone(outputs, batch, alone)
        said, targets = self._said(outputs), batch.targets
        if not isinstance(said, Tensor) or not isinstance(targets, Tensor):
            return
        if said.ndim == targets.ndim or said.numel() != targets.numel():
            return
        together = float(self.loss(outputs, batch))
        apart = sum(float(self.loss(*each)) for each in alone) / len(alone)
        if abs(together - apart) > 1e-3 * max(abs(together), abs(apart)):
            raise InputError(
                f"task: loss: got {together:.4g} for {len(batch)} examples together, and a mean of "
                f"{apart:.4g} for each alone: outputs have shape {tuple(said.shape)}, targets "
                f"{tuple(targets.shape)}; are they broadcast? outputs[:, 0] is one number for each"
            )

    def _said(self, outputs: Any) -> Any:
        """What the functions receive: a tensor, or outputs as they are where there is none."""
        if self.output is None and not isinstance(outputs, (Tensor, dict, tuple, list)):
            return outputs
        return self.pick(outputs)


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Say which function of a user fails, and in which line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise own_error(error, f"task: {what}") from error


def influences(value: Callable[[np.ndarray], float], n: int) -> Tensor:
    """Statistics of examples whose mean is a value of all of them, and whose spread is its own.

    Groups of examples are left out one after the other (Efron, The Jackknife, the Bootstrap and Other
    Resampling Plans, 1982, chapter 2). The statistics of a group's examples are its pseudo-value,
    stretched so that the variance of the mean over examples is that of the mean over groups.

    Args:
        value: The metric of the examples with these numbers.
        n: Number of examples.

    Returns:
        Statistics, shape (n, 1).
    """
    everything = np.arange(n)
    whole = float(value(everything))
    n_groups = min(GROUPS, n)
    if n_groups < 2:
        return torch.full((n, 1), whole, dtype=torch.float64)
    group = everything % n_groups
    without = np.array([float(value(everything[group != g])) for g in range(n_groups)])
    change = (n_groups - 1) * (whole - without) * np.sqrt(n / n_groups)
    values = whole + (change - change[group].mean())[group]
    return torch.from_numpy(values)[:, None]


def _some(measure: Callable[..., Any], outputs: Any, targets: Any, numbers: np.ndarray) -> float:
    """A metric of some of the examples."""
    value = measure(batches.select(outputs, numbers), batches.select(targets, numbers))
    number = torch.as_tensor(value)
    if number.numel() != 1:
        raise InputError(
            f"a metric of all outputs returns shape {tuple(number.shape)}; must be one number"
        )
    return float(number)


def _function(given: Callable[..., Any] | str, what: str) -> Callable[..., Any]:
    """A function that is given, or named."""
    if callable(given):
        return given
    if not isinstance(given, str):
        raise InputError(f"task: {what}: got {given!r}; must be a function, or module:function")
    if ":" in given:
        function: Callable[..., Any] = plugins.attribute(given, f"task: {what}")
        return function
    if what == "loss" and callable(getattr(F, given, None)):
        loss: Callable[..., Any] = getattr(F, given)
        return loss
    raise InputError(f"task: {what}: got {given!r}; must be module:function")


def _of_torchmetrics(named: str, arguments: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """A metric of the package torchmetrics."""
    try:
        import torchmetrics
    except ImportError as error:
        raise InputError(
            f"task: metric: {named!r} needs the package torchmetrics: "
            "pip install 'lionheart_opt[torchmetrics]'"
        ) from error
    name = named.removeprefix(TORCHMETRICS)
    kind = getattr(torchmetrics, name, None)
    if kind is None:
        raise InputError(f"task: metric: torchmetrics has no {name!r}")
    try:
        made = kind(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"task: metric: {named}: {error}") from error

    def measure(outputs: Any, targets: Any) -> Any:
        made.reset()
        made.update(outputs, targets)
        return made.compute()

    return measure


def _identity(function: Any) -> str:
    """Name of a function, and a digest of its source and of what it holds where it is given itself."""
    if isinstance(function, str):
        return function
    module = without_folder(str(getattr(function, "__module__", "")))
    name = f"{module}:{getattr(function, '__qualname__', type(function))}"
    source: Any = source_of(function)
    if source is None and not inspect.isfunction(function):  # an object that is called
        return f"{name} {_content(function)}".rstrip()
    if source is None:  # defined at a prompt, for example
        source = _compiled(function.__code__)
    held = [_content(cell.cell_contents) for cell in getattr(function, "__closure__", None) or ()]
    held += [_content(value) for value in getattr(function, "__defaults__", None) or ()]
    return f"{name} {digest([source, *held] if held else source)}"


def _compiled(code: CodeType) -> list[Any]:
    """What a function does, in an order that is the same in every process."""
    parts: list[Any] = [code.co_code.hex(), *code.co_names]
    for value in code.co_consts:
        if isinstance(value, CodeType):
            parts.append(_compiled(value))
        else:
            parts.append(sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value))
    return parts


class _Pickler(pickle.Pickler):
    """Writes the same in every process: tensors without addresses, functions by their source."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            content = hashlib.sha256()
            batches.update_digest(content, value.detach().cpu())
            return str, (content.hexdigest(),)
        if inspect.isfunction(value):
            return str, (_identity(value),)
        return NotImplemented


def _content(value: Any) -> str:
    """Digest of what an object holds, such as the settings of a loss of torch; empty if unknown."""
    written = io.BytesIO()
    try:
        _Pickler(written).dump(value)
    except Exception:  # whatever pickling raises
        return ""
    return digest(written.getvalue().hex())

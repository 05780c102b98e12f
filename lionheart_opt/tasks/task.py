"""The protocol of tasks: all that a writer of one must read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lionheart_opt.digest import without_folder
from lionheart_opt.errors import InputError
from lionheart_opt.metric import Metric
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.batches import Inputs, Targets
from lionheart_opt.text import shown


class Batch(Protocol):
    """Some examples: what a network is called with, and what it should answer."""

    @property
    def inputs(self) -> Inputs:
        """What the network is called with."""
        ...

    @property
    def targets(self) -> Targets:
        """What it should answer."""
        ...

    def __len__(self) -> int: ...


class Task:
    """What a network is for: how it is called, trained and measured.

    A task of your own needs `loss`, `statistics` and a `metric`; all else has a default. Its
    constructor's arguments are its settings; keep them as attributes, so that a record is tied to them.

    Args:
        output: Which part of what the network returns is meant: a name or a number. None takes a tensor
            as it is, or `logits` of a dictionary or a `ModelOutput`.

    Attributes:
        metric: What is measured.
        split_by: How validation data are chosen: the same share of every class (see `classes`), `random`
            examples, or `blocks` of neighbours, which have most in common in a text.
        of_all: Whether the metric is no value of means over examples. Then `statistics` receives what
            `kept` gives of all batches, in order, together with all examples.
        class_axis: Axis of the scores of classes, if there are any: see `imitation`.
    """

    metric: Metric
    split_by: Literal["classes", "random", "blocks"] = "random"
    of_all: bool = False
    class_axis: int | None = None

    def __init__(self, *, output: str | int | None = None) -> None:
        self.output = output

    def _measures(self, metric: Metric) -> None:
        """Take a metric, unless the class of a subclass has one of its own."""
        if not hasattr(type(self), "metric"):
            self.metric = metric

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Mean training loss over the examples, differentiable, shape ().

        Args:
            outputs: What the network returned.
            batch: The examples, on the device of the network.
        """
        raise NotImplementedError

    def imitation(self, outputs: Any, wanted: Any) -> Tensor:
        """Mean loss of outputs against those of another network, which are wanted, shape ().

        Where `class_axis` says along which axis scores of classes are, it is the cross entropy, and the
        mean squared error otherwise.
        """
        said, right = self.kept(outputs), self.kept(wanted).detach()
        if self.class_axis is None:
            return F.mse_loss(said, right)
        said, right = said.movedim(self.class_axis, 1), right.movedim(self.class_axis, 1)
        return F.cross_entropy(said, right.softmax(1))

    def divergence(self, outputs: Any, wanted: Any) -> Tensor:
        """How far outputs are from those of another network, for each row of a batch, shape (n_rows,).

        Where `class_axis` says along which axis scores of classes are, it is the Kullback-Leibler
        divergence in nats, and the mean squared error otherwise. For small errors of a network whose
        probabilities are right, it is by how much they raise the loss in the mean (the Hessian of the
        loss is Fisher's information then: Martens, JMLR 2020, section 9); but it is not hidden by
        the scatter of the loss over examples.
        """
        said, right = self.kept(outputs).double(), self.kept(wanted).double()
        if self.class_axis is None:
            squares: Tensor = (said - right).square()
            return squares.flatten(1).mean(dim=1)
        said = said.movedim(self.class_axis, 1).log_softmax(1)
        right = right.movedim(self.class_axis, 1).log_softmax(1)
        # a class without probability adds nothing, whatever the other network says
        terms = torch.where(right.exp() > 0, right.exp() * (right - said), 0.0)
        return terms.sum(dim=1).flatten(1).mean(dim=1) if terms.ndim > 2 else terms.sum(dim=1)

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """What the metric follows from, for each example, shape (n_examples, n_statistics).

        A metric that counts right answers has a single boolean statistic.

        Args:
            outputs: What the network in evaluation mode returned, on the CPU.
            batch: The examples, on the CPU.
        """
        raise NotImplementedError

    def feed(self, inputs: Inputs) -> Inputs:
        """What the network is called with, from the inputs of examples."""
        return inputs

    def prepared(self, targets: Targets) -> Targets:
        """Targets as `loss` and `statistics` take them.

        Raises:
            InputError: They are not what the task needs.
        """
        return targets

    def classes(self, targets: Targets) -> np.ndarray | None:
        """Number of the class of each example, by which validation data are chosen; None has none."""
        del targets
        return None

    def check(self, outputs: Any, batch: Batch, parts: Sequence[Batch]) -> None:
        """Refuse a network that does not answer as the task needs.

        Args:
            outputs: What the network returned for `batch`.
            batch: A few examples.
            parts: All examples: training, validation and test data.

        Raises:
            InputError: It does not fit.
        """
        del parts
        self.refuse_shape(self.statistics(outputs, batch), batch)

    def kept(self, outputs: Any) -> Any:
        """What of a batch's outputs a metric of all outputs needs."""
        return self.pick(outputs)

    def pick(self, outputs: Any) -> Tensor:
        """The part of what the network returned that is meant.

        Raises:
            InputError: There is no such part.
        """
        where, part = self.output, outputs
        if where is None:
            if isinstance(outputs, dict) and "logits" in outputs:
                part = outputs["logits"]
            elif isinstance(outputs, (dict, tuple, list)) and len(outputs) == 1:
                [part] = outputs.values() if isinstance(outputs, dict) else outputs
        else:
            try:
                is_index = isinstance(where, int) or isinstance(outputs, dict)
                part = outputs[where] if is_index else getattr(outputs, str(where))
            except (LookupError, AttributeError, TypeError):
                part = None
        if not isinstance(part, Tensor):
            named = "" if where is None else f" with a part {where!r}"
            raise InputError(
                f"the network returns {_described(outputs)}; the task needs a tensor{named}; say which "
                'part is meant, for example task = {kind = "classification", output = 0}'
            )
        return part

    def feed_one(self, batch: Batch) -> Inputs:
        """What the network is called with in one inference, which costs are about."""
        fed = self.feed(batch.inputs)
        one: Inputs = batches.select(fed, slice(0, 1))
        return one

    @property
    def identity(self) -> dict[str, Any]:
        """What decides results, as plain data."""
        kind = type(self)
        settings = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        settings |= {"metric": self.metric.to_json()}
        return {"kind": without_folder(f"{kind.__module__}.{kind.__qualname__}"), **settings}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.metric.name})"

    def refuse_shape(self, statistics: Tensor, batch: Batch) -> None:
        """Refuse statistics that are not one row an example."""
        if statistics.ndim != 2 or len(statistics) != len(batch):
            raise InputError(
                f"the task's statistics have shape {tuple(statistics.shape)} for {len(batch)} examples; "
                "must be (n_examples, n_statistics)"
            )
        if not bool(torch.isfinite(statistics).all()):
            raise InputError(
                f"metric {self.metric.name!r}: got NaN or infinity for {len(batch)} examples"
            )
        self.metric.check_means(statistics.detach().double().mean(dim=0).numpy())

    def check_alone(self, outputs: Any, batch: Batch, alone: Sequence[tuple[Any, Batch]]) -> None:
        """Refuse statistics of an example that depend on the others in its batch.

        Args:
            outputs: What the network returned for `batch`.
            batch: A few examples.
            alone: The same for each example alone.

        Raises:
            InputError: They do, by an unwanted broadcast for example.
        """
        if self.of_all:
            return
        together = self.statistics(outputs, batch)
        self.refuse_shape(together, batch)
        apart = [self.statistics(*each) for each in alone]
        if all(each.shape == together[:1].shape for each in apart):
            if torch.allclose(together.double(), torch.cat(apart).double(), rtol=1e-4, atol=1e-6):
                return
        raise InputError(
            f"metric {self.metric.name!r}: an example has other statistics alone than among others: "
            f"outputs have shape {_shape(self.kept(outputs))}, targets {_shape(batch.targets)}; are "
            "they broadcast? What depends on all examples needs of_all"
        )


def tensor_targets(targets: Targets, task: str) -> Tensor:
    """Targets that must be one tensor.

    Raises:
        InputError: They are something else.
    """
    if isinstance(targets, Tensor):
        return targets
    if isinstance(targets, np.ndarray) and isinstance(targets.flat[0], str):
        raise InputError(
            f"targets: got texts such as {shown(targets.flat[0])}; {task} needs numbers: "
            "np.unique(targets, return_inverse=True)[1]"
        )
    raise InputError(f"targets: got {_described(targets)}; {task} needs a tensor")


def whole_numbers(targets: Targets, task: str) -> Tensor:
    """Targets that must be whole numbers, as int64.

    Raises:
        InputError: They are something else.
    """
    numbers = tensor_targets(targets, task)
    kind = numbers.dtype
    if kind.is_floating_point or kind.is_complex or kind == torch.bool:
        raise InputError(f"labels of type {kind}; must be class numbers: labels.to(torch.int64)")
    return numbers.to(torch.int64)


def _shape(value: Any) -> tuple[int, ...] | str:
    """Shape of a tensor; what other things are."""
    return tuple(value.shape) if isinstance(value, (Tensor, np.ndarray)) else _described(value)


def _described(outputs: Any) -> str:
    """What error messages call it."""
    if isinstance(outputs, dict):
        return f"a {type(outputs).__name__} with {', '.join(map(str, outputs))}"
    if isinstance(outputs, Tensor):
        return f"a tensor of shape {tuple(outputs.shape)}"
    return "nothing" if outputs is None else f"a {type(outputs).__name__}"

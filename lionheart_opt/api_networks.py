"""Networks as people give them to the front door: themselves, by name, or as the table of a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lionheart_opt.api_arguments import kind_of, name_of
from lionheart_opt.errors import InputError
from lionheart_opt.oracle_context import ModelTable
from lionheart_opt.own_modules import beside
from lionheart_opt.toml_errors import all_problems
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    from torch import nn

    from lionheart_opt.datasets import Dataset


def network_of(model: Any, oracle: dict[str, Any]) -> nn.Module | ModelTable:
    """The network: itself, those of Hugging Face included, or how a study names it.

    Args:
        model: A network, a name, or the `[model]` of a study.
        oracle: Settings of the oracle: whether a network of Hugging Face is trained, and its seed.

    Raises:
        InputError: It is something else, or cannot be loaded.
    """
    named = _table(model)
    if named is None:
        from lionheart_opt.models.plain import plain_network  # imports torch

        return plain_network(_checked(model))
    if not named.is_pretrained:
        return named
    from lionheart_opt.models import build_table
    from lionheart_opt.oracle.store import load_weights

    recipe, weights = oracle.get("pretrain"), named.weights
    seed = recipe.get("seed", 0) if isinstance(recipe, dict) else 0
    is_whole = recipe is None and weights is None
    network = build_table(named, Path.cwd(), seed, is_whole=is_whole)
    if weights is not None:
        network.load_state_dict(load_weights(Path.cwd() / weights, network))
    return network


def dataset_of(given: Any, task: Any, network: nn.Module | ModelTable) -> Dataset:
    """The data set, with the inputs that the network takes, for the task that its class says.

    Raises:
        InputError: It does not fit.
    """
    from lionheart_opt.datasets import Dataset
    from lionheart_opt.datasets.arrays import as_dataset  # imports torch
    from lionheart_opt.datasets.given import columns_of
    from lionheart_opt.models.hugging_face import task_of_network
    from lionheart_opt.tasks import CLASSIFICATION

    if isinstance(network, ModelTable):
        return as_dataset(given, task, None)
    if task is None and not (isinstance(given, Dataset) and given.task != CLASSIFICATION):
        task = task_of_network(network)
    return as_dataset(given, task, columns_of(network))


def workload_of(network: nn.Module | ModelTable, data: Dataset | None) -> Workload:
    """The network, traced with the first training example; those of the zoo need none.

    Raises:
        InputError: There are no data, or the network cannot be traced.
    """
    example = None if data is None else data.task.feed_one(data.train[:1].loaded)
    if isinstance(network, ModelTable) and ":" not in network.name:
        example = None
    elif example is None and not isinstance(network, ModelTable):
        raise InputError(
            "dataset: is missing; it is needed to trace a network that is given itself"
        )
    return traced(network, example, None)


def as_workload(model: Any, example: Any, batch: int | None = None) -> Workload:
    """A workload, or that of a network, for so many inferences together if a number is given.

    Raises:
        InputError: See `traced`. Or an example is given beside a workload, which has its own.
    """
    workload = _as_workload(model, example)
    return workload if batch is None else workload.with_batch(batch)


def _as_workload(model: Any, example: Any) -> Workload:
    if not isinstance(model, Workload):
        return traced(model, example, None)
    if example is not None:
        raise InputError(
            f"example: got {kind_of(example)}; the workload {model.name!r} was traced with another one; "
            "leave it out, or give the network"
        )
    return model


def traced(model: Any, example: Any, name: str | None) -> Workload:
    """The workload of a network; see `lionheart_opt.trace`.

    Raises:
        InputError: The network does not exist, or cannot be traced with the example.
    """
    from lionheart_opt import models, tracing
    from lionheart_opt.models.plain import in_float32, plain_network

    if name is not None:
        name = name_of(name, "name")
    is_shape = isinstance(example, (tuple, list)) and all(isinstance(n, int) for n in example)
    shape = tuple(example) if is_shape and example else None
    named = _table(model)
    with beside(Path.cwd()):
        if named is not None and not named.is_pretrained and (example is None or shape is not None):
            return tracing.trace_model(
                named.name, named.input_shape if shape is None else shape, **named.arguments
            )
        network = (
            plain_network(_checked(model))
            if named is None
            else models.build_table(named, Path.cwd())
        )
        if example is None:
            raise InputError("example: is missing; give what the network is called with")
        usual = type(network).__name__ if named is None else named.name
        inputs = in_float32(example) if shape is None else tracing.example_of(shape)
        return tracing.trace(network, inputs, name or usual)


def _table(model: Any) -> ModelTable | None:
    """How a study names the network; None for a network itself."""
    if isinstance(model, ModelTable):
        return model
    if not isinstance(model, (str, dict)):
        return None
    given = {"name": model} if isinstance(model, str) else model
    try:
        return ModelTable.model_validate(given)
    except ValidationError as error:
        raise all_problems(error, "model", ModelTable, given) from error


def _checked(model: Any) -> nn.Module:
    """The model, if it is a network."""
    if isinstance(model, type) or not hasattr(model, "named_modules"):
        raise InputError(f"model: got {kind_of(model)}; must be a torch.nn.Module or a name")
    network: nn.Module = model
    return network

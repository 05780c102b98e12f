"""From a recipe to an optimiser, and to the learning rate of every step."""

from __future__ import annotations

from math import cos, pi
from typing import Any

import torch
from torch import nn

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.settings import Recipe

#: Entry of a parameter group: its learning rate relative to the recipe's.
_RELATIVE = "relative_rate"


def check_optimizer(recipe: Recipe, where: str = "") -> None:
    """Refuse an optimiser that `torch.optim` does not have, or arguments that it does not take.

    Args:
        recipe: The recipe.
        where: What error messages call it.

    Raises:
        InputError: It cannot be used.
    """
    _optimizer(recipe, [{"params": [nn.Parameter(torch.zeros(1))]}], where)


def make_optimizer(recipe: Recipe, network: AnalogNetwork) -> torch.optim.Optimizer:
    """The optimiser of a network. Digital parameters have settings of their own if the recipe says so."""
    if recipe.digital is None:
        return _optimizer(recipe, [{"params": list(network.parameters()), _RELATIVE: 1.0}])
    on_tiles = {id(each) for layer in network.analog.values() for each in layer.parameters()}
    analog = [each for each in network.parameters() if id(each) in on_tiles]
    digital = [each for each in network.parameters() if id(each) not in on_tiles]
    own = recipe.digital.model_dump(exclude_none=True)
    relative = own.pop("learning_rate", recipe.learning_rate) / recipe.learning_rate
    groups: list[dict[str, Any]] = [{"params": digital, _RELATIVE: relative, **own}]
    if analog:
        groups.append({"params": analog, _RELATIVE: 1.0})
    return _optimizer(recipe, groups)


def _optimizer(
    recipe: Recipe, groups: list[dict[str, Any]], where: str = ""
) -> torch.optim.Optimizer:
    kinds = {
        name: kind
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    }
    # the base class is no optimiser, and these need what a recipe cannot give
    able = kinds.keys() - {"Optimizer", "LBFGS", "SparseAdam"}
    if recipe.optimizer not in able:
        raise unknown("optimizer", recipe.optimizer, sorted(able), where)
    arguments: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimizer in ("SGD", "RMSprop"):
        arguments["momentum"] = recipe.momentum
    try:
        return kinds[recipe.optimizer](groups, **{**arguments, **recipe.optimizer_arguments})
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {recipe.optimizer}: {error}".removeprefix(": ")) from error


def set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the learning rate of a step; parameters with a rate of their own keep their proportion."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group[_RELATIVE]


def rate_at(recipe: Recipe, done: float) -> float:
    """The learning rate when this share of the training is done.

    After the warm-up, in which it grows linearly, it follows a cosine or a line to zero, or stays.
    """
    warm_up = recipe.warm_up
    if done < warm_up:
        return recipe.learning_rate * done / warm_up
    left = (done - warm_up) / (1.0 - warm_up)
    factor = {"cosine": (1 + cos(pi * left)) / 2, "linear": 1.0 - left, "constant": 1.0}
    return recipe.learning_rate * factor[recipe.schedule]

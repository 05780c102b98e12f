"""Loads and checks the network, the data and the settings that a study file names."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from pydantic import ValidationError
from torch import nn

from lionheart_opt.datasets.splits import Splits
from lionheart_opt.errors import CannotBeAnalog, InputError
from lionheart_opt.models.plain import plain_network
from lionheart_opt.oracle.optimisation import check_optimizer
from lionheart_opt.oracle.settings import OracleSettings
from lionheart_opt.oracle.store import load_weights
from lionheart_opt.oracle_context import DataTable, ModelTable, OracleContext
from lionheart_opt.toml_errors import all_problems
from lionheart_opt.tracing.matrices import Matrix


def load_settings(context: OracleContext, settings: dict[str, Any]) -> OracleSettings:
    """The settings in a study's `[oracle]`, without `pretrain` if its `[model]` has weights.

    Raises:
        InputError: A setting cannot be used.
    """
    try:
        chosen = OracleSettings.model_validate(settings)
    except ValidationError as error:
        raise all_problems(error, context.where, OracleSettings, settings) from error
    for name, recipe in (("pretrain", chosen.pretrain), ("hat", chosen.hat)):
        if recipe is not None:
            check_optimizer(recipe, f"{context.where} {name}")
    if isinstance(context.model, ModelTable):
        is_trained = context.model.weights is not None
    else:
        is_trained = "pretrain" not in settings  # a network that is given itself is taken as it is
    return chosen.model_copy(update={"pretrain": None}) if is_trained else chosen


def load_splits(context: OracleContext) -> Splits:
    """The data of a study's `[data]`, split.

    Raises:
        InputError: The table is missing or cannot be used.
    """
    from lionheart_opt import datasets

    table = context.data
    if table is None:
        raise InputError(f"{context.origin}: table [data] is missing")
    if not isinstance(table, DataTable):
        splits: Splits = table.split()
        return splits
    folder = None if table.folder is None else context.folder / table.folder
    data = datasets.load(table.name, folder, **table.arguments)
    return data.split(table.validation_fraction, table.seed)


def load_network(context: OracleContext, seed: int) -> nn.Module:
    """The network of a study's `[model]`, with its weights or with initial ones.

    Args:
        context: The study.
        seed: Seed of initial weights.

    Raises:
        InputError: The weights do not fit, or a unit that the search may move cannot be analog.
    """
    from lionheart_opt import models

    source = context.model
    if isinstance(source, ModelTable):
        model = models.build_seeded(source.name, source.arguments, seed)
    else:
        model = plain_network(deepcopy(source))
    refused = {}
    for unit in context.workload.crossbar_units:
        try:
            for path in context.workload.paths_of(unit):
                Matrix.named(model, path)
        except InputError as error:
            refused[unit.name] = str(error)
    refused = {name: reason for name, reason in refused.items() if name not in context.digital}
    if refused:
        reasons = "; ".join(dict.fromkeys(refused.values()))
        raise CannotBeAnalog(list(refused), reasons, context.origin)
    if isinstance(source, ModelTable) and source.weights is not None:
        model.load_state_dict(load_weights(context.folder / source.weights, model))
    return model

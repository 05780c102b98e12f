"""Loads and checks the network, the data and the settings that a study file names."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor, nn

from lionheart_opt import datasets
from lionheart_opt.datasets.splits import Examples, Splits
from lionheart_opt.errors import CannotBeAnalog, Collected, InputError
from lionheart_opt.models import hugging_face
from lionheart_opt.models.plain import plain_network
from lionheart_opt.models.torch_state import usual_torch
from lionheart_opt.oracle.compensation import check_compensation
from lionheart_opt.oracle.hardware import check_hardware
from lionheart_opt.oracle.measurement import check_network
from lionheart_opt.oracle.numerics import TargetNumerics
from lionheart_opt.oracle.optimisation import check_optimizer
from lionheart_opt.oracle.settings import OracleSettings
from lionheart_opt.oracle.store import load_weights
from lionheart_opt.oracle_context import DataTable, ModelTable, OracleContext
from lionheart_opt.pretrained import place_of
from lionheart_opt.tasks import CLASSIFICATION, task_of
from lionheart_opt.toml_errors import all_problems
from lionheart_opt.tracing.matrices import Matrix


@usual_torch()
def load(context: OracleContext, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, the network (`model`) and the data (`splits`) of a study's oracle, checked.

    Args:
        context: The study.
        settings: Its `[oracle]` table, with the keys of `OracleSettings`.

    Raises:
        InputError: Something cannot be used. All of it is said.
    """
    loaded: dict[str, Any] = {}
    wrong = Collected()
    with wrong.collect():
        loaded["settings"] = load_settings(context, settings)
    chosen = loaded.get("settings")
    if chosen:
        with wrong.collect():
            context.check_times(chosen.times_s)
        with wrong.collect():
            numerics = TargetNumerics.of(context.system, chosen, context.where)
            check_hardware(numerics, chosen, context)
    seed = chosen.pretrain.seed if chosen and chosen.pretrain else 0
    with wrong.collect():
        is_trained = chosen is not None and chosen.pretrain is None
        loaded["model"] = load_network(context, seed, is_trained=is_trained)
    with wrong.collect():
        loaded["splits"] = load_splits(context)
    if {"model", "splits"} <= loaded.keys():
        with wrong.collect():
            check_network(loaded["model"], loaded["splits"])
        if chosen:
            with wrong.collect():
                check_compensation(chosen, loaded["model"], loaded["splits"].train, context)
            with wrong.collect():
                check_augmentation(chosen, loaded["splits"].train, context.where)
    wrong.refuse()
    return loaded


def check_augmentation(settings: OracleSettings, examples: Examples, where: str) -> None:
    """Refuse to shift and mirror what is no image, or whose targets would have to be shifted, too.

    Raises:
        InputError: A recipe augments such examples.
    """
    recipes = {"pretrain": settings.pretrain, "hat": settings.hat}
    augments = [
        name for name, recipe in recipes.items() if recipe and recipe.augmentation != "none"
    ]
    inputs, targets = examples[:1].loaded.inputs, examples[:1].loaded.targets
    is_image = isinstance(inputs, Tensor) and inputs.ndim == 4 and inputs.is_floating_point()
    has_places = isinstance(targets, Tensor) and targets.ndim > 2
    if augments and (not is_image or has_places):
        raise InputError(
            f"{where} {augments[0]}.augmentation: crop_flip is for images with a class each; "
            "set it to none"
        )


def load_settings(context: OracleContext, settings: dict[str, Any]) -> OracleSettings:
    """The settings in a study's `[oracle]`, without `pretrain` if its network is trained.

    It is if `[model]` has weights. A network that is given itself, or that Hugging Face's libraries have
    saved, is taken as it is unless `pretrain` is there.

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
    if isinstance(context.model, ModelTable) and not context.model.is_pretrained:
        is_trained = context.model.weights is not None
    else:
        has_weights = isinstance(context.model, ModelTable) and context.model.weights is not None
        is_trained = has_weights or "pretrain" not in settings  # taken as it is unless asked
    return chosen.model_copy(update={"pretrain": None}) if is_trained else chosen


def load_splits(context: OracleContext) -> Splits:
    """The data of a study's `[data]`, split.

    Raises:
        InputError: The table is missing or cannot be used.
    """
    table = context.data
    if table is None:
        raise InputError(f"{context.origin}: table [data] is missing")
    if not isinstance(table, DataTable):
        splits: Splits = table.split()
        return splits
    model = context.model if isinstance(context.model, ModelTable) else None
    data = load_data(table, context.task, model, context.folder, f"{context.origin}: [task]")
    return data.split(table.validation_fraction, table.seed)


def load_data(
    table: DataTable,
    task: dict[str, Any] | None,
    model: ModelTable | None,
    folder: Path,
    where: str,
) -> datasets.Dataset:
    """The data set that a study names, for its task.

    A network of Hugging Face says what it is for, and has a tokenizer, where the study does not say it.

    Args:
        table: Its `[data]`.
        task: Its `[task]`, if there is one.
        model: Its `[model]`, if there is one.
        folder: What relative file names are relative to.
        where: What messages call the table of the task.

    Raises:
        InputError: The data or the task cannot be used.
    """
    files = None if table.folder is None else folder / table.folder
    network = model if model is not None and model.is_pretrained else None
    if table.name == datasets.TEXT:
        return _load_texts(table, task, network, folder, where)
    data = datasets.load(table.name, files, **table.arguments)
    if task is None and network is not None and data.task == CLASSIFICATION:
        task = hugging_face.task_of_table(network, folder)
    return data if task is None else data.for_task(task_of(task, where))


def _load_texts(
    table: DataTable,
    task: dict[str, Any] | None,
    network: ModelTable | None,
    folder: Path,
    where: str,
) -> datasets.Dataset:
    """Texts of files, with the tokenizer and the classes of the network; see `load_data`."""
    arguments = dict(table.arguments)
    if "task" in arguments:
        raise InputError(f"{where}: belongs there, not into [data.arguments]")
    if network is not None:
        arguments = {**hugging_face.text_arguments(network, folder), **arguments}
        task = hugging_face.task_of_table(network, folder) if task is None else task
    if isinstance(arguments.get("tokenizer"), str):
        arguments["tokenizer"] = place_of(arguments["tokenizer"], folder)
    elif "tokenizer" not in arguments:
        raise InputError(
            "data set 'text': tokenizer: is missing; give a folder of Hugging Face's, or 'characters' "
            "for language models"
        )
    if task is not None:
        arguments["task"] = task_of(task, where)
    return datasets.load(datasets.TEXT, _folder_of_texts(table, folder), **arguments)


def _folder_of_texts(table: DataTable, folder: Path) -> Path:
    """The folder that the study names, or its own; or that of data sets, if the data are only there."""
    if table.folder is not None:
        return folder / table.folder
    usual, train = datasets.usual_folder(), str(table.arguments.get("train", ""))
    return usual if not (folder / train).is_file() and (usual / train).is_file() else folder


def load_network(context: OracleContext, seed: int, *, is_trained: bool = False) -> nn.Module:
    """The network of a study's `[model]`, with its weights or with initial ones.

    Args:
        context: The study.
        seed: Seed of initial weights.
        is_trained: Whether it is not trained before it is mapped, so that it must have all weights.

    Raises:
        InputError: The weights do not fit, or a unit that the search may move cannot be analog.
    """
    from lionheart_opt import models

    source = context.model
    if isinstance(source, ModelTable):
        model = models.build_table(
            source,
            context.folder,
            seed,
            is_whole=is_trained and source.weights is None,
        )
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

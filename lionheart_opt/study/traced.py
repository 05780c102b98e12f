"""The network of a study file, traced with what its data hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    from pathlib import Path

    from lionheart_opt.study.schema import StudyTable


def traced(table: StudyTable, folder: Path) -> Workload:
    """The workload of a study's network.

    It is traced with an input of the shape that the study says, or that the zoo or the data set is known
    for. Otherwise the data are loaded, and the first training example is taken.

    Args:
        table: The study.
        folder: What relative file names are relative to.

    Raises:
        InputError: There is no such network, or it cannot be traced.
    """
    from lionheart_opt import datasets, models, tracing

    model, data = table.model, table.data
    is_zoo = model.name in models.available()
    shape = model.input_shape
    if shape is None and not is_zoo and data is not None:
        built_in = datasets.available().get(data.name)
        shape = None if built_in is None else built_in.image_shape
        if shape is None:
            from lionheart_opt.oracle.loading import load_data

            network = models.build_table(model, folder)
            loaded = load_data(data, table.task, model, folder, "[task]")
            example = loaded.task.feed_one(loaded.train[:1].loaded)
            return tracing.trace(network, example, model.name)
    if model.is_pretrained and shape is not None:
        network = models.build_table(model, folder)
        return tracing.trace(network, tracing.example_of(shape), model.name)
    return tracing.trace_model(model.name, shape, **model.arguments)

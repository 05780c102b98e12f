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
    shape = model.input_shape
    if shape is None and model.name not in models.available() and data is not None:
        built_in = datasets.available().get(data.name)
        if built_in is None or built_in.image_shape is None:
            from lionheart_opt.oracle.loading import load_data

            loaded = load_data(data, table.task, folder, "[task]")
            example = loaded.task.feed_one(loaded.train[:1].loaded)
            network = models.build_seeded(model.name, model.arguments)
            return tracing.trace(network, example, model.name)
        shape = built_in.image_shape
    return tracing.trace_model(model.name, shape, **model.arguments)

"""Several inferences together: which cost models can price that, and how they run a batch."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from lionheart_opt.cost import Cost, CostModel
from lionheart_opt.errors import InputError
from lionheart_opt.system import System
from lionheart_opt.workload import Workload

#: Each layer runs for all inferences of a run before the next one, and the batch is one run or is cut
#: into equal ones; or inferences follow each other in a pipeline.
BatchOrder = Literal["layer by layer", "pipelined"]


@runtime_checkable
class RunsBatches(Protocol):
    """A cost model that prices workloads with a `batch` above 1.

    The latency is that of the batch, from its first input to its last result. Energies, MACs and
    `Cost.interval_s` are those of one inference, while batches follow each other.
    """

    @property
    def batch_order(self) -> BatchOrder:
        """How the system runs a batch."""
        ...


def check_batch(cost_model: CostModel, system: System, workload: Workload) -> None:
    """Refuse a batch that the cost model cannot price.

    Raises:
        InputError: The batch is above 1, and the model does not say how the system runs it.
    """
    if workload.batch > 1 and not isinstance(cost_model, RunsBatches):
        raise InputError(
            f"{system.where}: batch: got {workload.batch}; the family {system.family!r} prices single "
            "inferences only"
        )


def runs_layer_by_layer(cost_model: CostModel) -> bool:
    """Whether a model runs each layer for the whole batch before the next one."""
    return isinstance(cost_model, RunsBatches) and cost_model.batch_order == "layer by layer"


def as_single_inferences(cost_model: CostModel, workload: Workload, cost: Cost) -> Workload:
    """The work that follows itself on the system: that of a run, or one inference in a pipeline.

    Args:
        cost_model: What priced the workload.
        workload: The batch.
        cost: Its price.
    """
    if not runs_layer_by_layer(cost_model):
        return workload.with_batch(1)
    return workload.with_batch(cost.together or workload.batch).whole_batch

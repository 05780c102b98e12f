"""Which operator computed what a tensor holds, through views and writes in place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from lionheart_opt.workload import Shape


def storage(tensor: Tensor) -> StorageWeakRef:
    """Identity of the memory below a tensor, the same for all its views.

    Keeps the identity from being used again, but not the memory.
    """
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Write:
    """Bytes of a storage that a producer filled, and the shape of the tensor."""

    producer: int
    shape: Shape
    start: int
    stop: int


class DataFlow:
    """Writes to storages, by the numbers of their producers.

    A tensor that nothing was recorded for is a constant.
    """

    def __init__(self) -> None:
        self._writes: dict[StorageWeakRef, list[_Write]] = {}

    def write(self, tensor: Tensor, producer: int) -> None:
        """Record that the producer computed the tensor; replaces what it covers."""
        start, stop = _span(tensor)
        is_dense = tensor.numel() * tensor.element_size() == stop - start
        kept = [
            write
            for write in self._writes.get(storage(tensor), ())
            if not (is_dense and start <= write.start and write.stop <= stop)
        ]
        kept.append(_Write(producer, tuple(tensor.shape), start, stop))
        self._writes[storage(tensor)] = kept

    def producers(self, tensor: Tensor) -> dict[int, Shape]:
        """Producers of the tensor and what is read of each.

        That is the tensor itself where there is one producer; otherwise the parts as they were written.
        """
        start, stop = _span(tensor)
        found = {
            write.producer: write.shape
            for write in self._writes.get(storage(tensor), ())
            if write.start < stop and start < write.stop
        }
        return dict.fromkeys(found, tuple(tensor.shape)) if len(found) == 1 else found

    def depends(self, tensors: Iterable[Tensor]) -> bool:
        """Whether any of the tensors is not a constant."""
        return any(map(self.producers, tensors))

    def reads(self, tensors: Iterable[Tensor]) -> tuple[tuple[int, Shape], ...]:
        """(producer, shape) of everything that is read, in order; a repeated view counts once."""
        found: dict[Any, tuple[int, Shape]] = {}
        for tensor in tensors:
            view = (storage(tensor), tensor.storage_offset(), tensor.shape, tensor.stride())
            for producer in self.producers(tensor).items():
                found[*view, producer] = producer
        return tuple(found.values())


def _span(tensor: Tensor) -> tuple[int, int]:
    """First byte of its storage that a tensor may hold, and the one behind the last."""
    if tensor.numel() == 0:
        return 0, 0
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    first = int(tensor.storage_offset())
    last = first + sum((size - 1) * int(step) for size, step in steps)
    return first * tensor.element_size(), (last + 1) * tensor.element_size()

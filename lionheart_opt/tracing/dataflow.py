"""Which operator computed what a tensor holds, through views and writes in place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from lionheart_opt.workload import Shape


def storage(tensor: Tensor) -> StorageWeakRef:
    """Identity of the memory of a tensor, the same for all its views.

    It keeps the identity from being reused, but does not keep the memory alive.
    """
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Write:
    """Range of bytes of a storage that a producer filled, and the shape of the tensor."""

    producer: int
    shape: Shape
    start: int
    stop: int


class DataFlow:
    """Writes to storages, each with the number of its producer.

    A tensor whose memory nobody wrote is a constant.
    """

    def __init__(self) -> None:
        self._writes: dict[StorageWeakRef, list[_Write]] = {}

    def write(self, tensor: Tensor, producer: int) -> None:
        """Record that the producer computed the tensor; earlier writes that it covers are forgotten."""
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
        """Producer -> shape of what is read of its result.

        With one producer, that is the tensor itself, otherwise the parts as they were written.
        """
        start, stop = _span(tensor)
        parts = {
            write.producer: write.shape
            for write in self._writes.get(storage(tensor), ())
            if write.start < stop and start < write.stop
        }
        return dict.fromkeys(parts, tuple(tensor.shape)) if len(parts) == 1 else parts

    def depends(self, tensors: Iterable[Tensor]) -> bool:
        """Whether any of the tensors is not a constant."""
        return any(map(self.producers, tensors))

    def reads(self, tensors: Iterable[Tensor]) -> tuple[tuple[int, Shape], ...]:
        """(producer, shape) of everything that is read, in order; a repeated view counts once."""
        reads: dict[Any, tuple[int, Shape]] = {}
        for tensor in tensors:
            view = (storage(tensor), tensor.storage_offset(), tensor.shape, tensor.stride())
            for producer in self.producers(tensor).items():
                reads[*view, producer] = producer
        return tuple(reads.values())


def _span(tensor: Tensor) -> tuple[int, int]:
    """First byte of its storage that a tensor may hold, and the byte after the last."""
    if tensor.numel() == 0:
        return 0, 0
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    first = int(tensor.storage_offset())
    last = first + sum((size - 1) * int(step) for size, step in steps)
    return first * tensor.element_size(), (last + 1) * tensor.element_size()

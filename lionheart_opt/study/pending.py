"""Jobs that workers are asked to do, as those who wait for them see them."""

from __future__ import annotations

from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class WorkerDied(Exception):
    """Every worker process that did a job has died."""


class WorkStopped(Exception):
    """The executor has been stopped; what it was asked for is given up."""


class Pending(Protocol[T_co]):
    """A job that a worker process is asked to do."""

    def result(self) -> T_co:
        """Wait for what it gives.

        Raises:
            WorkerDied: Every worker process that did it has died.
            MemoryError: A worker ran out of memory.
            WorkStopped: The executor has been stopped.
        """
        ...

    def done(self) -> bool:
        """Whether `result` need not wait."""
        ...

    def cancel(self) -> object:
        """Do not start it, if it has not been started."""
        ...

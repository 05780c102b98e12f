"""Oracles of worker processes, which import this module by its name."""

import os
import signal
import sys
from dataclasses import dataclass, replace

from made_up_drops import MadeUp

import lionheart_opt as lo


@dataclass(frozen=True)
class Threads(MadeUp):
    """Its note says what the process that answers looks like."""

    def accuracy(self, candidate, fidelity, seed):
        import numba
        import torch

        numbers = [os.getpid(), torch.get_num_threads(), numba.get_num_threads()]
        return replace(super().accuracy(candidate, fidelity, seed), note=f"{numbers}")


class Picky(Exception):
    """An error that cannot be unpickled: it is made from two arguments."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at {where}")


@dataclass(frozen=True)
class Fails(MadeUp):
    how: str = "value"

    def accuracy(self, candidate, fidelity, seed):
        if len(candidate.mapping.units_on("tile")) > 1:
            if self.how == "value":
                raise ValueError("broken oracle")
            if self.how == "exit":
                sys.exit(0)
            if self.how == "base":
                raise BaseException("not even an exception")
            if self.how == "input":
                raise lo.InputError("oracle: cannot do this")
            if self.how == "picky":
                raise Picky("broken", "unit 3")
            assert self.how == "killed"
            os.kill(os.getpid(), signal.SIGKILL)
        return super().accuracy(candidate, fidelity, seed)

"""A verb of the command line: only its results go to standard output."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

from typer.core import TyperCommand

from lionheart_opt.results.wording import results_on


class Verb(TyperCommand):
    """What own code prints, a network for instance, goes to standard error: it would spoil JSON."""

    def invoke(self, ctx: Any) -> Any:
        """Do what the user asks for."""
        with results_on(sys.stdout), redirect_stdout(sys.stderr):
            return super().invoke(ctx)

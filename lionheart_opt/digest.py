"""Stable digests of plain data: what identifies a workload, a system or a candidate on resume."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from threading import Lock
from tokenize import TokenError
from typing import Any

#: Held while source is parsed, which Python 3.11 cannot do in two threads at a time (`AST constructor
#: recursion depth mismatch`, python/cpython#106905).
PARSING = Lock()
#: What `lionheart_opt.own_modules` adds to the name of a module that is taken.
_FOLDER = re.compile(r"(?<=\w)@[0-9a-f]{16}(?=[.:]|$)")
#: Canonical JSON.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(data: Any) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON of `data` (dicts, lists, scalars)."""
    return hashlib.sha256(_ENCODER.encode(data).encode()).hexdigest()[:16]


def without_folder(name: str) -> str:
    """A name without what tells modules of equal names in several folders apart (`mine@0123...:Net`)."""
    return _FOLDER.sub("", name)


def source_of(thing: Any) -> str | None:
    """The source of a module, class or function; None without one, or where its file has changed."""
    try:
        with PARSING:
            return inspect.getsource(thing)
    except (OSError, TypeError, SyntaxError, TokenError):
        return None

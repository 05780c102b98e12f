"""Stable digests of plain data: what identifies a workload, a system or a candidate on resume."""

from __future__ import annotations

import hashlib
import json
from threading import Lock
from typing import Any

#: Held while source is parsed, which Python 3.11 cannot do in two threads at a time (`AST constructor
#: recursion depth mismatch`, python/cpython#106905).
PARSING = Lock()


def digest(data: Any) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON of `data` (dicts, lists, scalars)."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""Errors of a cost model against published numbers may shrink, not grow.

`python tests/recorded_errors.py SYSTEM...` writes today's errors down.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from lionheart_opt.published import Case

FOLDER = Path(__file__).parents[1] / "golden"
MARGIN_PERCENT = 0.01


def errors(cases: Iterable[Case]) -> dict[str, float]:
    """`case, quantity` -> error in %, of the cases with a published number."""
    return {
        f"{case.case}, {case.quantity}": round(case.error_percent, 3)
        for case in cases
        if case.error_percent is not None
    }


def assert_no_error_has_grown(system: str, cases: Iterable[Case]) -> None:
    """Compare with what is recorded; the same cases must be there."""
    recorded = json.loads((FOLDER / f"{system}.json").read_text())["error_percent"]
    raised = errors(cases)
    assert raised.keys() == recorded.keys()
    grown = {
        name: (recorded[name], error)
        for name, error in raised.items()
        if abs(error) > abs(recorded[name]) + MARGIN_PERCENT
    }
    assert not grown, f"(recorded, now): {grown}"


def main() -> None:
    for system in sys.argv[1:]:
        [point] = entry_points(group="lionheart_opt.validations", name=system)
        meta = {
            "what": "error in % of each published number; arithmetic, so equal on every machine",
            "how": f"python tests/recorded_errors.py {system}",
        }
        record = {"_meta": meta, "error_percent": errors(point.load()())}
        (FOLDER / f"{system}.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Arrays of a table of accuracies: packed from answers, and read from a file that may be damaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.metric import ACCURACY, Metric


def read_array(file: Any, name: str, kinds: str, n_axes: int) -> np.ndarray:
    """An array of a file, of one of NumPy's kinds of types, with so many axes."""
    array: np.ndarray = file[name]
    if array.dtype.kind not in kinds or array.ndim != n_axes:
        raise ValueError(f"{name} is of type {array.dtype} with {array.ndim} axes")
    return array


def read_names(file: Any, name: str) -> list[str]:
    """A list of names."""
    names: list[str] = read_array(file, name, "U", 1).tolist()
    return names


def read_number(file: Any, name: str, default: float | None = None) -> float:
    """A finite number, from 0 on."""
    if default is not None and name not in file:
        return default
    number = float(read_array(file, name, "fiu", 0))
    if not 0.0 <= number < np.inf:
        raise ValueError(f"{name} is {number}")
    return number


def packed(answers: Sequence[Accuracy]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """`right` and `right_at_baseline` of a table; None unless all answers say what examples do.

    Answers without examples, such as those of all-digital, are right where the baseline is.
    """
    known = next((each.outcomes for each in answers if each.outcomes is not None), None)
    if known is None:
        return None, None
    rows = []
    for answer in answers:
        if type(answer.outcomes) is type(known):
            assert answer.outcomes is not None
            rows.append(answer.outcomes.draws)
        elif answer.n_examples is None and np.all(answer.samples == answer.baseline):
            rows.append(
                np.broadcast_to(known.baseline, (*answer.samples.shape, *known.baseline.shape))
            )
        else:
            return None, None
    return np.stack(rows), known.baseline


def read_right(file: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """`right` and `right_at_baseline` of a file; None where it does not have them."""
    if "statistics" in file:
        exact = read_array(file, "statistics_at_baseline", "f", 2)
        return read_array(file, "statistics", "f", 5), exact
    if "differs" not in file:
        return None, None
    baseline = read_array(file, "right_at_baseline", "u", 1)
    return read_array(file, "differs", "u", 4) ^ baseline, baseline


def examples_arrays(
    right: np.ndarray | None, at_baseline: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Arrays of a file for `right` and `right_at_baseline`."""
    if right is None or at_baseline is None:
        return {}
    if right.dtype != np.uint8:
        return {"statistics": right, "statistics_at_baseline": at_baseline}
    return {"right_at_baseline": at_baseline, "differs": right ^ at_baseline}  # mostly zeros


def read_metric(file: Any) -> Metric:
    """What is measured; older files say nothing."""
    if "metric" not in file:
        return ACCURACY
    return Metric.from_json(json.loads(str(read_array(file, "metric", "U", 0))))

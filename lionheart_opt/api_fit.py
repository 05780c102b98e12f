"""The front door to fits: `lo.fit`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from importlib.metadata import version
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.api import named_mapping, trace
from lionheart_opt.api_arguments import kind_of, names_of, seed_of, table_of
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.fitting.measurements import (
    TOTAL,
    Measurement,
    measurements_of,
    read_measurements,
)
from lionheart_opt.fitting.system_fit import Priced, SystemFit, fit_system
from lionheart_opt.mapping import Mapping
from lionheart_opt.own_modules import beside
from lionheart_opt.space import Space
from lionheart_opt.system import System
from lionheart_opt.text import shown
from lionheart_opt.text_files import parse_json, read_text
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    import pandas

#: Relative distance of a value that shows whether a number can have others than whole ones.
_CLOSE = 1e-6


def fit(
    system: str | Path,
    measurements: str | Path | pandas.DataFrame,
    *,
    constants: Sequence[str] = ("*",),
    holdout: float = 0.2,
    seed: int = 0,
    models: dict[str, Any] | None = None,
) -> SystemFit:
    """Fit a system's constants to measured layers and networks.

    The intervals of the system's constants are the priors. A constant that the measurements do not
    determine keeps its prior, and the result says so. `SystemFit.text` is the fitted system file.

    Args:
        system: Name of a system, or path of a TOML file.
        measurements: A CSV file or a data frame. Its columns are `model`, and `latency_s`, `energy_j` or
            `interval_s`; beside them `input` (`3x32x32`), `mapping` (`all-digital`, `all-analog` or a
            JSON file), `layer` (a name, or `total`) and `held_out` (yes or no).
        constants: Patterns of the constants to fit, such as `software.*`. Each needs an interval. Whole
            numbers, such as a number of cores, are never fitted.
        holdout: Share of the measurements that check the fit; not used where `held_out` is a column.
        seed: Decides which ones these are.
        models: Name in the column `model` -> workload, or what `lo.trace` takes.

    Example:
        >>> fitted = lo.fit("lionheart", "examples/measurements.csv")
        >>> fitted.to_frame(), fitted.residuals()
        >>> Path("mine.toml").write_text(fitted.text)

    Raises:
        InputError: A table or a name is not as it must be, or the measurements are too few.
    """
    name = str(system)
    prior, text = plugins.load_system(name, "system"), plugins.system_text(name)
    if isinstance(measurements, str | Path):
        path = Path(measurements)
        rows, content = read_measurements(path)
        origin = path.name
    elif hasattr(measurements, "to_csv"):
        content, origin = measurements.to_csv(index=False), "a data frame"
        records: list[dict[str, Any]] = measurements.to_dict("records")  # type: ignore[assignment]
        cells = [(f"row {k}", row) for k, row in enumerate(records)]
        rows = measurements_of(cells, list(map(str, measurements.columns)), "measurements")
    else:
        raise InputError(
            f"measurements: got {kind_of(measurements)}; must be a CSV file or a data frame"
        )
    is_number = isinstance(holdout, Real) and not isinstance(holdout, bool)
    if not is_number or not 0 <= holdout < 1:
        raise InputError(f"holdout: got {shown(holdout)}; must be at least 0 and below 1")
    workloads = table_of(models, "models")
    with beside(Path.cwd()):
        chosen = _chosen(prior, names_of(constants, "constants"))
        priced = _priced(prior, rows, _held_out(rows, holdout, seed_of(seed)), workloads)
        return fit_system(
            prior,
            text,
            priced,
            chosen,
            origin=origin,
            provenance=(
                f"lionheart-opt {version('lionheart_opt')}, scipy {version('scipy')}, "
                f"{datetime.now(UTC):%Y-%m-%d}: fitted to {origin} "
                f"(sha256 {sha256(content.encode()).hexdigest()[:16]}), from {name}"
            ),
        )


def _chosen(system: System, patterns: Sequence[str]) -> list[str]:
    """Constants with an interval that a pattern names, and that can have values in between."""
    if not patterns:
        raise InputError("constants: got none; must be at least one pattern")
    if not system.intervals:
        raise InputError(
            f"{system.where}: no constant has an interval, which is its prior; write it as a table, such "
            "as { value = 1.0, low = 0.5, high = 2.0 }"
        )
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in system.intervals):
            raise unknown("constant with an interval", pattern, system.intervals, system.where)
    named = [name for name in system.intervals if any(fnmatchcase(name, p) for p in patterns)]
    chosen = [name for name in named if _can_move(system, name)]
    for name in named:
        if name not in chosen and (name in patterns or not chosen):
            raise InputError(
                f"{system.where}: {name} cannot be fitted: it is a whole number, or its interval has no "
                "width"
            )
    return chosen


def _can_move(system: System, name: str) -> bool:
    """Whether the cost model takes values close to that of a constant, within its interval."""
    value, interval = system.constant(name), system.intervals[name]
    close = value * (1 - _CLOSE if value > interval.low else 1 + _CLOSE)
    try:
        plugins.cost_model(system.with_constants({name: close}))
    except InputError:
        return False
    return interval.low < interval.high


def _held_out(rows: Sequence[Measurement], share: float, seed: int) -> list[bool]:
    """Which measurements check the fit: as their column says, or drawn."""
    if any(row.is_held_out is not None for row in rows):
        return [bool(row.is_held_out) for row in rows]
    count = int(share * len(rows))
    drawn = set(np.random.default_rng(seed).permutation(len(rows))[:count].tolist())
    return [number in drawn for number in range(len(rows))]


def _priced(
    system: System, rows: Sequence[Measurement], held_out: Sequence[bool], models: dict[str, Any]
) -> list[Priced]:
    workloads: dict[tuple[str, str], Workload] = {}
    mappings: dict[tuple[str, str, str], Mapping] = {}
    priced = []
    for row, is_held_out in zip(rows, held_out, strict=True):
        network = row.model, row.input
        if network not in workloads:
            workloads[network] = _workload(row, models)
        workload, key = workloads[network], (*network, row.mapping)
        if key not in mappings:
            mappings[key] = _mapping(Space(workload=workload, system=system), row)
        names = [layer.name for layer in workload.layers]
        if row.layer != TOTAL and row.layer not in names:
            raise unknown("layer", row.layer, [*names, TOTAL], row.where)
        priced.append(
            Priced(
                measurement=row,
                workload=workload,
                mapping=mappings[key],
                is_held_out=is_held_out,
            )
        )
    return priced


def _workload(row: Measurement, models: dict[str, Any]) -> Workload:
    model = models.get(row.model, row.model)
    shape = None
    if row.input:
        parts = row.input.split("x")
        if not all(part.isdecimal() and int(part) for part in parts):
            raise InputError(
                f"{row.where}: input: got {row.input!r}; must be sizes such as 3x32x32"
            )
        shape = tuple(map(int, parts))
    if isinstance(model, Workload):
        if shape is not None:
            raise InputError(
                f"{row.where}: input: the workload {row.model!r} has its input already"
            )
        return model
    try:
        return trace(model, shape)
    except InputError as error:
        raise InputError(f"{row.where}: {error}") from error


def _mapping(space: Space, row: Measurement) -> Mapping:
    if row.mapping == "best":
        raise InputError(
            f"{row.where}: mapping: got 'best', which depends on the constants; name what was measured: "
            "all-digital, all-analog or FILE.json"
        )
    if not row.mapping.endswith(".json"):
        return named_mapping(space, row.mapping, f"{row.where}: mapping")
    path = Path(row.mapping)
    data = parse_json(read_text(path), str(path))
    if not isinstance(data, dict) or not all(isinstance(each, str) for each in data.values()):
        raise InputError(f"{path}: must be a JSON object unit -> target, both names")
    try:
        return named_mapping(space, data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error

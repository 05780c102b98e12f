"""The verbs that need no study: what is installed, what a mapping costs, how right the costs are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lionheart_opt import plugins
from lionheart_opt.cli.inputs import AsJson, print_json, say_written
from lionheart_opt.cli.installed import Listed, installed
from lionheart_opt.errors import InputError
from lionheart_opt.text_files import parse_json, read_text, reported

if TYPE_CHECKING:
    from lionheart_opt.mapping import Mapping
    from lionheart_opt.space import Space


def list_installed(
    what: Annotated[Listed | None, typer.Argument(help="Everything by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is installed, and where it comes from.

    Example: `lionheart-opt list systems`
    """
    from lionheart_opt.cli import tables

    rows = {kind.value: installed(kind) for kind in ([what] if what else list(Listed))}
    if as_json:
        print_json(rows)
    else:
        tables.print_installed(rows)


def cost(
    model: Annotated[str, typer.Option(help="A name of `list models`, or package.module:factory.")],
    system: Annotated[str, typer.Option(help="A name of `list systems`, or FILE.toml.")],
    input_shape: Annotated[
        str | None, typer.Option("--input", help="Channels first, without the batch: 3x32x32.")
    ] = None,
    mapping: Annotated[
        str, typer.Option(help="all-analog, all-digital, or a JSON file: unit -> target.")
    ] = "all-analog",
    plot: Annotated[
        Path | None, typer.Option(help="Folder for stacked bars by layer and component.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Latency, energy and gains over all-digital of one mapping, layer by layer.

    Example: `lionheart-opt cost --model resnet8 --system lionheart`
    """
    from lionheart_opt import api
    from lionheart_opt.cli import tables
    from lionheart_opt.results.report import cost_report
    from lionheart_opt.space import Space

    machine = plugins.load_system(system, "--system")
    workload = api.trace(model, _shape(input_shape))
    space = Space(workload=workload, system=machine)
    chosen = _mapping(space, mapping)
    named = {"all-digital": space.all_digital, "all-analog": space.all_analog}
    label = mapping if mapping in named else Path(mapping).stem
    if label in named and named[label] != chosen:
        label = Path(mapping).name  # a file that is called all-digital.json
    named[label] = chosen
    costs = {name: api.cost(workload, machine, assigned) for name, assigned in named.items()}
    price, digital = costs[label], costs["all-digital"]
    data = cost_report(model, system, price, digital, space.analog_mac_ratio(chosen))
    if plot is not None:
        from lionheart_opt.plots.cost import draw_costs

        say_written(draw_costs(costs, plot, f"{model} on {machine.name}"))
    if as_json:
        print_json(data)
    else:
        tables.print_cost(data)


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        shape = tuple(int(part) for part in text.split("x"))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise InputError(f"--input: got {text!r}; must be positive sizes such as 3x32x32")
    return shape


def _mapping(space: Space, name: str) -> Mapping:
    from lionheart_opt.api import named_mapping

    path = Path(name)
    with reported(path):
        is_there = path.exists()
        if path.suffix != ".json" and (not is_there or path.is_dir()):
            return named_mapping(space, name, "--mapping")
        if not is_there:
            raise InputError(f"--mapping: {path}: no such file")
    data = parse_json(read_text(path), str(path))
    if not isinstance(data, dict) or not all(isinstance(each, str) for each in data.values()):
        raise InputError(f"{path}: must be a JSON object unit -> target, both names")
    try:
        return named_mapping(space, data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def validate(
    system: Annotated[str | None, typer.Argument(help="All systems by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every published number that a cost model claims, ours beside it, and the error in percent.

    Example: `lionheart-opt validate lionheart`
    """
    from lionheart_opt import published
    from lionheart_opt.cli import tables

    rows = published.rows(system)
    if as_json:
        print_json(rows)
    else:
        tables.print_validation(rows)

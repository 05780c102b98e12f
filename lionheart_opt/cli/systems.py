"""The verbs that need no study: what is installed, what a mapping costs, how right the costs are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lionheart_opt.cli.inputs import AsJson, print_json, say_written
from lionheart_opt.cli.installed import Listed, installed
from lionheart_opt.cli.networks import (
    Example,
    InputShape,
    ModelArguments,
    ModelClass,
    ModelName,
    traced,
)
from lionheart_opt.errors import InputError
from lionheart_opt.own_modules import beside
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
    model: ModelName,
    system: Annotated[str, typer.Option(help="A name of `list systems`, or FILE.toml.")],
    input_shape: InputShape = None,
    example: Example = None,
    model_argument: ModelArguments = None,
    model_class: ModelClass = None,
    mapping: Annotated[
        str,
        typer.Option(
            help="all-analog, all-digital, best (whatever the accuracy), or a JSON file: unit -> target."
        ),
    ] = "all-analog",
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Folder for stacked bars by layer and component, for a tornado chart of the system's "
            "constants, and for the roofline."
        ),
    ] = None,
    batch: Annotated[
        int,
        typer.Option(
            help="Inferences that run together: the latency is that of all of them, time per inference "
            "and energy those of one."
        ),
    ] = 1,
    tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tokens that one inference produces or reads: 1 for a decoding step, the length of the "
            "prompt for a prefill. Gives tokens per second and joules per token.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Latency, energy and gains over all-digital of one mapping, layer by layer.

    Example: `lionheart-opt cost --model resnet8 --system lionheart`

    `--batch 8` prices 8 inferences together: weights that a layer loads are loaded once for all, and
    activations that do not fit into the memory move. A batch is cut into runs where that costs less.

    `--model mine:network --example mine:batch --model-argument depth=3` prices a network of your own.
    For a decoding step, the example holds one token and the keys and values so far, as in
    examples/decoding.py.
    """
    from lionheart_opt import api, plugins
    from lionheart_opt.cheapest import cheapest
    from lionheart_opt.cli import tables
    from lionheart_opt.hardware.area import area_of
    from lionheart_opt.results.report import cost_report, per_token
    from lionheart_opt.space import Space

    machine = plugins.load_system(system, "--system")
    workload = traced(model, input_shape, example, model_argument, model_class)
    workload = workload.with_batch(batch)
    space = Space(workload=workload, system=machine)
    with beside(Path.cwd()):
        best = cheapest(space) if mapping == "best" and not Path(mapping).is_file() else None
        chosen = _mapping(space, mapping) if best is None else best.mapping
    mappings = {"all-digital": space.all_digital, "all-analog": space.all_analog}
    label = mapping if mapping in mappings else Path(mapping).stem
    if label in mappings and mappings[label] != chosen:
        label = Path(mapping).name  # a file that is called all-digital.json
    mappings[label] = chosen
    costs = {name: api.cost(workload, machine, assigned) for name, assigned in mappings.items()}
    price, digital = costs[label], costs["all-digital"]
    data = cost_report(model, system, price, digital, space.analog_mac_ratio(chosen))
    data |= area_of(price, workload, machine) | per_token(price, tokens) | {"batch": batch}
    data["together"] = price.together
    if best is not None:
        data |= {"mapping": dict(chosen.items()), "exact": best.exact}
    if plot is not None:
        from lionheart_opt.cost import HasCeilings
        from lionheart_opt.hardware.roofline import roofline
        from lionheart_opt.plots.cost import draw_costs
        from lionheart_opt.plots.roofline import draw_roofline
        from lionheart_opt.plots.tornado import draw_tornado

        say_written(draw_costs(costs, plot, f"{model} on {machine.name}"))
        if not data["no_interval"]:
            say_written(draw_tornado(price, digital, plot, f"{label} of {model} on {machine.name}"))
        if isinstance(plugins.cost_model(machine), HasCeilings):
            say_written(draw_roofline(roofline(workload, machine, chosen), plot))
    if as_json:
        print_json(data)
    else:
        tables.print_cost(data)


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


def systems(
    model: ModelName,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="A name of `list systems`, or FILE.toml; may be given again. All by default."
        ),
    ] = None,
    input_shape: InputShape = None,
    example: Example = None,
    model_argument: ModelArguments = None,
    model_class: ModelClass = None,
    batch: Annotated[int, typer.Option(help="Inferences that run together, as in `cost`.")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Folder for a figure of all systems.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every system on one network side by side: whether it fits, time, energy, and what it gains.

    Example: `lionheart-opt systems --model resnet8`

    `--system lionheart --system mine.toml` compares these two only.
    """
    from lionheart_opt import api_hardware, plugins
    from lionheart_opt.cli.system_tables import print_systems

    machines = [plugins.load_system(name, "--system") for name in dict.fromkeys(system or ())]
    workload = traced(model, input_shape, example, model_argument, model_class)
    comparison = api_hardware.systems(workload.with_batch(batch), machines or None)
    if plot is not None:
        from lionheart_opt.plots.systems import draw_systems

        say_written(draw_systems(comparison, plot))
    if as_json:
        print_json(comparison.to_json())
    else:
        print_systems(comparison)


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

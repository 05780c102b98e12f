"""The verbs that need no study: what is installed, what a mapping costs, how right the costs are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lionheart_opt import plugins
from lionheart_opt.api_arguments import kind_of
from lionheart_opt.cli.inputs import AsJson, print_json, say_written
from lionheart_opt.cli.installed import Listed, installed
from lionheart_opt.errors import InputError
from lionheart_opt.own_modules import beside
from lionheart_opt.text import shown
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
    model: Annotated[
        str,
        typer.Option(
            help="A name of `list models`, package.module:factory, or hf:FOLDER (Hugging Face's)."
        ),
    ],
    system: Annotated[str, typer.Option(help="A name of `list systems`, or FILE.toml.")],
    input_shape: Annotated[
        str | None, typer.Option("--input", help="Channels first, without the batch: 3x32x32.")
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(
            help="package.module:attr of what the network is called with, or of a function that returns "
            "it: a tensor, a tuple or a dictionary, each with a batch of 1."
        ),
    ] = None,
    model_argument: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Argument of the network; the value is JSON, or else a text. May be given again.",
        ),
    ] = None,
    model_class: Annotated[
        str | None, typer.Option(help="Class that loads a network of Hugging Face.")
    ] = None,
    mapping: Annotated[
        str,
        typer.Option(
            help="all-analog, all-digital, best (whatever the accuracy), or a JSON file: unit -> target."
        ),
    ] = "all-analog",
    plot: Annotated[
        Path | None, typer.Option(help="Folder for stacked bars by layer and component.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Latency, energy and gains over all-digital of one mapping, layer by layer.

    Example: `lionheart-opt cost --model resnet8 --system lionheart`

    `--model mine:network --example mine:batch --model-argument depth=3` prices a network of your own.
    """
    from lionheart_opt import api
    from lionheart_opt.cheapest import cheapest
    from lionheart_opt.cli import tables
    from lionheart_opt.results.report import cost_report
    from lionheart_opt.space import Space

    machine = plugins.load_system(system, "--system")
    if input_shape is not None and example is not None:
        raise InputError("--input and --example: both are given; choose one")
    named = {"name": model, "arguments": _arguments(model_argument or [])}
    if model_class is not None:
        named["class"] = model_class
    given = _shape(input_shape) if example is None else _example(example)
    workload = api.trace(named, given)
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
    if best is not None:
        data |= {"mapping": dict(chosen.items()), "exact": best.exact}
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


def _arguments(given: list[str]) -> dict[str, Any]:
    """Arguments of the network, by name."""
    arguments: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise InputError(f"--model-argument: got {shown(text)}; must be KEY=VALUE")
        if name in arguments:
            raise InputError(f"--model-argument: {name} is given twice")
        try:
            arguments[name] = json.loads(value, parse_constant=_no_constant)
        except ValueError:
            arguments[name] = value
    return arguments


def _no_constant(name: str) -> None:
    """Python reads NaN and Infinity as numbers, which JSON has not."""
    raise ValueError(name)


def _example(reference: str) -> Any:
    """What a network is called with: of a module, or returned by its function."""
    if ":" not in reference:
        raise InputError(f"--example: got {shown(reference)}; must be package.module:attr")
    with beside(Path.cwd()):
        found = plugins.attribute(reference, "--example")
        example = plugins.call(found, {}, "--example") if callable(found) else found
    if hasattr(example, "keys"):  # what a tokenizer returns is no dictionary
        example = {str(name): example[name] for name in example.keys()}
    parts = example.values() if isinstance(example, dict) else example
    parts = parts if isinstance(example, (dict, tuple)) else [example]
    if not parts or not all(hasattr(part, "detach") for part in parts):
        raise InputError(
            f"--example: {reference} is {kind_of(example)}; must be a tensor, or a tuple or dictionary "
            "of tensors"
        )
    return example


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

"""The verb that explores systems together with the mapping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lionheart_opt.cli.inputs import AsJson, load_study, print_json, resumable, say_written
from lionheart_opt.cli.networks import (
    Example,
    InputShape,
    ModelArguments,
    ModelClass,
    parsed,
    traced,
)
from lionheart_opt.errors import InputError
from lionheart_opt.text import shown

if TYPE_CHECKING:
    from lionheart_opt.hardware.design_space import Values


def explore(
    study: Annotated[
        Path | None,
        typer.Argument(
            metavar="STUDY",
            help="A folder with a study.toml, or the file: mappings keep its limits, by its oracle.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Instead of a study: a network, whatever its accuracy; see `cost`."),
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="Of --model: a name of `list systems`, or FILE.toml.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NUMBER=VALUES",
            help="Dotted name of a number of the system and its values (128,256) or a range "
            "(64:512:64). May be given again.",
        ),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            help="At most three of latency_s, interval_s, energy_j, area_m2, with commas."
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Designs at most; 100 by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of designs.")] = 0,
    storage: Annotated[
        str | None, typer.Option(help="Of --model: URL of an Optuna storage, to go on from there.")
    ] = None,
    input_shape: InputShape = None,
    example: Example = None,
    model_argument: ModelArguments = None,
    model_class: ModelClass = None,
    batch: Annotated[
        int | None, typer.Option(help="Of --model: inferences that run together, as in `cost`.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Folder for a figure of the frontier.")] = None,
    as_json: AsJson = False,
) -> None:
    """Explore the numbers of a system together with the mapping: time, energy and area.

    Example: `lionheart-opt explore --model resnet8 --system imc-cluster --vary targets.ima.rows=128,256`

    `lionheart-opt explore STUDY` reads `vary = { "targets.tile.rows" = [128, 256] }` in the study's
    `[explore]`.
    """
    from lionheart_opt import explorations
    from lionheart_opt.cli.exploration_tables import print_exploration

    if (study is None) == (model is None):
        raise InputError("explore: give either a STUDY or --model")
    names = None if objectives is None else [name.strip() for name in objectives.split(",")]
    varied = _varied(vary)
    if study is None:
        assert model is not None
        source = traced(model, input_shape, example, model_argument, model_class)
        loaded = None
    else:
        of_a_network = {
            "--input": input_shape,
            "--example": example,
            "--model-argument": model_argument,
            "--model-class": model_class,
        }
        for option, given in of_a_network.items():
            if given is not None:
                raise InputError(f"{option}: a study has its own network; leave it out")
        loaded = load_study(study)
    with resumable():
        found = explorations.explore(
            source if loaded is None else loaded,
            varied,
            system=system,
            objectives=names,  # type: ignore[arg-type]
            trials=trials,
            seed=seed,
            storage=storage,
            batch=batch,
        )
    if plot is not None:
        from lionheart_opt.plots.exploration import draw_exploration

        say_written(draw_exploration(found, plot))
    if as_json:
        print_json(found.to_json())
    else:
        print_exploration(found)


def _varied(given: list[str] | None) -> dict[str, Values] | None:
    """Name -> values or range, as `lo.explore` takes them."""
    if given is None:
        return None
    varied: dict[str, Values] = {}
    for text in given:
        name, sign, values = text.partition("=")
        if not sign or not name or not values:
            raise InputError(f"--vary: got {shown(text)}; must be NUMBER=VALUES")
        if name in varied:
            raise InputError(f"--vary: {name} is given twice")
        varied[name] = values if ":" in values else [parsed(each) for each in values.split(",")]
    return varied

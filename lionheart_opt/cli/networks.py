"""How the command line names a network: the options of several verbs, and the workload they give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lionheart_opt.errors import InputError
from lionheart_opt.own_modules import beside
from lionheart_opt.text import shown

if TYPE_CHECKING:
    from lionheart_opt.workload import Workload

ModelName = Annotated[
    str,
    typer.Option(
        help="A name of `list models`, package.module:factory, or hf:FOLDER (Hugging Face's)."
    ),
]
InputShape = Annotated[
    str | None, typer.Option("--input", help="Channels first, without the batch: 3x32x32.")
]
Example = Annotated[
    str | None,
    typer.Option(
        help="package.module:attr of what the network is called with, or of a function that returns "
        "it: a tensor, a tuple or a dictionary, each with a batch of 1."
    ),
]
ModelArguments = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Argument of the network; the value is JSON, or else a text. May be given again.",
    ),
]
ModelClass = Annotated[str | None, typer.Option(help="Class that loads a network of Hugging Face.")]


def traced(
    model: str,
    input_shape: str | None,
    example: str | None,
    model_argument: list[str] | None,
    model_class: str | None,
) -> Workload:
    """The workload of the network that the options name.

    Raises:
        InputError: The network does not exist, or cannot be traced with what it is called with.
    """
    from lionheart_opt import api

    if input_shape is not None and example is not None:
        raise InputError("--input and --example: both are given; choose one")
    named: dict[str, Any] = {"name": model, "arguments": _arguments(model_argument or [])}
    if model_class is not None:
        named["class"] = model_class
    return api.trace(named, _shape(input_shape) if example is None else _example(example))


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
        arguments[name] = parsed(value)
    return arguments


def parsed(value: str) -> Any:
    """A value of the command line: JSON, or else a text."""
    try:
        return json.loads(value, parse_constant=_no_constant)
    except ValueError:
        return value


def _no_constant(name: str) -> None:
    """Python reads NaN and Infinity as numbers, which JSON has not."""
    raise ValueError(name)


def _example(reference: str) -> Any:
    """What a network is called with: of a module, or returned by its function."""
    from lionheart_opt import plugins
    from lionheart_opt.api_arguments import kind_of

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

"""One line for what pydantic finds wrong in a TOML file."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel, ValidationError

from lionheart_opt.errors import InputError, unknown


def first_problem(
    error: ValidationError, where: str, model: type[BaseModel] | None = None
) -> InputError:
    """One line of a pydantic error: file, key, what was found, what is allowed.

    Args:
        error: what pydantic raised.
        where: the file, or the block of it.
        model: what was validated; its keys are named where one is unknown.
    """
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"]) or "(top level)"
    if problem["type"] == "extra_forbidden":
        *path, name = problem["loc"]
        table = f"{where}: [{'.'.join(map(str, path))}]" if path else where
        return unknown("key", str(name), _keys(model, path), table)
    if problem["type"] == "missing":
        return InputError(f"{where}: key {key!r} is missing")
    if problem["type"] == "value_error":
        return InputError(f"{where}: {key}: {problem['ctx']['error']}")
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return InputError(f"{where}: {key}: got {problem['input']!r}; {message}")


def _keys(model: type[BaseModel] | None, path: list[int | str]) -> list[str]:
    """Keys that the model allows at that place."""
    for part in path:
        if model is None or isinstance(part, int):
            continue
        inner = model.model_fields[part].annotation if part in model.model_fields else None
        candidates = [inner, *get_args(inner)]
        candidates += [deep for one in get_args(inner) for deep in get_args(one)]
        models = [one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)]
        model = models[0] if models else None
    return list(model.model_fields) if model else []

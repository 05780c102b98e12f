"""One line for what pydantic finds wrong in a TOML file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from lionheart_opt.errors import Collected, InputError, InputErrors, unknown
from lionheart_opt.masking import masked
from lionheart_opt.text import shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: Keys of tables, numbers of list entries, and what pydantic calls the members of a union.
Path = Sequence[int | str]

_ADVICE = "Input should be "


def first_problem(
    error: ValidationError, where: str, model: type[BaseModel], given: dict[str, Any]
) -> InputError:
    """One line of a pydantic error: file, key, what was found, what is allowed.

    Unknown and misspelt keys come first, with the nearest name: what they stand for is often missing.

    Args:
        error: What pydantic raised.
        where: The file, or the block of it.
        model: What the content was validated as.
        given: The content.
    """
    return next(_problems(error, where, model, given))


def all_problems(
    error: ValidationError, where: str, model: type[BaseModel], given: dict[str, Any]
) -> InputError:
    """As `first_problem`, but with a line for each key that is wrong."""
    wrong = Collected()
    for problem in _problems(error, where, model, given):
        wrong.add(problem)
    return wrong.errors[0] if len(wrong.errors) == 1 else InputErrors(wrong.errors)


def _problems(
    error: ValidationError, where: str, model: type[BaseModel], given: dict[str, Any]
) -> Iterator[InputError]:
    """A line for each key that is wrong, unknown and misspelt ones first."""
    problems = error.errors()
    misspelt: set[str] = set()
    for problem in problems:
        *path, name = problem["loc"] or ("",)
        allowed = _keys(model, path)
        # a key that another member of a union knows is not what is wrong
        if problem["type"] == "extra_forbidden" and name not in allowed:
            names, _ = _walk(given, path)
            table = f"{where}: [{'.'.join(names)}]" if names else where
            misspelt.add(".".join([*names, str(name)]))
            yield unknown("key", str(name), allowed, table)
    others = [problem for problem in problems if problem["type"] != "extra_forbidden"] or problems
    missing = [
        problem["loc"]
        for problem in others
        if problem["type"] == "missing" and not _is_entry(problem["loc"], given)
    ]
    stands_for: set[Path] = set()
    for key in missing:
        if near := _misspelt(key, model, given):
            stands_for.add(key)
            if ".".join([*_walk(given, key[:-1])[0], near]) not in misspelt:
                hint = f"is {near!r} a misspelling of it?"
                yield InputError(f"{where}: key {_missing(key, given)!r} is missing ({hint})")
    said: set[str] = set()
    for number, problem in enumerate(others):
        key = problem["loc"]
        if key in stands_for or (problem["type"] == "extra_forbidden" and misspelt):
            continue
        # a list whose entries are wrong is also said to be too short
        if any(len(each["loc"]) > len(key) and each["loc"][: len(key)] == key for each in others):
            continue
        if key in missing:
            text = f"key {_missing(key, given)!r} is missing"
        else:
            text = _wrong_value(others[number:], given)
        name = ".".join(_walk(given, key)[0]) if key not in missing else text
        if name not in said:
            said.add(name)
            yield InputError(f"{where}: {text}")


def _is_entry(path: Path, given: dict[str, Any]) -> bool:
    """Whether a path leads to an entry of a list, be there one or not."""
    return isinstance(_walk(given, path[:-1])[1], list | tuple)


def _missing(path: Path, given: dict[str, Any]) -> str:
    """The whole name of a key that is missing."""
    *above, name = path
    return ".".join([*_walk(given, above)[0], str(name)])


def _misspelt(path: Path, model: type[BaseModel], given: dict[str, Any]) -> str | None:
    """A key that stands where one is missing, is no known one and looks like it."""
    *above, name = path
    _, table = _walk(given, above)
    others = [str(key) for key in table if key not in _keys(model, above)]
    return next(iter(get_close_matches(str(name), others)), None)


def _wrong_value(problems: list[ErrorDetails], given: dict[str, Any]) -> str:
    """The first of the problems, together with what other members of a union say of the same key."""
    problem = problems[0]
    names, _ = _walk(given, problem["loc"])
    key = ".".join(names)
    if problem["type"] == "value_error":
        said = str(problem["ctx"]["error"])
        return f"{key}: {said}" if key else said
    of_members = [
        each
        for each in problems
        if _walk(given, each["loc"])[0] == names and each["msg"].startswith(_ADVICE)
    ]
    # of a number that is not finite, others say that it is no text
    not_finite = [each for each in of_members if each["type"] == "finite_number"]
    advice = dict.fromkeys(each["msg"].removeprefix(_ADVICE) for each in not_finite or of_members)
    message = f"must be {' or '.join(advice)}" if advice else problem["msg"]
    count = _count(problems)
    return f"{key or '(top level)'}: got {masked(shown(problem['input']))}; {count or message}"


def _count(problems: list[ErrorDetails]) -> str:
    """How many entries a list must have, if that is the first problem; an empty text otherwise."""
    kind, context = problems[0]["type"], problems[0].get("ctx", {})
    above = problems[0]["loc"][:-1]
    if kind == "missing":
        least = [each["loc"] for each in problems if each["type"] == kind]
        said = f"at least {max(int(loc[-1]) + 1 for loc in least if loc[:-1] == above)}"
    elif kind in {"too_short", "too_long"}:
        limit = context.get("min_length", context.get("max_length"))
        said = f"at {'least' if kind == 'too_short' else 'most'} {limit}"
    else:
        return ""
    return f"must have {said} {'entry' if said.endswith(' 1') else 'entries'}"


def _walk(given: Any, path: Path) -> tuple[list[str], Any]:
    """What a path leads through, and what is at its end.

    Entries of lists are called by their `name` where they have one. Parts of the path that are not in the
    content, such as the members of unions, are left out.
    """
    names: list[str] = []
    for part in path:
        if isinstance(given, dict) and part in given:
            given = given[part]
            names.append(str(part))
        elif isinstance(given, list | tuple) and isinstance(part, int) and part < len(given):
            given = given[part]
            is_named = isinstance(given, dict) and "name" in given
            names.append(str(given["name"] if is_named else part))
    return names, given


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """Keys that a table at that place may have: those of all members of a union."""
    annotations: list[Any] = [model]
    for part in path:
        below = [inner for annotation in annotations for inner in _below(annotation, part)]
        annotations = below or annotations  # a part that leads nowhere names a member of a union
    models = [annotation for annotation in annotations if _is_model(annotation)]
    fields = (each for member in models for each in member.model_fields.items())
    return list(dict.fromkeys(field.alias or key for key, field in fields))


def _below(annotation: Any, part: int | str) -> Iterator[Any]:
    """Types of what a key or an entry of a value of that type holds."""
    if _is_model(annotation):
        if part in annotation.model_fields:
            yield from _members(annotation.model_fields[part].annotation)
        return
    container, arguments = get_origin(annotation), get_args(annotation)
    if container is dict:
        yield from _members(arguments[1])
    elif isinstance(part, int):
        for argument in arguments:
            yield from _members(argument)


def _members(annotation: Any) -> Iterator[Any]:
    """The members of a union; the type itself where it is none."""
    if get_origin(annotation) in (Union, UnionType):
        for argument in get_args(annotation):
            yield from _members(argument)
    elif get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    else:
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)

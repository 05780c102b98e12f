"""Long attributes in parts: several short attributes, for databases that keep no long text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")

#: How the names of parts begin; the digest of the whole text and the number of the part follow.
PART = "part/"
#: Keys of what an attribute holds instead of a text that is kept in parts.
PARTS, DIGEST = "parts", "sha256 of the parts"

_SETTERS = [f"set_{of}_{kind}_attr" for of in ("study", "trial") for kind in ("user", "system")]
_GETTERS = [f"get_{of}_{kind}_attrs" for of in ("study", "trial") for kind in ("user", "system")]


def in_parts(attributes: dict[str, Any], most: int | None) -> dict[str, Any]:
    """Attributes whose JSON has at most so many bytes; the parts of one come before it."""
    if most is None:
        return attributes
    written: dict[str, Any] = {}
    for name, value in attributes.items():
        text = json.dumps(value)  # as Optuna writes it: ASCII
        if len(text) <= most:
            written[name] = value
            continue
        length = (most - 2) // 2  # a part is JSON, too: two quotes, and a letter may need two
        texts = [text[start : start + length] for start in range(0, len(text), length)]
        digest = hashlib.sha256(text.encode()).hexdigest()
        written |= {f"{PART}{digest}/{number}": part for number, part in enumerate(texts)}
        written[name] = {PARTS: len(texts), DIGEST: digest}
    return written


def joined(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a study or a trial, those that are kept in parts whole again.

    Raises:
        ValueError: A part is missing, or is another one.
    """
    if PART not in "".join(attributes):  # as for nearly all: records have many attributes
        return attributes
    whole = {}
    for name, value in attributes.items():
        if name.startswith(PART):
            continue
        if isinstance(value, dict) and value.keys() == {PARTS, DIGEST}:
            names = [f"{PART}{value[DIGEST]}/{number}" for number in range(value[PARTS])]
            text = "".join(str(attributes.get(each, "")) for each in names)
            if hashlib.sha256(text.encode()).hexdigest() != value[DIGEST]:
                raise ValueError(f"{name}: parts of it are missing or damaged")
            value = json.loads(text)
        whole[name] = value
    return whole


def with_whole_attributes(thing: T) -> T:
    """A trial or a study, its attributes joined."""
    either: Any = thing
    either.user_attrs, either.system_attrs = joined(either.user_attrs), joined(either.system_attrs)
    return thing


def writes_parts(storage: type[T]) -> type[T]:
    """A class of Optuna storages, which now writes long attributes in parts, as its `most_bytes` says."""
    for name in _SETTERS:
        setattr(storage, name, _in_parts(getattr(storage, name)))
    return storage


def reads_parts(storage: type[T]) -> type[T]:
    """A class of Optuna storages, which now reads whole attributes."""
    for name in _GETTERS:
        setattr(storage, name, _after(getattr(storage, name), joined))
    for name in ("get_all_studies", "get_all_trials"):
        setattr(storage, name, _after(getattr(storage, name), _all_whole))
    storage.get_trial = _after(storage.get_trial, with_whole_attributes)  # type: ignore[attr-defined]
    return storage


def _all_whole(things: list[Any]) -> list[Any]:
    return [with_whole_attributes(each) for each in things]


def _in_parts(setter: Callable[..., None]) -> Callable[..., None]:
    @wraps(setter)
    def set_in_parts(storage: Any, number: int, key: str, value: Any) -> None:
        for name, part in in_parts({key: value}, storage.most_bytes).items():
            setter(storage, number, name, part)

    return set_in_parts


def _after(getter: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
    @wraps(getter)
    def get_changed(*arguments: Any, **options: Any) -> Any:
        return change(getter(*arguments, **options))

    return get_changed

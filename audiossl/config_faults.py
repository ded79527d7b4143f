"""Say which value of a config its type does not allow, by its path of keys, and which key or value may have been meant."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path", type(None): "null"}


@dataclass(frozen=True)
class Fault:
    """A value that its type does not allow.

    Attributes:
        place: keys down to it, such as `models.random.kind` or `evaluation.tasks[1].kind`; empty for the whole config.
        expected: in words.
        got: in words.
        meant: a question whether something else was meant, in words.
    """

    place: str
    expected: str
    got: str
    meant: str = ""

    def __str__(self) -> str:
        return f"{self.place}{': ' if self.place else ''}expected {self.expected}, got {self.got}{self.meant}"


def nearest(word: object, known: Iterable[str]) -> str:
    """Ask whether the nearest of the known words was meant; nothing where none is near.

    >>> nearest("max_step", ["lr", "max_steps", "warmup_steps"])
    ' (did you mean max_steps?)'
    """
    by_form = {name.lower().replace("-", "_"): name for name in known}
    close = get_close_matches(str(word).lower().replace("-", "_"), by_form, n=1, cutoff=0.6)
    return f" (did you mean {by_form[close[0]]}?)" if close else ""


def find_fault(kind: Any, value: Any, place: str = "") -> Fault | None:
    """Find the first value that is not of its type; None where there is none, or where the type is not one of those known here.

    It only explains what the parser of recipes has refused: what that may take in, such as the text '3' for a number, passes.

    Args:
        kind: dataclass, or a type of its fields.
        value: as YAML has it.
        place: keys down to the value.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _fault_of_fields(kind, value, place)
    if origin in (Union, types.UnionType):
        return _fault_of_choice(parts, value, place)
    if origin is Literal:
        known = ", ".join(map(repr, parts))
        return None if any(value == part for part in parts) else Fault(place, f"one of {known}", _shown(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            return Fault(place, "a mapping", _shown(value))
        return _first(find_fault(parts[1], item, _below(place, key)) for key, item in value.items())
    if origin is list:
        if not isinstance(value, list):
            return Fault(place, "a list", _shown(value))
        return _first(find_fault(parts[0], item, f"{place}[{number}]") for number, item in enumerate(value))
    if isinstance(kind, type) and kind in _NAMES and not _is_plain(kind, value):
        return Fault(place, _NAMES[kind], _shown(value))
    return None


def with_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The values of a recipe with `key=value` strings over them, to be searched for faults."""
    changed = dict(values)
    for override in overrides:
        key, _, text = override.partition("=")
        if key.endswith("+"):  # adds to a list
            continue
        *above, last = key.split(".")
        folder = changed
        for name in above:
            inner = folder.get(name)
            folder[name] = dict(inner) if isinstance(inner, Mapping) else {}
            folder = folder[name]
        folder[last] = _read(text)
    return changed


def _fault_of_fields(kind: type, value: Any, place: str) -> Fault | None:
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    if not isinstance(value, Mapping):
        return Fault(place, f"a mapping of {', '.join(fields)}", _shown(value))
    if unknown := [key for key in value if key not in fields]:
        return Fault(
            _below(place, unknown[0]), f"one of the keys {', '.join(fields)}", _shown(unknown[0]), _meant(kind, unknown[0])
        )
    missing = dataclasses.MISSING
    required = [name for name, field in fields.items() if field.default is missing and field.default_factory is missing]
    if lacking := [name for name in required if name not in value]:
        given = ", ".join(map(str, value)) or "none"
        return Fault(place, f"the keys that are required: {', '.join(lacking)}", f"only {given}")
    types_ = get_type_hints(kind)
    return _first(find_fault(types_[name], item, _below(place, name)) for name, item in value.items())


def _meant(kind: type, key: Any) -> str:
    """The key that was meant: one of the same section, or the same word in a section below."""
    types_ = get_type_hints(kind)
    if found := nearest(key, types_):
        return found
    below = [
        f"{name}.{key}"
        for name, part in types_.items()
        if isinstance(part, type) and dataclasses.is_dataclass(part) and key in {field.name for field in dataclasses.fields(part)}
    ]
    return f" (did you mean {' or '.join(below)}?)" if below else ""


def _fault_of_choice(parts: Sequence[Any], value: Any, place: str) -> Fault | None:
    faults = [find_fault(part, value, place) for part in parts]
    if not all(faults):
        return None
    found = [fault for fault in faults if fault is not None]
    # A fault further down says more than that the value is not null either.
    if inner := [fault for fault in found if fault.place != place]:
        return inner[0]
    return dataclasses.replace(found[0], expected=" or ".join(fault.expected for fault in found))


def _is_plain(kind: type, value: Any) -> bool:
    """Whether the parser may take a value for a number, text, path, truth value or nothing."""
    if isinstance(value, str) and kind in (int, float):
        try:
            kind(value)
        except ValueError:
            return False
        return True
    if isinstance(value, str) and kind is bool:
        return isinstance(_loaded(value.lower()), bool)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, {float: (int, float), Path: (str, Path)}.get(kind, kind))


def _read(text: str) -> Any:
    """A value from the command line: lists, mappings and null as YAML, all else as it was typed."""
    value = _loaded(text)
    return value if value is None or isinstance(value, (list, dict)) else text


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _first(faults: Iterable[Fault | None]) -> Fault | None:
    return next((fault for fault in faults if fault is not None), None)


def _below(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _shown(value: Any) -> str:
    """A value in few words."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

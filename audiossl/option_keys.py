"""The keys that a recipe may hold, with their types, defaults and meaning."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from audiossl.docstrings import descriptions
from audiossl.options import KINDS, WORDS, below, default_of, is_required


@dataclasses.dataclass(frozen=True)
class Key:
    """A key that a recipe may hold.

    Attributes:
        name: dotted.
        type: type of its value, in words.
        default: its default as YAML; empty where the key is required.
        description: description from the docstring of its dataclass.
    """

    name: str
    type: str
    default: str
    description: str


def list_keys(kind: type, place: str = "", base: object = None) -> list[Key]:
    """List every key of a dataclass and of the dataclasses in it, with what its docstring says.

    Args:
        kind: dataclass.
        place: keys down to it.
        base: what the section is by default, where that is another than the dataclass' own.
    """
    found: list[Key] = []
    hints, described = get_type_hints(kind), descriptions(kind)
    for field in (field for field in dataclasses.fields(kind) if field.init):
        name, hint = below(place, field.name), hints[field.name]
        inner = [part for part in (hint, *get_args(hint)) if dataclasses.is_dataclass(part) and isinstance(part, type)]
        value = default_of(field) if base is None else getattr(base, field.name)
        if inner and get_origin(hint) in (None, Union, types.UnionType):
            found += list_keys(inner[0], name, value)
            continue
        default = "" if base is None and is_required(field) else _in_yaml(value)
        found.append(Key(name, _type_of(field, hint), default, described.get(field.name, "")))
        if inner:
            found += list_keys(inner[-1], f"{name}.NAME" if get_origin(hint) is dict else f"{name}[N]")
    return found


def _type_of(field: dataclasses.Field[Any], hint: Any) -> str:
    """The type of a field in words; of a kind, the names that there are."""
    known = field.metadata.get(KINDS, ())
    return " | ".join([*known, "my_module:MyClass"]) if known else _type_in_words(hint)


def _type_in_words(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_in_words(part) for part in parts)
    if origin is Literal:
        return " | ".join(map(str, parts))
    if origin in (list, tuple):
        return f"list of {_type_in_words(parts[0])}"
    if origin is dict:
        return f"mapping to {_type_in_words(parts[1])}"
    return WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def _in_yaml(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")

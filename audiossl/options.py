"""Options: one reader that turns YAML, `key=value` words and keyword arguments into typed dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from audiossl.errors import ConfigError

T = TypeVar("T")
KINDS = "kinds"  # key of `kind_of` in the metadata of a field
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path", type(None): "null"}


class Fault(Exception):
    """A value that its type does not allow.

    Args:
        place: keys down to it, such as `models.random.kind` or `evaluation.tasks[1].kind`; empty for the whole config.
        expected: what was expected, in words.
        got: what came, in words.
        meant: a question whether something else was meant, in words.
    """

    def __init__(self, place: str, expected: str, got: str, meant: str = "") -> None:
        super().__init__(f"{place}{': ' if place else ''}expected {expected}, got {got}{meant}")
        self.place, self.expected, self.got, self.meant = place, expected, got, meant


def nearest(word: object, known: Iterable[str]) -> str:
    """Ask whether the nearest of the known words was meant; nothing where none is near.

    >>> nearest("max_step", ["lr", "max_steps", "warmup_steps"])
    ' (did you mean max_steps?)'
    """
    by_form = {name.lower().replace("-", "_"): name for name in known}
    close = get_close_matches(str(word).lower().replace("-", "_"), by_form, n=1, cutoff=0.6)
    return f" (did you mean {by_form[close[0]]}?)" if close else ""


def kind_of(table: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Metadata of a field whose value is a kind: a name of a table, or `my_module:MyClass` from outside.

    >>> @dataclasses.dataclass
    ... class Student:
    ...     kind: str = dataclasses.field(metadata=kind_of(["zipformer"]))
    >>> read_options(Student, {"kind": "zipfromer"}, "student")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    audiossl.errors.ConfigError: student.kind: expected one of 'zipformer', or my_module:MyClass, got 'zipfromer'...
    """
    return {KINDS: tuple(table)}


def read_options(kind: type[T], values: Mapping[str, object], place: str = "") -> T:
    """Build a dataclass from plain values, as YAML or keyword arguments give them.

    A number may be written as text ('1e-3'), as YAML and the command line have it. Keys of an inner dataclass change only these
    of its default. Objects of the right type are taken as they are. A dataclass that can be written in another way, such as a
    text, has a class method `spelled(values, place)` that returns the mapping which is meant, and `INSTEAD`, see `_change`.

    Args:
        kind: dataclass with annotated fields.
        values: values by field.
        place: keys down to the values, for messages.

    Raises:
        ConfigError: for an unknown key, a required key that is missing, or a value of another type: which key, what was
            expected, what came, and the nearest key.

    >>> from audiossl.training.config import TrainingConfig
    >>> read_options(TrainingConfig, {"lr": "1e-3", "max_steps": 10}).lr
    0.001
    >>> read_options(TrainingConfig, {"lr": "fast"}, "training")
    Traceback (most recent call last):
        ...
    audiossl.errors.ConfigError: training.lr: expected a number, got 'fast'
    """
    try:
        return build(kind, values, place)
    except Fault as fault:
        raise ConfigError(str(fault)) from None


def build(kind: type[T], values: Mapping[str, object], place: str = "") -> T:
    """Build a dataclass as `read_options` does, but raise a `Fault` for the caller to say where the values are from."""
    return _read_fields(kind, values, place, None)


def with_overrides(kind: type, values: Mapping[str, object], overrides: Sequence[str]) -> dict[str, object]:
    """Put `key=value` words over the values of a recipe; keys are dotted, `key+=value` adds to a list.

    A mapping given for a section, such as `training={lr: 0.1}`, changes only its keys; one given for a free mapping, such as
    `models={...}`, replaces it.

    Args:
        kind: dataclass of the recipe.
        values: values of the recipe; they are not changed.
        overrides: words.

    Raises:
        ConfigError: for a word of another form.

    >>> from audiossl.training.config import TrainingConfig
    >>> with_overrides(TrainingConfig, {"lr": 1}, ["max_steps=5", "lr_scales.encoder=0.1"])
    {'lr': 1, 'max_steps': '5', 'lr_scales': {'encoder': '0.1'}}
    """
    changed = copy.deepcopy(dict(values))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip("+") or override.startswith("-"):
            raise ConfigError(f"expected overrides as key=value, for instance training.max_steps=100, got '{override}'")
        # Of a free value only its reader knows the type: 3 is a number, true a truth value.
        free = _typebelow(kind, key.removesuffix("+").split(".")) is Any
        _put(kind, changed, key, _loaded(text) if free else _value(text))
    return changed


def with_keywords(kind: type, values: Mapping[str, object], keywords: Mapping[str, object]) -> dict[str, object]:
    """Put keyword arguments over the values of a recipe, as `with_overrides` does with words.

    Args:
        kind: dataclass of the recipe.
        values: values of the recipe; they are not changed.
        keywords: values by key, which may be dotted; a mapping changes only its keys of a section, at any depth.

    >>> from audiossl.training.config import TrainingConfig
    >>> with_keywords(TrainingConfig, {"lr": 1}, {"max_steps": 5, "lr_scales.encoder": 0.1})
    {'lr': 1, 'max_steps': 5, 'lr_scales': {'encoder': 0.1}}
    """
    changed = copy.deepcopy(dict(values))
    for key, value in keywords.items():
        if isinstance(value, Mapping) and _is_section(kind, key.split(".")):
            for name, inner in value.items():
                changed = with_keywords(kind, changed, {f"{key}.{name}": inner})
        else:
            _put(kind, changed, key, value)
    return changed


def replace_options(config: T, keywords: Mapping[str, object]) -> T:
    """Copy a dataclass with other values of some keys, read as `read_options` reads them.

    Args:
        config: a dataclass.
        keywords: values by key, which may be dotted; a mapping changes only its keys of a section.

    Raises:
        ConfigError: as `read_options`.

    >>> from audiossl.training.config import TrainingConfig
    >>> replace_options(TrainingConfig(lr=0.5), {"max_steps": "5"}).lr
    0.5
    """
    try:
        return _read_fields(type(config), with_keywords(type(config), {}, keywords), "", config)
    except Fault as fault:
        raise ConfigError(str(fault)) from None


def _put(kind: type, values: dict[str, Any], key: str, value: Any) -> None:
    """Set a value below a dotted key; `key+` adds it to a list, and a mapping changes only its keys of a section."""
    *above, last = key.removesuffix("+").split(".")
    for depth, name in enumerate(above, 1):
        values[name] = _as_mapping(kind, above[:depth], values.get(name))
        values = values[name]
    earlier = values.get(last)
    if key.endswith("+"):
        value = [*(earlier if isinstance(earlier, list) else []), value]
    elif isinstance(value, dict) and _is_section(kind, [*above, last]):
        value = _change(_typebelow(kind, [*above, last]), _as_mapping(kind, [*above, last], earlier), value)
    _change(_typebelow(kind, above), values, {last: value})


def _as_mapping(kind: Any, keys: Sequence[str], value: Any) -> dict[str, Any]:
    """What a section holds so far: a text is spelled out; whatever else is no mapping is replaced."""
    if isinstance(value, str):
        try:
            value = _spelled_out(_typebelow(kind, keys), value, ".".join(keys))
        except Fault as fault:
            raise ConfigError(str(fault)) from None
    return value if isinstance(value, dict) else {}


def _change(section: Any, folder: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Change values of a section; `INSTEAD` of its dataclass says which keys are other spellings of a key, and make way."""
    for key in values:
        for other in getattr(section, "INSTEAD", {}).get(key, ()):
            if other not in values:
                folder.pop(other, None)
    folder.update(values)
    return folder


def _read_fields(kind: Any, values: Any, place: str, base: Any) -> Any:
    """A dataclass from a mapping, over the fields of `base` where there is one."""
    if isinstance(values, kind):
        return values
    values = _spelled_out(kind, values, place)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    if not isinstance(values, Mapping):
        raise Fault(place, f"a mapping of {', '.join(fields)}", _shown(values))
    for key in values:
        if key not in fields:
            raise Fault(below(place, key), f"one of the keys {', '.join(fields)}", _shown(key), _meant(kind, key))
    lacking = [name for name, field in fields.items() if base is None and is_required(field) and name not in values]
    if lacking:
        given = ", ".join(map(str, values)) or "none"
        raise Fault(place, f"the keys that are required: {', '.join(lacking)}", f"only {given}")
    hints, made = get_type_hints(kind), {}
    for name, value in values.items():
        earlier = default_of(fields[name]) if base is None else getattr(base, name)
        made[name] = _read(hints[name], value, below(place, name), earlier)
        _check_kind(fields[name], made[name], below(place, name))
    return kind(**made) if base is None else dataclasses.replace(base, **made)


def _check_kind(field: dataclasses.Field[Any], value: Any, place: str) -> None:
    known = field.metadata.get(KINDS, ())
    if known and isinstance(value, str) and value not in known and ":" not in value:
        raise Fault(place, f"one of {', '.join(map(repr, known))}, or my_module:MyClass", _shown(value), nearest(value, known))


def _spelled_out(kind: Any, values: Any, place: str) -> Any:
    """Values of a dataclass that has other spellings, as the mapping that is meant."""
    spelled: Callable[[Any, str], Any] | None = getattr(kind, "spelled", None)
    return values if spelled is None or values is None else spelled(values, place)


def _meant(kind: type, key: Any) -> str:
    """The key that was meant: one of the same section, or the same word in a section below."""
    hints = get_type_hints(kind)
    if found := nearest(key, hints):
        return found
    sections = {name: part for name, part in hints.items() if isinstance(part, type) and dataclasses.is_dataclass(part)}
    below = [f"{name}.{key}" for name, part in sections.items() if key in {field.name for field in dataclasses.fields(part)}]
    return f" (did you mean {' or '.join(below)}?)" if below else ""


def _read(kind: Any, value: Any, place: str, base: Any = None) -> Any:
    """A value of a type, converted where that is safe."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _read_fields(kind, value, place, base if isinstance(base, kind) and not isinstance(value, str) else None)
    if origin in (Union, types.UnionType):
        return _read_choice(parts, value, place, base)
    if origin is Literal:
        if value in parts:
            return value
        raise Fault(place, f"one of {', '.join(map(repr, parts))}", _shown(value), nearest(value, map(str, parts)))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise Fault(place, "a mapping", _shown(value))
        return {_read(parts[0], key, place): _read(parts[1], item, below(place, key)) for key, item in value.items()}
    if origin in (list, tuple):
        return _read_sequence(origin, parts, value, place)
    return _read_plain(kind, value, place)


def _read_sequence(origin: type, parts: tuple[Any, ...], value: Any, place: str) -> Any:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise Fault(place, "a list", _shown(value))
    each = parts * len(value) if origin is list else parts[:1] * len(value) if parts[1:] == (...,) else parts
    if len(each) != len(value):
        raise Fault(place, f"a list of {len(each)}", f"{len(value)} values")
    return origin(_read(part, item, f"{place}[{number}]") for number, (part, item) in enumerate(zip(each, value, strict=True)))


def _read_choice(parts: Sequence[Any], value: Any, place: str, base: Any) -> Any:
    faults = []
    for part in parts:
        try:
            return _read(part, value, place, base)
        except Fault as fault:
            faults.append(fault)
    # A fault further down says more than that the value is not null either.
    if inner := [fault for fault in faults if fault.place != place]:
        raise inner[0]
    raise Fault(place, " or ".join(fault.expected for fault in faults), faults[0].got, "".join(fault.meant for fault in faults))


def _read_plain(kind: Any, value: Any, place: str) -> Any:
    """A number, text, path, truth value, nothing, or an object of a class that only Python can give."""
    if kind not in WORDS:
        if isinstance(kind, type) and isinstance(value, kind):
            return value
        raise Fault(place, f"a {getattr(kind, '__name__', kind)}", _shown(value))
    if isinstance(value, str) and kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            raise Fault(place, WORDS[kind], _shown(value)) from None
    if isinstance(value, str) and kind is bool and isinstance(truth := _loaded(value.lower()), bool):
        return truth
    accepted = {float: (int, float), Path: (str, Path)}.get(kind, kind)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise Fault(place, WORDS[kind], _shown(value))
    return value if kind is type(None) else kind(value)


def _typebelow(kind: Any, keys: Sequence[str]) -> Any:
    """The type of the value below these keys; None where there is none."""
    for key in keys:
        if kind is Any:
            return Any
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif dataclasses.is_dataclass(kind) and isinstance(kind, type):
            kind = get_type_hints(kind).get(key)
        else:
            return None
    return kind


def _is_section(kind: Any, keys: Sequence[str]) -> bool:
    """Whether the value below these keys is a dataclass, and not a free mapping."""
    kind = _typebelow(kind, keys)
    return any(dataclasses.is_dataclass(part) for part in (kind, *get_args(kind))) and get_origin(kind) is not dict


def _value(text: str) -> Any:
    """A value from the command line: lists, mappings and null as YAML, all else as it was typed."""
    value = _loaded(text)
    return value if value is None or isinstance(value, (list, dict)) else text


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def is_required(field: dataclasses.Field[object]) -> bool:
    """Whether a field has no default."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def default_of(field: dataclasses.Field[object]) -> object:
    """The default of a field; None where it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def below(place: str, key: object) -> str:
    """The place of a key in a section."""
    return f"{place}.{key}" if place else str(key)


def _shown(value: Any) -> str:
    """A value in few words."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

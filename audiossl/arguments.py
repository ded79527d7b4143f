"""Keyword arguments of classes and functions, read as options are."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from audiossl.errors import ConfigError
from audiossl.options import read_options


def read_arguments(call: Callable[..., object], values: Mapping[str, object], place: str = "", skip: int = 0) -> dict[str, Any]:
    """Read keyword arguments for a class or function as `read_options` reads the fields of a dataclass.

    Args:
        call: call whose signature says the names, types and defaults.
        values: values by argument.
        place: keys down to the values, for messages.
        skip: number of arguments at the front that the caller gives.

    Raises:
        ConfigError: as `read_options`.

    >>> def repeat(signal: list[float], times: int = 2) -> list[float]:
    ...     return signal * times
    >>> repeat([1.0], **read_arguments(repeat, {"times": "3"}, skip=1))
    [1.0, 1.0, 1.0]
    """
    parameters = list(inspect.signature(call).parameters.values())[skip:]
    named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    try:
        hints = get_type_hints(call.__init__ if isinstance(call, type) else call)
    except NameError:  # a type that is imported for the type checker alone
        hints = {}
    fields = [(one.name, hints.get(one.name, Any), _field_of(one)) for one in named]
    name = getattr(call, "__name__", type(call).__name__)
    if values and not fields:
        raise ConfigError(f"{place}{': ' if place else ''}{name} takes no options, got {', '.join(values)}: leave them out")
    read = read_options(dataclasses.make_dataclass(name, fields, kw_only=True), values, place)
    return {key: getattr(read, key) for key in values}


def _field_of(parameter: inspect.Parameter) -> Any:
    if parameter.default is parameter.empty:
        return dataclasses.field()
    return dataclasses.field(default_factory=lambda: parameter.default)

"""Encoders made from plain values, as recipes and `config.json` hold them, and the plain values of an encoder."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar, cast, get_args, get_type_hints, runtime_checkable

from audiossl.arguments import read_arguments
from audiossl.errors import ConfigError
from audiossl.options import read_options

T = TypeVar("T")


@runtime_checkable
class Described(Protocol):
    """An encoder that says of itself what it was made from."""

    def to_json(self) -> dict[str, object]:
        """JSON values from which `from_json` makes an encoder of the same sizes."""
        ...

    @classmethod
    def from_json(cls, values: dict[str, object]) -> object:
        """Make an untrained encoder from what `to_json` returned."""
        ...


def config_type(kind: type) -> type | None:
    """The dataclass that a class takes as its argument `config`; None where it takes none.

    >>> from audiossl.models.zipformer import Zipformer
    >>> config_type(Zipformer).__name__
    'ZipformerConfig'
    """
    if "config" not in inspect.signature(kind).parameters:
        return None
    try:
        hint = get_type_hints(kind.__init__).get("config")
    except NameError:  # a type that is imported for the type checker alone
        return None
    for part in (hint, *get_args(hint)):
        if isinstance(part, type) and dataclasses.is_dataclass(part):
            return part
    return None


def make_encoder(kind: type[T], options: Mapping[str, object], place: str = "options") -> T:
    """Make an untrained encoder of a class from options: the fields of its config, else its arguments.

    Args:
        kind: class with a dataclass as its argument `config`, or with plain arguments.
        options: options by name.
        place: keys down to the options, for messages.

    Raises:
        ConfigError: for an option that is unknown, missing or of another type.

    >>> from audiossl.teachers.logmel import LogMelEncoder
    >>> make_encoder(LogMelEncoder, {"stride": "2"}).frame_rate
    50.0
    """
    config, make = config_type(kind), cast(Callable[..., T], kind)
    if config is not None:
        return make(config=read_options(config, options, place))
    return make(**read_arguments(kind, options, place))


def restore_encoder(kind: type[T], values: dict[str, object], place: str) -> T:
    """Make an untrained encoder from what `describe_encoder` said.

    Raises:
        ConfigError: if the values are not those of such an encoder.
    """
    if issubclass(kind, Described):
        return cast(T, kind.from_json(values))
    return make_encoder(kind, values, place)


def describe_encoder(encoder: object) -> dict[str, object]:
    """What an encoder is made from, as JSON values: its `to_json()`, else its dataclass `config`.

    Raises:
        ConfigError: if it has neither.
    """
    if isinstance(encoder, Described):
        return encoder.to_json()
    config = getattr(encoder, "config", None)
    if dataclasses.is_dataclass(config) and not isinstance(config, type) and config_type(type(encoder)) is type(config):
        return dataclasses.asdict(config)
    raise ConfigError(
        f"a {type(encoder).__name__} does not say what it is made from, so that it cannot be saved. Give the class one argument, "
        "`config`, of a dataclass, which it keeps as `self.config`; or `to_json(self)` and the class method `from_json(values)`"
    )

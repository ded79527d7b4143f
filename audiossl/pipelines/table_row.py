"""A model of a recipe's table: its options, and what decides its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from audiossl.errors import ConfigError
from audiossl.kinds import source_digest
from audiossl.objectives.kinds import read_config
from audiossl.objectives.objective import NoOptions
from audiossl.stage import Names


@runtime_checkable
class ModelSection(Protocol):
    """A model in a recipe: its kind, and the options of it."""

    @property
    def kind(self) -> str:
        """Name of a kind, or a place outside the package."""
        ...

    @property
    def options(self) -> Mapping[str, object]:
        """Plain values."""
        ...


@dataclass(frozen=True)
class TableRow:
    """Base of rows of all pipelines; it reads nothing of a recipe but its fields, so they are all that decides its result.

    Attributes:
        Options: dataclass of `models.NAME.options`.
        random: whether every seed gives another result; otherwise the first seed stands for all.
        trained: whether it learns from the data of this recipe, without or with labels.
        name: name in the recipe.
        model: section of the recipe.
        options: options that were read.
    """

    Options: ClassVar[type] = NoOptions
    random: ClassVar[bool] = True
    trained: ClassVar[bool] = False

    name: str
    model: ModelSection
    options: object

    @classmethod
    def read_options(cls, name: str, model: ModelSection) -> object:
        """Read `models.NAME.options` as an object of `Options`.

        Raises:
            ConfigError: for options that it does not have or take.
        """
        place = f"models.{name}.options"
        if cls.Options is NoOptions and model.options:
            raise ConfigError(f"{place}: {model.kind} has no options, got {', '.join(model.options)}")
        return read_config(cls.Options, model.options, place)

    @property
    def of_dataset(self) -> bool:
        """Whether the name of the data set decides its result: an encoder says which data set its people are of."""
        return self.trained

    def entries(self) -> list[tuple[str | Names, object]]:
        """What decides its result, each with the name that messages have for it; the model comes first."""
        return [(f"models.{self.name}", self.model)]

    def sources(self) -> Sequence[type]:
        """Classes that decide its result; the source of those from outside the package is part of the fingerprint."""
        return (type(self),)

    def decides(self) -> list[object]:
        """Everything of the recipe that decides its result, and the sources of classes from outside the package."""
        return [*(value for _, value in self.entries()), *self._digests()]

    def names(self) -> Names:
        """Names of what decides."""
        return (*(name for name, _ in self.entries()), *("its source" for _ in self._digests()))

    def _digests(self) -> list[str]:
        return [digest for digest in map(source_digest, self.sources()) if digest]

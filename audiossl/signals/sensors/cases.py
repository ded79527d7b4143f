"""Whole cases, as archives for the classification of time series publish them, and what a set of them says of itself."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float32

from audiossl.signals.sensors.copies import varies
from audiossl.signals.sensors.labels import Label
from audiossl.signals.sensors.recording import Rejected

TEST_FOLD = "test_fold"  # of a recording's custom fields: the fold in which it is tested; without it, it never is


@dataclass(frozen=True)
class Case:
    """A series with one label.

    Attributes:
        id: unique in its set.
        label: class or quantity; None where it is not known.
        values: (C, S), missing samples NaN.
        subject: who it is of; empty where nobody says.
        fold: fold in which it is tested, empty if it is in none.
    """

    id: str
    label: Label
    values: Float32[np.ndarray, "C S"]
    subject: str = ""
    fold: str = ""


class CaseSet(ABC):
    """Cases of a set. Making one reads what is small; the series are read as they are asked for.

    Attributes:
        name: name of the set.
        archive: layout of its files, in words.
    """

    name: str
    archive: ClassVar[str]

    @property
    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """Files that are read."""

    @property
    @abstractmethod
    def num_channels(self) -> int:
        """Channels of every case."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """Samples of the longest case."""

    @property
    @abstractmethod
    def kind(self) -> Literal["class", "quantity"]:
        """Kind of the labels."""

    @property
    @abstractmethod
    def subjects(self) -> bool:
        """Whether cases say who they are of."""

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """What is to be said of how the set was read."""

    @abstractmethod
    def marks(self) -> list[tuple[str, str]]:
        """The fold and the label, as text, of every case in order: what a smoke run takes in turn."""

    @abstractmethod
    def cases(self, chosen: Collection[int] | None = None) -> Iterator[Case | Rejected]:
        """Read the cases of these places, or all, in order."""


@dataclass
class SameCases:
    """Finds cases with the very samples of one before: they would be in training and in the test."""

    _seen: dict[bytes, str] = field(default_factory=dict)

    def find(self, case: Case) -> str | None:
        """Id of the case before that has the same samples; None if there is none, or nothing happens in it."""
        if not varies(case.values):
            return None
        values = np.ascontiguousarray(case.values)
        digest = hashlib.blake2b(f"{values.shape}".encode() + values.tobytes(), digest_size=16).digest()
        twin = self._seen.setdefault(digest, case.id)
        return None if twin == case.id else twin

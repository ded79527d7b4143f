"""Sets of the UCR and UEA archives: `NAME_TRAIN.ts` and `NAME_TEST.ts`, a line a case."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float32

from audiossl.errors import DataError
from audiossl.signals.sensors.cases import Case, CaseSet
from audiossl.signals.sensors.labels import Label
from audiossl.signals.sensors.recording import Rejected

TRAIN, TEST = "_TRAIN.ts", "_TEST.ts"
MISSING = "?"
FEW = 8  # names of classes in a message


@dataclass(frozen=True)
class TsHeader:
    """What the lines before `@data` say.

    Attributes:
        kind: whether the last field of a case is a class or a number.
        classes: names of the classes; empty where they are not listed.
        num_channels: channels of a case; None where the header leaves it to the cases.
    """

    kind: Literal["class", "quantity"]
    classes: tuple[str, ...]
    num_channels: int | None


@dataclass(frozen=True)
class TsCases(CaseSet):
    """The two sides of a set; nobody says who was recorded, so that the given test side is kept.

    Attributes:
        name: name of the set.
        train, test: its files.
    """

    name: str
    train: Path
    test: Path

    archive: ClassVar[str] = "UCR/UEA .ts files"

    @property
    def subjects(self) -> bool:
        """Never: the archives do not say who was recorded."""
        return False

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands for people."""
        return ("nobody says who was recorded: the given test side, each case as if it was of another person",)

    @property
    def files(self) -> tuple[Path, ...]:
        """Both files."""
        return self.train, self.test

    @property
    def kind(self) -> Literal["class", "quantity"]:
        """Kind of the labels."""
        return self._header.kind

    @property
    def num_channels(self) -> int:
        """Channels of a case: as the header or, where it is silent, the first case says."""
        return self._num_channels

    @property
    def longest(self) -> int:
        """Samples of the longest channel of any case."""
        return self._longest

    @cached_property
    def _num_channels(self) -> int:
        said = self._header.num_channels
        return next(line.count(":") for _, line in lines_of(self.train)) if said is None else said

    @cached_property
    def _longest(self) -> int:
        lines = (line for path in self.files for _, line in lines_of(path))
        return max((channel.count(",") + 1 for line in lines for channel in line.split(":")[:-1]), default=0)

    def marks(self) -> list[tuple[str, str]]:
        """Side and label of each case."""
        return [(path.name, line.rpartition(":")[2].strip()) for path in self.files for _, line in lines_of(path)]

    def cases(self, chosen: Collection[int] | None = None) -> Iterator[Case | Rejected]:
        """Read cases, those of the training file first.

        Raises:
            DataError: if the two headers are of different sets.
        """
        if read_header(self.test) != self._header:
            raise DataError(f"{self.train} and {self.test} have different headers: they are not of one set")
        place = -1
        for path, side in ((self.train, "train"), (self.test, "test")):
            for number, (where, line) in enumerate(lines_of(path), 1):
                place += 1
                if chosen is not None and place not in chosen:
                    continue
                id_ = f"{side}_{number:05d}"
                try:
                    values, label = self._read(line)
                except DataError as error:
                    yield Rejected(id_, f"{path}, line {where}: {error}")
                    continue
                yield Case(id_, label, values, fold="0" if side == "test" else "")

    @cached_property
    def _header(self) -> TsHeader:
        return read_header(self.train)

    def _read(self, line: str) -> tuple[Float32[np.ndarray, "C S"], Label]:
        *channels, label = line.split(":")
        values, label = read_channels(channels), label.strip()
        if len(values) != self.num_channels:
            raise DataError(f"expected {self.num_channels} channels, got {len(values)}")
        if self.kind == "quantity":
            try:
                return values, None if label == MISSING else float(label)
            except ValueError:
                raise DataError(f"expected a number as the last field, got '{label[:40]}'") from None
        known = self._header.classes
        if known and label not in known:
            raise DataError(f"expected one of the classes {', '.join(known[:FEW])}, got '{label[:40]}'")
        return values, label or None


def read_header(path: Path) -> TsHeader:
    """Read the lines before `@data`.

    Raises:
        DataError: if there is no `@data`, cases have time stamps, or there are neither classes nor targets.
    """
    fields: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            words = line.split()
            if line.startswith("@"):
                fields[words[0][1:].lower()] = words[1:]
            if words and words[0].lower() == "@data":
                break
        else:
            raise DataError(f"{path}: expected a .ts file, with a line @data before its cases, found none")
    if fields.get("timestamps", ["false"])[0].lower() == "true":
        raise DataError(f"{path}: its cases have time stamps; cases of regular samples are read")
    classes, target = fields.get("classlabel", ["false"]), fields.get("targetlabel", ["false"])
    if classes[0].lower() != "true" and target[0].lower() != "true":
        raise DataError(f"{path}: expected @classLabel true or @targetLabel true: without labels nothing can be scored")
    univariate = fields.get("univariate", ["false"])[0].lower() == "true"
    said = fields.get("dimensions", fields.get("dimension"))
    channels = int(said[0]) if said and said[0].isdigit() else 1 if univariate else None
    is_class = classes[0].lower() == "true"
    return TsHeader("class" if is_class else "quantity", tuple(classes[1:]) if is_class else (), channels)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of the cases, behind `@data`, with their numbers."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = ((number, line.strip()) for number, line in enumerate(file, 1))
        for _, line in lines:
            if line.lower() == "@data":
                break
        yield from ((number, line) for number, line in lines if line and not line.startswith(("#", "%")))


def read_channels(channels: Collection[str]) -> Float32[np.ndarray, "C S"]:
    """Channels of a case, numbers with commas between, `?` or NaN where one is missing; shorter ones end with missing samples.

    Raises:
        DataError: if something is no number, or there is none.

    >>> read_channels(["1,2,?", "4,5"])
    array([[ 1.,  2., nan],
           [ 4.,  5., nan]], dtype=float32)
    """
    try:
        rows = [np.array(channel.replace(MISSING, "nan").split(","), np.float32) for channel in channels]
    except ValueError as error:
        raise DataError(f"expected numbers with commas between: {error}") from None
    if not rows:
        raise DataError("expected channels with colons behind them, got none")
    values = np.full((len(rows), max(map(len, rows))), np.nan, np.float32)
    for row, found in zip(values, rows, strict=True):
        row[: len(found)] = found
    return values

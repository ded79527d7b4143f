"""Sets of MONSTER (arXiv 2502.15122): `NAME_X.npy`, `NAME_y.npy`, test indices of folds, and who was recorded, if known."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Int

from audiossl.errors import ConfigError, DataError
from audiossl.signals.plain_pickle import load_plain_pickle
from audiossl.signals.sensors.cases import Case, CaseSet
from audiossl.signals.sensors.recording import Rejected
from audiossl.tables import decode

SIGNALS, METADATA, CLASSES, FOLDS = "_X.npy", "_metadata.npy", "_classmap.txt", "test_indices_fold_{}.txt"
LABELS = ("_y.npy", "_Y.npy")
SUBJECT = "subject_id"  # key of the metadata
FEW = 8  # keys in a message


@dataclass(frozen=True)
class MonsterCases(CaseSet):
    """A folder of MONSTER.

    Its folds are kept where no subject is tested by a model that was trained on the same one; where that is so, or there are no
    folds, subjects are divided here.

    Attributes:
        name: name of the set.
        folder: its folder.
        person: key of the metadata that says who was recorded.
    """

    name: str
    folder: Path
    person: str = SUBJECT

    archive: ClassVar[str] = "a MONSTER folder"

    @property
    def kind(self) -> Literal["class"]:
        """Kind of the labels."""
        return "class"

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read."""
        optional = [self._file(METADATA), self._file(CLASSES)]
        return (self._file(SIGNALS), self._labels_file, *(path for path in optional if path.is_file()), *self._fold_files)

    @property
    def num_channels(self) -> int:
        """Channels of a case."""
        return self._signals.shape[1]

    @property
    def longest(self) -> int:
        """Samples of a case."""
        return self._signals.shape[2]

    @property
    def subjects(self) -> bool:
        """Whether the metadata say who was recorded."""
        return self._who is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """Which division is used and why."""
        return self._division[1]

    def marks(self) -> list[tuple[str, str]]:
        """Fold and label of each case."""
        folds = self._division[0]
        return list(zip(["" if folds is None else str(fold) for fold in self._of(folds)], self._labels, strict=True))

    def cases(self, chosen: Collection[int] | None = None) -> Iterator[Case | Rejected]:
        """Read cases in the order of the file, which stays on disk."""
        folds, who, width = self._division[0], self._who, len(str(len(self._labels)))
        for place, label in enumerate(self._labels):
            if chosen is not None and place not in chosen:
                continue
            values = np.array(self._signals[place], np.float32)
            fold = "" if folds is None or folds[place] < 0 else str(folds[place])
            yield Case(f"case_{place:0{width}d}", label, values, "" if who is None else who[place], fold)

    @cached_property
    def _signals(self) -> np.ndarray:
        values = _array(self._file(SIGNALS), mapped=True)
        if values.ndim != 3 or values.dtype.kind not in "fiu":
            raise DataError(
                f"{self._file(SIGNALS)}: expected numbers (cases, channels, samples), got {values.dtype} {values.shape}"
            )
        return values

    @cached_property
    def _labels(self) -> list[str]:
        path = self._labels_file
        found = _array(path).reshape(-1)
        if len(found) != len(self._signals):
            raise DataError(f"{path} has {len(found)} labels for {len(self._signals)} cases of {self._file(SIGNALS).name}")
        names = self._class_names
        plain = [_word(value) for value in found.tolist()]
        return [names.get(word, word) for word in plain]

    @cached_property
    def _class_names(self) -> dict[str, str]:
        """Names by number, from the lines `NUMBER,NAME` of the class map."""
        path = self._file(CLASSES)
        lines = decode(path).splitlines() if path.is_file() else []
        pairs = [line.partition(",") for line in lines if line.partition(",")[0].strip().lstrip("-").isdigit()]
        return {number.strip(): name.strip() for number, _, name in pairs}

    @cached_property
    def _who(self) -> list[str] | None:
        path = self._file(METADATA)
        if not path.is_file():
            if self.person != SUBJECT:
                raise ConfigError(f"person={self.person}: there is no {path.name} in {self.folder} that could say it")
            return None
        found = _metadata(path)
        if self.person not in found:
            if self.person == SUBJECT:
                return None
            keys = ", ".join(map(str, list(found)[:FEW])) or "none"
            raise ConfigError(f"person={self.person}: {path.name} has no such key; it has {keys}")
        who = [_word(value) for value in np.asarray(found[self.person]).reshape(-1).tolist()]
        if len(who) != len(self._labels):
            raise DataError(f"{path}: {self.person} has {len(who)} entries for {len(self._labels)} cases")
        return who

    @cached_property
    def _folds(self) -> Int[np.ndarray, "N"] | None:
        """The fold in which each case is tested, -1 in none; None without files of folds."""
        if not self._fold_files:
            return None
        folds = np.full(len(self._labels), -1)
        for path in self._fold_files:
            try:
                places = np.array(decode(path).split(), float).astype(int)
            except ValueError:
                raise DataError(f"{path}: expected a number of a case in each line") from None
            if len(places) and not 0 <= places.min() <= places.max() < len(folds):
                raise DataError(f"{path}: expected numbers from 0 to {len(folds) - 1}, got {places.min()} to {places.max()}")
            if (folds[places] >= 0).any():
                raise DataError(f"{path}: case {places[folds[places] >= 0][0]} is tested in an earlier fold as well")
            folds[places] = int(path.stem.rpartition("_")[2])
        return folds

    @cached_property
    def _division(self) -> tuple[Int[np.ndarray, "N"] | None, tuple[str, ...]]:
        folds, who = self._folds, self._who
        if who is None:
            said = "its folds" if folds is not None else "no folds"
            return folds, (f"nobody says who was recorded: {said}, each case as if it was of another person",)
        if folds is None:
            return None, ("no folds: people are divided here",)
        tested: dict[str, set[int]] = {}
        for person, fold in zip(who, folds.tolist(), strict=True):
            tested.setdefault(person, set()).add(fold)
        cut = sorted(person for person, found in tested.items() if len(found) > 1)
        if cut:
            return None, (
                f"its folds test {len(cut)} of {len(tested)} people ({', '.join(cut[:4])}{', ...' * (len(cut) > 4)}) whom they "
                "train on as well: people are divided here instead, so that scores say something of new ones",
            )
        return folds, ("its folds, which keep people apart",)

    @property
    def _fold_files(self) -> list[Path]:
        return sorted(self.folder.glob(FOLDS.format("*")), key=lambda path: int(path.stem.rpartition("_")[2]))

    @property
    def _labels_file(self) -> Path:
        found = [self._file(end) for end in LABELS if self._file(end).is_file()]
        if not found:
            raise DataError(f"{self._file(SIGNALS)} has no labels: expected {self._file(LABELS[0]).name} next to it")
        return found[0]

    def _file(self, end: str) -> Path:
        return self.folder / f"{self.name}{end}"

    def _of(self, folds: Int[np.ndarray, "N"] | None) -> list[int]:
        return [-1] * len(self._labels) if folds is None else folds.tolist()


def holds_cases(path: Path) -> bool:
    """Whether an array is of cases, channels and samples; one's own recording, such as `acc_X.npy`, is not."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False).ndim == 3
    except (ValueError, OSError, EOFError):
        return False


def _array(path: Path, mapped: bool = False) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _metadata(path: Path) -> dict[str, Any]:
    """A dict that numpy saved, which is a pickle: read without running anything that it holds."""
    with path.open("rb") as file:
        try:
            major, _ = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            _, _, dtype = header(file)
        except ValueError as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        found = load_plain_pickle(file) if dtype.hasobject else None
    found = found.item() if isinstance(found, np.ndarray) and found.size == 1 else found
    return found if isinstance(found, dict) else {}


def _word(value: Any) -> str:
    """A label or a subject as text; 3.0 is 3."""
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)

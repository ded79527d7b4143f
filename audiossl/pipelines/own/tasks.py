"""What a recipe on data of one's own says under `tasks`: columns that are probed, and files of segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from audiossl.errors import ConfigError
from audiossl.signals.corpora.table_rows import SUFFIXES, is_table

Kind = Literal["clips", "segments", "frames"]
CLASSES = "classes"


@dataclass(frozen=True)
class OwnTask:
    """A probe on labels of one's own.

    Attributes:
        name: in results: the column, or the file without its suffix.
        kind: `clips` for a column; of a file `segments` (one label a stretch) or `frames` (a label at each instant).
        column: of the corpus.
        path: of a table of segments.
        as_classes: whether numbers are taken as classes though they look like quantities.
    """

    name: str
    kind: Kind = "clips"
    column: str = ""
    path: Path | None = None
    as_classes: bool = False

    def __str__(self) -> str:
        return self.column or str(self.path)


def parse_tasks(tasks: str | Sequence[str]) -> list[OwnTask]:
    """Read tasks: names of columns, `COLUMN:classes`, and files such as `phones.jsonl` or `phones.csv:frames`.

    Args:
        tasks: a list, or text with commas.

    Raises:
        ConfigError: if two have one name, or a file does not exist.

    >>> [(task.name, task.kind) for task in parse_tasks("speaker, age:classes")]
    [('speaker', 'clips'), ('age', 'clips')]
    """
    listed = [word for word in tasks.split(",") if word.strip()] if isinstance(tasks, str) else list(tasks)
    found = [_parse(str(word).strip()) for word in listed]
    names = [task.name for task in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"tasks: two are called '{twice}'. Leave one out, or give its file another name")
    return found


def _parse(word: str) -> OwnTask:
    place, colon, last = word.rpartition(":")
    if not colon or last not in ("segments", "frames", CLASSES):
        place, last = word, ""
    if not is_table(Path(place)):
        if last in ("segments", "frames"):
            raise ConfigError(f"tasks: '{word}': {last} have times, and come from a file ({', '.join(SUFFIXES)}), not a column")
        return OwnTask(place, column=place, as_classes=last == CLASSES)
    if not Path(place).is_file():
        raise ConfigError(f"tasks: the file {place} does not exist; relative paths start in {Path.cwd()}")
    kind: Any = last if last in ("segments", "frames") else "segments"
    return OwnTask(Path(place).name.split(".")[0], kind, path=Path(place))

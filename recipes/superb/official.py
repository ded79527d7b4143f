"""What the recipes of official corpora share: checks of a layout, and tables that point to the corpus, which is not copied."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.superb.evaluate import DESCRIPTION
from audiossl.evaluation.superb.tables import write_table
from audiossl.files import write_json

Row = dict[str, object]


def corpus_root(data_root: Path | None, corpus: str, needed: Sequence[str]) -> Path:
    """The folder of a corpus that holds what is needed.

    Raises:
        ConfigError: if no folder is given.
        DataError: if something is not there.
    """
    if data_root is None:
        raise ConfigError(f"{corpus} has to be fetched by hand: give its folder with --data-root")
    if missing := [name for name in needed if not (data_root / name).exists()]:
        raise DataError(f"{data_root} is not {corpus} as it is published: {', '.join(missing)} is missing")
    return data_root.absolute()


def audio_row(id_: str, path: Path, **columns: object) -> Row:
    """A row of a table.

    Raises:
        DataError: if the file is not there.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; the corpus' lists name it")
    return {"id": id_, "wav_path": path, **columns}


def write_official(folder: Path, task: str, **tables: Sequence[Row]) -> None:
    """Write a task's tables, in the order of ids, and its description.

    Raises:
        DataError: if a table is empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        if not rows:
            raise DataError(f"expected clips for {name}.csv of {task}, the corpus gives none")
        write_table(folder / f"{name}.csv", sorted(rows, key=lambda row: str(row.get("id", ""))))
    write_json(folder / DESCRIPTION, {"task": task, "settings": {}})


def read_tsv(path: Path) -> list[dict[str, str]]:
    """Rows of a file with tabs and a header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

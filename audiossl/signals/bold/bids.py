"""What the names and side files of a BIDS folder say (bids-specification, entities and participants.tsv)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from audiossl.errors import DataError

MISSING = ("n/a", "nan", "")


def entities(path: Path) -> dict[str, str]:
    """Entities of a file name: `sub-01_task-rest_bold.nii.gz` gives sub, task and, as `suffix`, bold."""
    *parts, suffix = path.name.partition(".")[0].split("_")
    return {**dict(part.split("-", 1) for part in parts if "-" in part), "suffix": suffix}


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated file with a header; missing values are left out of their row, blank lines are skipped.

    Raises:
        DataError: if it is missing or a row has more or fewer columns than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = enumerate(csv.reader(file, delimiter="\t"), 1)
            (_, header), *rows = [(line, row) for line, row in lines if any(cell.strip() for cell in row)]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    for number, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}, line {number}: expected {len(header)} columns, got {len(row)}")
    return [
        {name: value for name, value in zip(header, row, strict=True) if value.strip().lower() not in MISSING} for _, row in rows
    ]


def read_participants(root: Path) -> dict[str, dict[str, str | float]]:
    """Phenotypes of each participant, numbers as numbers; empty where there is no participants.tsv.

    Raises:
        DataError: if the table has no column participant_id, or one comes twice.
    """
    path = root / "participants.tsv"
    found: dict[str, dict[str, str | float]] = {}
    for row in read_table(path) if path.is_file() else []:
        name = row.pop("participant_id", None)
        if name is None or name in found:
            raise DataError(f"{path}: expected a column participant_id with a name for each row, once; got {name}")
        found[name.removeprefix("sub-")] = {key: _number(value) for key, value in row.items()}
    return found


def repetition_time(path: Path) -> float:
    """RepetitionTime, seconds, of the JSON file beside a series or image, or of one of the same task at the top of its data set.

    Raises:
        DataError: if none says it.
    """
    of_file = entities(path)
    own = path.with_name(path.name.partition(".")[0] + ".json")
    shared = [folder / f"task-{of_file.get('task')}_bold.json" for folder in path.parents[:5]]
    for side in (own, *shared):
        if side.is_file():
            try:
                value = json.loads(side.read_text(encoding="utf-8")).get("RepetitionTime")
            except (ValueError, AttributeError) as error:
                raise DataError(f"{side} is not a JSON object: {error}") from error
            if isinstance(value, int | float) and value > 0:
                return float(value)
    raise DataError(f"no JSON file beside {path} says its RepetitionTime; looked for {own.name}. Give tr=SECONDS")


def _number(value: str) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value

"""What the names and side files of a BIDS folder say (bids-specification, entities and participants.tsv)."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from audiossl.errors import DataError
from audiossl.signals.bold.masks import as_repetition_time
from audiossl.signals.bold.plain_numbers import is_missing, is_number, plain_number
from audiossl.signals.sensors.recording import Rejected

# Entities that distinguish derivatives of one scan.
OF_DERIVATIVE = ("space", "cohort", "res", "den", "desc", "atlas", "seg", "stat", "hash", "suffix")
NATIVE = ("native", "T1w")


def entities(path: Path) -> dict[str, str]:
    """Entities of a file name: `sub-01_task-rest_bold.nii.gz` gives sub, task and, as `suffix`, bold.

    >>> entities(Path("sub-01_task-rest_bold.nii.gz"))
    {'sub': '01', 'task': 'rest', 'suffix': 'bold'}
    """
    *parts, suffix = path.name.partition(".")[0].split("_")
    return {**dict(part.split("-", 1) for part in parts if "-" in part), "suffix": suffix}


def scan_of(path: Path, but: Sequence[str] = ()) -> str:
    """The scan that a derivative is of, `sub-01_task-rest_run-1`: its entities without those of derivatives and `but`."""
    left_out = (*OF_DERIVATIVE, *but)
    return "_".join(f"{name}-{value}" for name, value in entities(path).items() if name not in left_out)


def beside(path: Path, ending: str) -> list[Path]:
    """Files in the folder of a derivative, with this end of their names, that are of exactly the same scan and no other space."""
    own = entities(path)
    found = [side for side in sorted(path.parent.glob(f"*{ending}")) if scan_of(side) == scan_of(path)]
    return [side for side in found if all(entities(side).get(name) in (None, own.get(name)) for name in ("space", "cohort"))]


def in_one_space(root: Path, files: Sequence[Path], space: str | None, res: str | None) -> tuple[list[Path], list[Rejected]]:
    """Choose one file of each scan, as preprocessing writes a scan once for each space and resolution.

    The native space of a scan (`space-T1w`, or none in the name) fits no atlas: it is taken only where `space` names it.

    Args:
        root: root of the data set, for messages.
        files: files of all scans in all spaces.
        space: name in `space-`, or `native` for files without one; by default the only one there is.
        res: name in `res-`, or an empty string for files without one; by default the only one there is.

    Returns:
        A file for each scan, and the scans that have none in this space.

    Raises:
        DataError: if not exactly one space and resolution is left, or a scan has several files in it; the message lists them.
    """
    kinds = {path: (entities(path).get("space", "native"), entities(path).get("res", "")) for path in files}
    left = {kind for kind in kinds.values() if (kind[0] not in NATIVE if space is None else kind[0] == space)}
    left = {kind for kind in left if res in (None, kind[1])}
    if len(left) != 1:
        counts = sorted(Counter(kinds.values()).items())
        listed = "; ".join(f'space="{name}", res="{size}" ({count} files)' for (name, size), count in counts)
        raise DataError(
            f"{root}: expected runs in one space and resolution, got {listed}. Say by space= (and res=) which fits the atlas"
        )
    chosen, others = {}, {}
    for path, kind in kinds.items():
        scan = scan_of(path)
        if kind in left and scan in chosen:
            raise DataError(f"{path} and {chosen[scan].name} are of one scan, in one space: take one of them away")
        (chosen if kind in left else others)[scan] = path
    name, size = left.pop()
    reason = f'is not of space="{name}", res="{size}", and its scan has no file that is'
    return list(chosen.values()), [Rejected(scan, f"{path} {reason}") for scan, path in others.items() if scan not in chosen]


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated file with a header; missing values are left out of their row, blank lines are skipped.

    Raises:
        DataError: if it is missing, a column comes twice, or a row has more or fewer columns than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = enumerate(csv.reader(file, delimiter="\t"), 1)
            (_, header), *rows = [(line, row) for line, row in lines if any(cell.strip() for cell in row)]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    header = [name.strip() for name in header]
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise DataError(f"{path}: expected each column once, got {twice[0]} twice")
    for number, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}, line {number}: expected {len(header)} columns, got {len(row)}")
    return [{name: value for name, value in zip(header, row, strict=True) if not is_missing(value)} for _, row in rows]


def read_participants(root: Path) -> dict[str, dict[str, str | float]]:
    """Phenotypes of each participant, numbers with a decimal point as numbers; empty where there is no participants.tsv.

    Raises:
        DataError: if the table has no column participant_id, or one comes twice.

    >>> _ = Path("participants.tsv").write_text("participant_id\\tage\\nsub-01\\t31\\n")
    >>> list(read_participants(Path()))
    ['01']
    """
    path = root / "participants.tsv"
    found: dict[str, dict[str, str | float]] = {}
    for row in read_table(path) if path.is_file() else []:
        name = row.pop("participant_id", "").strip().removeprefix("sub-")
        if not name or name in found:
            raise DataError(f"{path}: expected a column participant_id with a name for each row, once; got {name or None}")
        found[name] = {key: _number(value) for key, value in row.items()}
    return found


def repetition_time(path: Path, image: str = "") -> float:
    """RepetitionTime, seconds, of the JSON file next to a series or image, or of one of the same task at the top of its data set.

    Args:
        path: path of the series or image.
        image: end of the name of another JSON file of the same scan, for series with a JSON file that does not say it.

    Raises:
        DataError: if none says it, or what the first of them says is no number of seconds; the message names the files.
    """
    of_file = entities(path)
    own = path.with_name(path.name.partition(".")[0] + ".json")
    images = beside(path, image) if image else []
    shared = [folder / f"task-{task}_bold.json" for folder in path.parents[:5]] if (task := of_file.get("task")) else []
    for side in (own, *images, *shared):
        if side.is_file():
            try:
                value = json.loads(side.read_text(encoding="utf-8")).get("RepetitionTime")
            except (ValueError, AttributeError) as error:
                raise DataError(f"{side} is not a JSON object: {error}") from error
            if value is not None:
                return as_repetition_time(value, f"{side}, RepetitionTime")
    above = [f"{shared[0].name} there and above"] if shared else []
    places = ", ".join([own.name, *([f"*{image} of the same scan"] if image else []), *above])
    raise DataError(f"no JSON file next to {path} says its RepetitionTime; looked for {places}. Give tr=SECONDS")


def _number(value: str) -> str | float:
    return plain_number(value) if is_number(value) else value

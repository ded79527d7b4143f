"""Human Connectome Project, young adults: resting runs of 1,200 volumes, 0.72 s, parcellated by you; terms of use apply.

Given as data_root: `behavioral.csv` (open access table, columns Subject, Gender, Age) and, if you have access, `restricted.csv`
(Subject, Family_ID, Age_in_Yrs); `regions.txt`, which names the regions, one a line; and `SUBJECT/RUN.npy`, `.npz` or `.mat`,
regions x volumes, or `.tsv`, volumes x regions, where RUN is such as rfMRI_REST1_LR.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.signals.bold.run import bold_run
from audiossl.signals.bold.tables import read_series
from audiossl.signals.sensors.recording import Rejected, SensorRecording

TR, VOLUMES = 0.72, 1200
SEXES = {"M": "male", "F": "female"}


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the runs of everybody in the table; relatives carry one `family`.

    Raises:
        ConfigError: without data_root.
        DataError: if a table or the names of regions are missing.
    """
    if data_root is None:
        raise ConfigError("HCP data ask for an agreement: parcellate the runs that you may use and add data_root=FOLDER")
    regions = names_of_regions(data_root / "regions.txt")
    people = read_people(data_root)
    files = (path for person in people for path in sorted((data_root / person).glob("*REST*.*")))
    for path in islice(files, limit):
        person = path.parent.name
        try:
            series, _ = read_series(path, regions_first=path.suffix != ".tsv")
            if series.shape[1] != VOLUMES:
                raise DataError(f"{path}: {series.shape[1]} volumes, whole runs have {VOLUMES}")
            about = {**people[person], "session": path.stem}
            yield bold_run(f"{person}_{path.stem}", person, series, TR, regions, about=about)
        except DataError as error:
            yield Rejected(f"{person}_{path.stem}", str(error))


def names_of_regions(path: Path) -> list[str]:
    """Names, one a line.

    Raises:
        DataError: if there is no such file, or it is empty.
    """
    names = path.read_text(encoding="utf-8").split() if path.is_file() else []
    if not names:
        raise DataError(f"{path}: expected the names of the regions, one a line")
    return names


def read_people(root: Path) -> dict[str, dict[str, str | float]]:
    """Sex, age band and, where restricted data are there, age and family of everybody.

    Raises:
        DataError: if the table is missing or lacks a column.
    """
    try:
        with (root / "behavioral.csv").open(encoding="utf-8", newline="") as file:
            people: dict[str, dict[str, str | float]] = {
                row["Subject"]: {"sex": SEXES[row["Gender"]], "age_band": row["Age"]} for row in csv.DictReader(file)
            }
        if (root / "restricted.csv").is_file():
            with (root / "restricted.csv").open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    if row["Subject"] in people:
                        people[row["Subject"]] |= {"family": row["Family_ID"], "age": float(row["Age_in_Yrs"])}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{root}: behavioral.csv or restricted.csv is not as expected ({type(error).__name__} {error})"
        ) from error
    return people

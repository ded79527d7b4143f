"""Human Connectome Project, young adults: resting runs of 1,200 volumes, 0.72 s, parcellated by you; terms of use apply.

Given as data_root: `behavioral.csv` (open access table, columns Subject, Gender, Age) and, if you have access, `restricted.csv`
(Subject, Family_ID, Age_in_Yrs); `regions.txt`, which names the regions, one a line; and `SUBJECT/RUN.npy`, `.npz` or `.mat`,
regions x volumes, or `.tsv`, volumes x regions, where RUN is such as rfMRI_REST1_LR. A header of a `.tsv` names regions of
`regions.txt`, in any order; without one they are in that order.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.recipe import console
from audiossl.signals.bold.run import bold_run
from audiossl.signals.bold.tables import in_order, read_series
from audiossl.signals.sensors.recording import Rejected, SensorRecording

TR, VOLUMES = 0.72, 1200
SEXES = {"M": "male", "F": "female"}


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the runs of everybody in the table; relatives carry one `family`, and it says so where families are not known.

    Raises:
        ConfigError: without data_root.
        DataError: if a table or the names of regions are missing.
    """
    if data_root is None:
        raise ConfigError("HCP data ask for an agreement: parcellate the runs that you may use and add data_root=FOLDER")
    regions = names_of_regions(data_root / "regions.txt")
    people = read_people(data_root)
    scanned = [person for person in people if (data_root / person).is_dir()]
    if strangers := [person for person in scanned if "family" not in people[person]]:
        console.print(
            f"hcp: the families of {len(strangers)} of {len(scanned)} people are not known, such as that of {strangers[0]}. "
            "Siblings and twins may come to lie on both sides of a split, and scores be too high for it. Give "
            f"{data_root / 'restricted.csv'} with Subject, Family_ID and Age_in_Yrs (restricted access) of everybody.",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    files = (path for person in people for path in sorted((data_root / person).glob("*REST*.*")))
    for path in islice(files, limit):
        person = path.parent.name
        try:
            series, names = read_series(path, regions_first=path.suffix != ".tsv", num_volumes=VOLUMES)
            series = in_order(series, names, regions, path)
            session = path.stem.removesuffix("_LR").removesuffix("_RL")  # both directions of a day are one session
            about = {**people[person], "session": session}
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
                    if row["Subject"] in people and row["Family_ID"].strip():
                        people[row["Subject"]] |= {"family": row["Family_ID"], "age": float(row["Age_in_Yrs"])}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{root}: behavioral.csv or restricted.csv is not as expected ({type(error).__name__} {error})"
        ) from error
    return people

"""ADHD-200 preprocessed (Athena): resting runs of children with attention disorders and controls at eight sites, 190 regions.

Given as data_root, registered access: folders of sites with `SITE_phenotypic.csv` and, per child,
`CHILD/sfnwmrda*_cc200_TCs.1D` (tab-separated, a header with File, Sub-brick and one column a region).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from audiossl.errors import ConfigError, DataError
from audiossl.signals.bold.run import bold_run
from audiossl.signals.sensors.recording import Rejected, SensorRecording

TR = {"KKI": 2.5, "NeuroIMAGE": 1.96, "NYU": 2.0, "OHSU": 2.5, "Peking": 2.0, "Pittsburgh": 1.5, "WashU": 2.5, "Brown": 2.0}
DIAGNOSES = {"0": "control", "1": "adhd", "2": "adhd", "3": "adhd"}
MALE = {"0": 0.0, "1": 1.0}


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the runs of all children, sites one after the other; a phenotype that is not known is left out.

    Raises:
        ConfigError: without data_root.
        DataError: if there is no table, one lacks a column, or a site is not known.
    """
    if data_root is None:
        raise ConfigError("ADHD-200 asks for registration: unpack its Athena time courses and add data_root=FOLDER")
    tables = sorted(data_root.glob("*/*_phenotypic.csv"))
    if not tables:
        raise DataError(f"expected SITE/SITE_phenotypic.csv below {data_root}, found none")
    yield from islice((run for table in tables for run in of_site(table)), limit)


def of_site(table: Path) -> Iterator[SensorRecording | Rejected]:
    """The runs of one site."""
    site = table.parent.name
    seconds = next((tr for name, tr in TR.items() if site.startswith(name)), None)
    if seconds is None:
        raise DataError(f"{table}: the repetition time of site {site} is not known; known are {', '.join(TR)}")
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), reader.fieldnames or ()
    if missing := {"ScanDir ID", "DX", "Gender", "Age"}.difference(columns):
        raise DataError(f"{table}: expected columns {', '.join(sorted(missing))}, got {', '.join(columns)}")
    for row in rows:
        child = row["ScanDir ID"].zfill(7)
        files = sorted((table.parent / child).glob("sfnwmrda*_cc200_TCs.1D"))
        if not files:
            yield Rejected(f"{site}_{child}", f"{table.parent / child} has no run")
            continue
        about = {**phenotypes(row), "site": site}
        for number, path in enumerate(files, 1):
            try:
                series, regions = read_time_courses(path)
                yield bold_run(f"{site}_{child}_run{number}", child, series, seconds, regions, about=about)
            except DataError as error:
                yield Rejected(f"{site}_{child}_run{number}", str(error))


def phenotypes(row: Mapping[str, str | None]) -> dict[str, str | float]:
    """Diagnosis, age and sex, as far as they are known: `pending`, `withheld`, `N/A` and `-999` stand for what is not."""
    known: dict[str, str | float] = {}
    diagnosis, gender, age = ((row[column] or "").strip() for column in ("DX", "Gender", "Age"))
    if diagnosis in DIAGNOSES:
        known["diagnosis"] = DIAGNOSES[diagnosis]
    if gender in MALE:
        known["is_male"] = MALE[gender]
    try:
        years = float(age)
    except ValueError:
        return known
    return {**known, "age": years} if years > 0 else known


def read_time_courses(path: Path) -> tuple[np.ndarray, list[str]]:
    """Regions x volumes and names of regions.

    Raises:
        DataError: if the file is cut short or has no such header.
    """
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines or lines[0][:2] != ["File", "Sub-brick"] or len({len(line) for line in lines}) != 1 or len(lines) < 2:
        raise DataError(f"{path}: expected a header File, Sub-brick, regions and as many columns in each line; is it cut short?")
    try:
        return np.array([[float(word) for word in line[2:]] for line in lines[1:]]).T, [name.strip() for name in lines[0][2:]]
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error

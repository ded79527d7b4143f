"""ABIDE preprocessed (C-PAC): resting runs of people with autism and controls at 17 sites, 200 regions (Craddock).

Fetched by nilearn into its own folder (network, 1 GB), or given as data_root: a folder with `*_rois_cc200.1D` of one pipeline and
strategy anywhere below it, such as `ABIDE_pcp/cpac/nofilt_noglobal`, and the table `Phenotypic_V1_0b_preprocessed1.csv` there or
up to two folders above.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from audiossl.errors import DataError, import_extra
from audiossl.signals.bold.run import bold_run
from audiossl.signals.bold.tables import read_series
from audiossl.signals.sensors.recording import Rejected, SensorRecording

TABLE, SERIES = "Phenotypic_V1_0b_preprocessed1.csv", "_rois_cc200.1D"
DIAGNOSES, SEXES = {"1": "autism", "2": "control"}, {"1": "male", "2": "female"}
NUMBERS, MISSING = {"AGE_AT_SCAN": "age", "func_mean_fd": "mean_fd"}, ("", "-9999", "n/a", "N/A")
# Repetition times, seconds, of the sites' protocols.
TR = {
    "CALTECH": 2.0, "CMU": 2.0, "KKI": 2.5, "LEUVEN": 1.667, "MAX": 3.0, "NYU": 2.0, "OHSU": 2.5, "OLIN": 1.5, "PITT": 1.5,
    "SBL": 2.2, "SDSU": 2.0, "STANFORD": 2.0, "TRINITY": 2.0, "UCLA": 3.0, "UM": 2.0, "USM": 2.0, "YALE": 2.0,
}  # fmt: skip


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the run of each person in the table; a phenotype that is missing is left out.

    Raises:
        DataError: if there is no table, no series at all, or series of several pipelines.
    """
    root = data_root or fetched(limit)
    tables = sorted(root.rglob(TABLE)) or [folder / TABLE for folder in root.resolve().parents[:2] if (folder / TABLE).is_file()]
    files = files_by_name(root)
    if not tables or not files:
        raise DataError(f"expected {TABLE} and *{SERIES} below {root}, found {len(tables)} and {len(files)}")
    with tables[0].open(encoding="utf-8", newline="") as file:
        people = [row for row in csv.DictReader(file) if row["FILE_ID"] != "no_filename"]
    for row in islice((row for row in people if row["FILE_ID"] in files or not data_root), limit):
        person = row["SUB_ID"].zfill(7)
        path = files.get(row["FILE_ID"])
        try:
            if path is None:
                raise DataError(f"{row['FILE_ID']}{SERIES} was not fetched")
            series, names = read_series(path, regions_first=False)
            yield bold_run(row["FILE_ID"], person, series, repetition_time(row), names, about=phenotypes(row))
        except DataError as error:
            yield Rejected(row["FILE_ID"], str(error))


def files_by_name(root: Path) -> dict[str, Path]:
    """The series of each FILE_ID.

    Raises:
        DataError: if one has several: pipelines and strategies name their files alike.
    """
    found: dict[str, Path] = {}
    twice: set[Path] = set()
    for path in sorted(root.rglob(f"*{SERIES}")):
        first = found.setdefault(path.name.removesuffix(SERIES), path)
        twice |= {first.parent, path.parent} if first is not path else set()
    if twice:
        folders = ", ".join(str(folder) for folder in sorted(twice))
        raise DataError(f"expected one *{SERIES} for each FILE_ID below {root}, got them in {folders}. Give one as data_root")
    return found


def repetition_time(row: dict[str, str]) -> float:
    """Seconds of the site's protocol."""
    site = row["SITE_ID"].partition("_")[0]
    if site not in TR:
        raise DataError(f"{row['FILE_ID']}: the repetition time of site {row['SITE_ID']} is not known")
    return TR[site]


def phenotypes(row: dict[str, str]) -> dict[str, str | float]:
    """Diagnosis, sex, age, site and motion, recoded from the table's numbers; what is missing is left out.

    Raises:
        DataError: if a code is another.
    """
    about: dict[str, str | float] = {"site": row["SITE_ID"]}
    try:
        known = {column: row[column] for column in ("DX_GROUP", "SEX", *NUMBERS) if (row[column] or "") not in MISSING}
        if "DX_GROUP" in known:
            about["diagnosis"] = DIAGNOSES[known["DX_GROUP"]]
        if "SEX" in known:
            about |= {"sex": SEXES[known["SEX"]], "is_male": float(known["SEX"] == "1")}
        about |= {name: float(known[column]) for column, name in NUMBERS.items() if column in known}
    except (KeyError, ValueError) as error:
        raise DataError(f"{row['FILE_ID']}: a phenotype is not as expected ({error})") from error
    return about


def fetched(limit: int | None) -> Path:
    """Let nilearn fetch the series, quality-checked people only, and say into which folder."""
    datasets = import_extra("nilearn.datasets", "fmri")
    datasets.fetch_abide_pcp(n_subjects=limit, derivatives=["rois_cc200"], pipeline="cpac", quality_checked=True)
    return Path(datasets.get_data_dirs()[0]) / "ABIDE_pcp/cpac/nofilt_noglobal"

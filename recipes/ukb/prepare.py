"""UK Biobank: resting runs of 490 volumes, 0.735 s, parcellated by you; access by application.

Given as data_root: `participants.tsv` (participant_id, sex, age, site, mean_fd; `n/a` where unknown; sex as UK Biobank's field 31
codes it, 0 female and 1 male, or in words); `regions.txt`, the names of regions, one a line; and
`sub-ID/sub-ID_ses-2_task-rest_timeseries.npy`, regions x volumes, or `.tsv`, volumes x regions. A header of a `.tsv` names
regions of `regions.txt`, in any order; without one they are in that order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.signals.bold.bids import entities, read_participants
from audiossl.signals.bold.run import bold_run
from audiossl.signals.bold.tables import in_order, read_series
from audiossl.signals.sensors.recording import Rejected, SensorRecording

from ..hcp.prepare import names_of_regions

TR, VOLUMES = 0.735, 490
SEXES = {0.0: "female", 1.0: "male", "female": "female", "male": "male"}


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the run of everybody in the table.

    Raises:
        ConfigError: without data_root.
        DataError: if the table, a run or the names of regions are missing.
    """
    if data_root is None:
        raise ConfigError("UK Biobank asks for an application: parcellate the runs that you may use and add data_root=FOLDER")
    regions = names_of_regions(data_root / "regions.txt")
    people = read_participants(data_root)
    files = sorted(data_root.glob("sub-*/sub-*_task-rest_timeseries.*"))
    if not people or not files:
        raise DataError(f"expected participants.tsv and sub-*/sub-*_task-rest_timeseries.npy in {data_root}")
    for path in islice(files, limit):
        person = entities(path)["sub"]
        try:
            series, names = read_series(path, regions_first=path.suffix != ".tsv", num_volumes=VOLUMES)
            series = in_order(series, names, regions, path)
            if person not in people:
                raise DataError(f"{path}: expected a run of somebody in participants.tsv, got {person}")
            yield bold_run(path.name.partition("_task")[0], person, series, TR, regions, about=phenotypes(path, people[person]))
        except DataError as error:
            yield Rejected(path.name.partition("_task")[0], str(error))


def phenotypes(path: Path, row: Mapping[str, str | float]) -> dict[str, str | float]:
    """What the table says of a person, with `sex` in words and, as a confound, in `is_male`.

    Raises:
        DataError: if the sex is coded otherwise.
    """
    if "sex" not in row:
        return dict(row)
    if row["sex"] not in SEXES:
        raise DataError(f"{path}: expected sex 0 (female), 1 (male), female, male or n/a in participants.tsv, got {row['sex']}")
    sex = SEXES[row["sex"]]
    return {**row, "sex": sex, "is_male": float(sex == "male")}

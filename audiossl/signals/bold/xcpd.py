"""Runs from XCP-D derivatives: one table of regional series each, with coverage and censored volumes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audiossl.errors import DataError
from audiossl.signals.bold.bids import beside, entities, in_one_space, read_participants, read_table, repetition_time, scan_of
from audiossl.signals.bold.masks import as_repetition_time
from audiossl.signals.bold.plain_numbers import plain_number
from audiossl.signals.bold.run import bold_run
from audiossl.signals.bold.tables import read_series
from audiossl.signals.sensors.recording import Rejected, SensorRecording

# XCP-D's JSON file of a series gives its rate as "TR"; the seconds are in that of the image.
IMAGE, OUTLIERS = "_desc-denoised_bold.json", "_outliers.tsv"
DRAWN = "exact_"  # columns of volumes that are left out to bring runs to one length, not for motion


def read_xcpd(
    root: Path,
    atlas: str = "4S456Parcels",
    task: str = "rest",
    min_coverage: float = 0.5,
    tr: int | float | None = None,
    space: str | None = None,
    res: str | None = None,
) -> Iterator[SensorRecording | Rejected]:
    """Yield the runs of one atlas and task.

    Series that were censored (shorter than `_outliers.tsv`) get their gaps back, so that time is right; in interpolated ones the
    same volumes are censored: those that any column of that table flags, but for `exact_*`, which XCP-D drew at random to bring
    runs to one length. Regions below the coverage are NaN. Series that XCP-D joined of several runs are rejected: the runs
    are there by themselves.

    Args:
        root: folder with `sub-*` folders.
        atlas: name in `seg-` or `atlas-` of the file names.
        task: name in `task-`.
        min_coverage: share of a region's voxels that must lie in the image.
        tr: seconds; by default the JSON files say.
        space: name in `space-`; by default the only one there is.
        res: name in `res-`, or an empty string for none; by default the only one there is.

    Raises:
        DataError: if there is no such series, runs come in several spaces and none is named, or runs name other regions.

    >>> from pathlib import Path
    >>> list(read_xcpd(Path("derivatives")))
    Traceback (most recent call last):
    ...
    audiossl.errors.DataError: ...
    """
    if tr is not None:
        as_repetition_time(tr, "tr")
    found = sorted(root.glob("sub-*/**/*_stat-mean_timeseries.tsv"))
    files = [path for path in found if atlas in (entities(path).get("seg"), entities(path).get("atlas"))]
    files = [path for path in files if entities(path).get("task") == task]
    if not files:
        raise DataError(f"no sub-*/**/*_task-{task}_*{atlas}_stat-mean_timeseries.tsv below {root}; it has {len(found)} series")
    files, rejected = in_one_space(root, files, space, res)
    yield from rejected
    # XCP-D joins runs into a series whose name lacks `run-` and `dir-`.
    joined = {scan_of(path, ("run", "dir")) for path in files if {"run", "dir"} & entities(path).keys()}
    people, regions = read_participants(root), None
    for path in files:
        of_file, name = entities(path), path.name.partition("_stat-")[0]
        if scan_of(path) in joined:
            yield Rejected(name, f"{path} joins runs that are there by themselves")
            continue
        try:
            series, names = read_series(path, regions_first=False, header=True)
        except DataError as error:
            yield Rejected(name, str(error))
            continue
        regions = regions or names
        if names != regions:  # no single run can be blamed for that
            raise DataError(f"{path}: its {len(names)} regions are not the {len(regions)} of {files[0].name}")
        try:
            series, kept = _uncensor(path, _cover(path, series, names, min_coverage))
            about = {"session": of_file.get("ses", ""), "task": task, **people.get(of_file["sub"], {})}
            seconds = repetition_time(path, IMAGE) if tr is None else tr
            yield bold_run(name, of_file["sub"], series, seconds, names, kept, about)
        except DataError as error:
            yield Rejected(name, str(error))


def _cover(path: Path, series: np.ndarray, names: tuple[str, ...], least: float) -> np.ndarray:
    coverage = path.with_name(path.name.replace("_stat-mean_timeseries", "_stat-coverage_bold"))
    if not coverage.is_file():
        return series
    shares = _shares(coverage)
    if sorted(shares) != sorted(names):
        raise DataError(f"{coverage}: its {len(shares)} regions are not the {len(names)} of {path.name}")
    if odd := {name: share for name, share in shares.items() if share < 0 or share > 1.001}:  # NaN is a region without a voxel
        name, share = next(iter(odd.items()))
        raise DataError(f"{coverage}: expected the covered share of each region, from 0 to 1, got {share:g} of {name}: per cent?")
    series = series.copy()
    series[[not shares[name] >= least for name in names]] = np.nan
    return series


def _shares(coverage: Path) -> dict[str, float]:
    """Coverage of each region: a row for each (`Node`, `coverage`) where XCP-D read NIfTI, one row of all where it read CIFTI."""
    rows = read_table(coverage)
    if rows and "Node" not in rows[0]:
        shares, names = read_series(coverage, regions_first=False, header=True)
        if shares.shape[1] != 1 or not names:
            raise DataError(f"{coverage}: expected columns Node and coverage, or one row with a column for each region")
        return dict(zip(names, shares[:, 0].tolist(), strict=True))
    try:
        return {row.pop("Node"): plain_number(next(iter(row.values()), "nan")) for row in rows}
    except (KeyError, ValueError) as error:
        raise DataError(f"{coverage}: expected columns Node and coverage ({type(error).__name__}: {error})") from error


def _uncensor(path: Path, series: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    tables = beside(path, OUTLIERS)
    if not tables:
        return series, None
    if len(tables) > 1:
        raise DataError(f"{path}: expected one table of outliers, got {', '.join(table.name for table in tables)}")
    flags = _flags(tables[0])
    flagged = np.logical_or.reduce(list(flags.values()))
    if series.shape[1] == len(flagged):
        return series, ~flagged
    # The volumes that the series lacks are those of all columns, or of the one that XCP-D censored by; it may hold others that
    # another column flags, which are censored here.
    for lacking in (flagged, *flags.values()):
        if series.shape[1] == int((~lacking).sum()):
            whole = np.zeros((len(series), len(flagged)))
            whole[:, ~lacking] = series
            return whole, ~flagged
    kept = f"has {len(flagged)} and keeps {(~flagged).sum()}"
    raise DataError(f"{path}: {series.shape[1]} volumes, but {tables[0].name} {kept}")


def _flags(outliers: Path) -> dict[str, np.ndarray]:
    """Which volumes each column of a table of outliers flags."""
    rows = read_table(outliers)
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if not name.startswith(DRAWN)]
    try:
        flags = {name: np.array([plain_number(row.get(name, "nan")) for row in rows]) for name in names}
    except ValueError as error:
        raise DataError(f"{outliers}: expected columns of 0 and 1 ({error})") from error
    if odd := [name for name, values in flags.items() if not np.isin(values, (0, 1)).all()]:
        raise DataError(f"{outliers}: expected columns of 0 and 1 in every line, got others in {odd[0]}")
    if not flags:
        raise DataError(
            f"{outliers}: expected a column of 0 and 1, such as framewise_displacement, got {', '.join(names) or 'none'}"
        )
    return {name: values == 1 for name, values in flags.items()}

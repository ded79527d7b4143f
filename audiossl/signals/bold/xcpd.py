"""Runs from XCP-D derivatives: one table of regional series each, with coverage and censored volumes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audiossl.errors import DataError
from audiossl.signals.bold.bids import entities, read_participants, read_table, repetition_time
from audiossl.signals.bold.run import bold_run
from audiossl.signals.bold.tables import read_series
from audiossl.signals.sensors.recording import Rejected, SensorRecording


def read_xcpd(
    root: Path, atlas: str = "4S456Parcels", task: str = "rest", min_coverage: float = 0.5, tr: float | None = None
) -> Iterator[SensorRecording | Rejected]:
    """Yield the runs of one atlas and task.

    Series that were censored (shorter than `_outliers.tsv`) get their gaps back, so that time is right; in interpolated ones the
    same volumes are censored. Regions below the coverage are NaN.

    Args:
        root: folder with `sub-*` folders.
        atlas: name in `seg-` or `atlas-` of the file names.
        task: name in `task-`.
        min_coverage: share of a region's voxels that must lie in the image.
        tr: seconds; by default the JSON files say.

    Raises:
        DataError: if there is no such series, or runs name other regions.
    """
    found = sorted(root.glob("sub-*/**/*_stat-mean_timeseries.tsv"))
    files = [path for path in found if atlas in (entities(path).get("seg"), entities(path).get("atlas"))]
    files = [path for path in files if entities(path).get("task") == task]
    if not files:
        raise DataError(f"no sub-*/**/*_task-{task}_*{atlas}_stat-mean_timeseries.tsv below {root}; it has {len(found)} series")
    people, regions = read_participants(root), None
    for path in files:
        of_file, name = entities(path), path.name.partition("_stat-")[0]
        try:
            series, names = read_series(path, regions_first=False)
        except DataError as error:
            yield Rejected(name, str(error))
            continue
        regions = regions or names
        if names != regions:  # no single run can be blamed for that
            raise DataError(f"{path}: its {len(names)} regions are not the {len(regions)} of {files[0].name}")
        try:
            series, kept = _uncensor(path, _cover(path, series, names, min_coverage))
            about = {"session": of_file.get("ses", ""), "task": task, **people.get(of_file["sub"], {})}
            yield bold_run(name, of_file["sub"], series, tr or repetition_time(path), names, kept, about)
        except DataError as error:
            yield Rejected(name, str(error))


def _beside(path: Path, suffix: str) -> Path:
    """A side file of the run: the same name up to `space-`, then the suffix."""
    stem = path.name.partition("_space-")[0].partition("_stat-")[0]
    matches = sorted(path.parent.glob(f"{stem}*_{suffix}"))
    return matches[0] if matches else path.with_name(f"{stem}_{suffix}")


def _cover(path: Path, series: np.ndarray, names: tuple[str, ...], least: float) -> np.ndarray:
    coverage = path.with_name(path.name.replace("_stat-mean_timeseries", "_stat-coverage_bold"))
    if not coverage.is_file():
        return series
    shares, columns = read_series(coverage, regions_first=False)
    if columns != names:
        raise DataError(f"{coverage}: its columns are not the regions of {path.name}")
    series = series.copy()
    series[~(shares[:, 0] >= least)] = np.nan
    return series


def _uncensor(path: Path, series: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    outliers = _beside(path, "outliers.tsv")
    if not outliers.is_file():
        return series, None
    flagged = np.array([float(next(iter(row.values()), "0")) > 0 for row in read_table(outliers)])
    if series.shape[1] == len(flagged):
        return series, ~flagged
    if series.shape[1] != int((~flagged).sum()):
        raise DataError(f"{path}: {series.shape[1]} volumes, but {outliers.name} has {len(flagged)} and keeps {(~flagged).sum()}")
    whole = np.zeros((len(series), len(flagged)))
    whole[:, ~flagged] = series
    return whole, ~flagged

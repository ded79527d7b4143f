"""A BOLD run: a `SensorRecording` whose channels are regions and whose samples are volumes, NaN where they were censored."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from audiossl.errors import DataError
from audiossl.signals.bold.matrix import is_matrix
from audiossl.signals.sensors.recording import Rejected, SensorRecording


def bold_run(
    id_: str,
    subject: str,
    series: Float[np.ndarray, "N T"],
    tr: float,
    regions: Sequence[str],
    kept: Bool[np.ndarray, "T"] | None = None,
    about: Mapping[str, str | float] | None = None,
) -> SensorRecording:
    """Make a run of regional series.

    Args:
        id_: of the run; signs that a file name should not have become `_`.
        subject: person; all sessions and runs of one carry the same name.
        series: regions x volumes in any unit; a row of NaN is a region that was not covered.
        tr: seconds from volume to volume.
        regions: names, one for each row.
        kept: False at volumes that were censored for motion.
        about: what else is known: `session`, `task`, `site`, `family`, and phenotypes such as `age`, `sex` or `mean_fd`.

    Raises:
        DataError: if the rows are not the regions, the repetition time is not positive, or nothing is kept; it names the run.
    """
    if series.ndim != 2 or len(series) != len(regions):
        raise DataError(f"{id_}: expected {len(regions)} regions x volumes, as the atlas names them, got {series.shape}")
    if not 0 < tr < 60:
        raise DataError(f"{id_}: expected a repetition time in seconds, above 0 and below 60, got {tr}")
    values = series.astype(np.float32)
    if kept is not None:
        if len(kept) != values.shape[1] or not kept.any():
            raise DataError(f"{id_}: expected a mask of {values.shape[1]} volumes that keeps some, got {len(kept)}, {kept.sum()}")
        values[:, ~kept] = np.nan
    if repeated := sorted({name for name in regions if list(regions).count(name) > 1}):
        raise DataError(f"{id_}: region names repeat: {', '.join(repeated[:5])}")
    name = re.sub(r"[^\w.-]", "_", id_)
    return SensorRecording(name, subject, 1 / tr, tuple(regions), ("1",) * len(values), values, custom=dict(about or {}))


def covered(run: SensorRecording) -> Bool[np.ndarray, "N"]:
    """Regions that have values and are not constant."""
    volumes = kept_volumes(run)
    values = np.asarray(run.values[:, volumes], np.float64)
    is_whole = np.isfinite(values).all(axis=1)
    deviation = np.where(is_whole, np.nan_to_num(values).std(axis=1), 0.0)
    return is_whole & (deviation > 1e-6 * np.maximum(np.abs(np.nan_to_num(values)).max(axis=1), 1e-30))


def kept_volumes(run: SensorRecording) -> Bool[np.ndarray, "T"]:
    """Volumes that were not censored: those where any region has a value."""
    return np.asarray(~np.isnan(run.values).all(axis=0))


def below_displacement(displacement: Float[np.ndarray, "T"], limit: float) -> Bool[np.ndarray, "T"]:
    """Volumes whose framewise displacement, mm, is at most `limit`; the first has none and is kept."""
    return ~(displacement > limit)


def standardised(run: SensorRecording, regions: Sequence[str] | None = None, detrend: bool = True) -> Float32[np.ndarray, "N T"]:
    """Zero mean and unit deviation of each region over the kept volumes; censored ones stay, as NaN.

    Filled along a line they would correlate perfectly inside a gap, and left out time would be wrong. A trend is a line over time
    as it passed, gaps included. The deviation is that of the population, as in STAGIN.

    Args:
        run: to be standardised.
        regions: to take, in this order; all by default.
        detrend: take a straight line out of each region first.

    Raises:
        DataError: if a region is not in the run, or has no values; the message names the run.
    """
    place = {name: index for index, name in enumerate(run.channels)}
    if regions is not None and (missing := [name for name in regions if name not in place]):
        raise DataError(f"{run.id}: its atlas lacks {len(missing)} regions, such as {missing[0]}; was another atlas used?")
    rows = [place[name] for name in regions] if regions is not None else list(range(len(run.channels)))
    if not (good := covered(run)[rows]).all():
        bad = [run.channels[row] for row, is_good in zip(rows, good, strict=True) if not is_good]
        raise DataError(f"{run.id}: {len(bad)} regions are constant or have missing values, such as {bad[0]}: leave them out")
    kept = kept_volumes(run)
    known = np.asarray(run.values[rows], np.float64)[:, kept]
    known = _without_line(known, np.flatnonzero(kept)) if detrend else known
    known = (known - known.mean(axis=1, keepdims=True)) / known.std(axis=1, keepdims=True)
    out = np.full((len(rows), len(kept)), np.nan, np.float32)
    out[:, kept] = known
    return out


def _without_line(series: Float64[np.ndarray, "N K"], volumes: Int[np.ndarray, "K"]) -> Float64[np.ndarray, "N K"]:
    """What is left of each row after a least-squares line over the numbers of its volumes, which may have gaps."""
    # About their means, slope and offset are found apart: slope = <series, time> / <time, time>.
    time = volumes - volumes.mean()
    series = series - series.mean(axis=1, keepdims=True)
    return series - np.outer(series @ time / (time @ time), time)


@dataclass
class RunPolicy:
    """Which runs are used.

    Attributes:
        min_volumes: kept volumes that a run needs.
        min_seconds: of kept volumes.
        max_missing: share of regions that a run may lack; the regions themselves are then left out of all runs.
    """

    min_volumes: int = 0
    min_seconds: int | float = 0.0
    max_missing: float = 0.1


def select_runs(runs: Iterable[SensorRecording | Rejected], policy: RunPolicy) -> Iterator[SensorRecording | Rejected]:
    """Pass on runs and matrices, and say of each that is not used why: too short, too many regions missing, or a copy.

    Raises:
        DataError: if two subjects have the same values: one person under two names would be on both sides of a split.
    """
    # Of what was passed on, only digests are kept: a cohort does not fit into memory.
    passed: dict[bytes, tuple[str, str]] = {}
    for run in runs:
        if isinstance(run, Rejected):
            yield run
            continue
        if reason := None if is_matrix(run) else _why_not(run, policy):
            yield Rejected(run.id, reason)
            continue
        digest = hashlib.sha256(np.ascontiguousarray(run.values).data).digest()
        twin, person = passed.setdefault(digest, (run.id, run.subject))
        if person != run.subject:
            raise DataError(f"{run.id} of {run.subject} has the very values of {twin} of {person}: one person, two names?")
        if twin != run.id:
            yield Rejected(run.id, f"it has the very values of {twin} of the same person, {person}: a copy, not another run")
        else:
            yield run


def _why_not(run: SensorRecording, policy: RunPolicy) -> str:
    count, missing = int(kept_volumes(run).sum()), float((~covered(run)).mean())
    if count < policy.min_volumes or count / run.rate < policy.min_seconds:
        wanted = f"{policy.min_volumes} volumes and {policy.min_seconds:g} s"
        return f"it keeps {count} volumes, {count / run.rate:.0f} s, of the {wanted} that are needed"
    if missing > policy.max_missing:
        return f"{missing:.0%} of its regions are constant or missing, more than {policy.max_missing:.0%}"
    return ""


def common_regions(runs: Sequence[SensorRecording]) -> tuple[list[str], list[str]]:
    """Regions that every run has, in the order of the first, and those that are left out because some run lacks them."""
    usable = np.logical_and.reduce([covered(run) for run in runs])
    names = runs[0].channels
    kept = [name for name, is_usable in zip(names, usable, strict=True) if is_usable]
    if not kept:
        raise DataError(f"no region has values in all of {len(runs)} runs")
    return kept, [name for name, is_usable in zip(names, usable, strict=True) if not is_usable]

"""A BOLD run: a `SensorRecording` whose channels are regions and whose samples are volumes, NaN where they were censored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Shaped

from audiossl.errors import DataError
from audiossl.signals.bold.copies import Copies
from audiossl.signals.bold.masks import Mask, as_mask, as_repetition_time
from audiossl.signals.bold.matrix import is_matrix
from audiossl.signals.sensors.recording import Rejected, SensorRecording

CONSTANT = 1e-6  # a region with a smaller ratio of deviation to values is constant but for their rounding in float32


def bold_run(
    id_: str,
    subject: str,
    series: Shaped[np.ndarray, "..."],
    tr: object,
    regions: Sequence[str],
    kept: Mask | None = None,
    about: Mapping[str, str | float] | None = None,
) -> SensorRecording:
    """Make a run of regional series.

    Args:
        id_: id of the run; signs that a file name should not have become `_`.
        subject: person; all sessions and runs of one carry the same name.
        series: regions x volumes in any unit; a row of NaN, or one that is masked, is a region that was not covered.
        tr: seconds from volume to volume.
        regions: names, one for each row.
        kept: True or 1 for each volume, False or 0 where it was censored for motion.
        about: what else is known: `session`, `task`, `site`, `family`, and phenotypes such as `age`, `sex` or `mean_fd`.

    Raises:
        DataError: if the rows are not the regions or no real numbers, the repetition time is no number of seconds, or the mask is
            none or keeps nothing; it names the run.

    >>> run = bold_run("rest_1", "anna", np.random.default_rng(0).normal(size=(3, 100)), 2.0, ["a", "b", "c"])
    >>> run.channels, run.rate
    (('a', 'b', 'c'), 0.5)
    """
    if isinstance(series, np.ma.MaskedArray):
        series = np.ma.filled(series.astype(np.float64), np.nan)
    series = np.asarray(series)
    if series.ndim != 2 or len(series) != len(regions) or series.dtype.kind not in "fiu":
        found = f"{series.shape} of {series.dtype}"
        raise DataError(f"{id_}: expected {len(regions)} regions x volumes of numbers, as the atlas names them, got {found}")
    seconds = as_repetition_time(tr, id_)
    values = series.astype(np.float32)
    if kept is not None:
        values[:, ~as_mask(kept, values.shape[1], id_)] = np.nan
    if repeated := sorted({name for name in regions if list(regions).count(name) > 1}):
        raise DataError(f"{id_}: region names repeat: {', '.join(repeated[:5])}")
    name = re.sub(r"[^\w.-]", "_", id_)
    return SensorRecording(name, subject, 1 / seconds, tuple(regions), ("1",) * len(values), values, custom=dict(about or {}))


def covered(run: SensorRecording, detrend: bool = True) -> Bool[np.ndarray, "N"]:
    """Regions that have values which vary: not constant, and not a mere line over time where a line is taken out.

    Args:
        run: run to be judged over its kept volumes.
        detrend: judge what `standardised` divides by, the deviation from a straight line. A line that was rounded to some
            decimals, such as a column of times, is a line, whatever its steps.
    """
    volumes = np.flatnonzero(kept_volumes(run))
    values = np.asarray(run.values[:, volumes], np.float64)
    is_whole = np.asarray(np.isfinite(values).all(axis=1))
    known = np.where(is_whole[:, None], values, 0.0)
    rest = _without_line(known, volumes) if detrend else known
    deviation = rest.std(axis=1) if len(volumes) else np.zeros(len(rest))
    varies = np.asarray(deviation > CONSTANT * np.maximum(np.abs(known).max(axis=1, initial=0.0), 1e-30))
    if detrend:
        steps = np.diff(known, axis=1)
        for row in np.flatnonzero(varies & ((steps >= 0).all(axis=1) | (steps <= 0).all(axis=1))):
            varies[row] = not _is_rounded_line(steps[row][np.diff(volumes) == 1], known[row], rest[row])
    return np.asarray(is_whole & varies)


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
        run: run to be standardised.
        regions: regions to take, in this order; all by default.
        detrend: take a straight line out of each region first.

    Raises:
        DataError: if a region is not in the run, or has no values; the message names the run.
    """
    place = {name: index for index, name in enumerate(run.channels)}
    if regions is not None and (missing := [name for name in regions if name not in place]):
        raise DataError(f"{run.id}: its atlas lacks {len(missing)} regions, such as {missing[0]}; was another atlas used?")
    rows = [place[name] for name in regions] if regions is not None else list(range(len(run.channels)))
    if not (good := covered(run, detrend)[rows]).all():
        bad = [run.channels[row] for row, is_good in zip(rows, good, strict=True) if not is_good]
        what = "constant or have missing values" + ", or are a mere line over time" * detrend
        raise DataError(f"{run.id}: {len(bad)} regions are {what}, such as {bad[0]}: leave them out")
    kept = kept_volumes(run)
    known = np.asarray(run.values[rows], np.float64)[:, kept]
    known = _without_line(known, np.flatnonzero(kept)) if detrend else known
    known = (known - known.mean(axis=1, keepdims=True)) / known.std(axis=1, keepdims=True)
    out = np.full((len(rows), len(kept)), np.nan, np.float32)
    out[:, kept] = known
    return out


def _is_rounded_line(steps: Float64[np.ndarray, "S"], values: Float64[np.ndarray, "K"], rest: Float64[np.ndarray, "K"]) -> bool:
    """Whether values differ by one of two steps, as a rounded line does, and are off it, by `rest`, by less than a step."""
    if len(steps) < 2:
        return False
    unit, rounding = steps.max() - steps.min(), CONSTANT * np.abs(values).max()
    is_either = np.minimum(steps - steps.min(), steps.max() - steps) <= rounding
    return bool(is_either.all() and np.abs(rest).max() <= unit + rounding)


def _without_line(series: Float64[np.ndarray, "N K"], volumes: Int[np.ndarray, "K"]) -> Float64[np.ndarray, "N K"]:
    """What is left of each row after a least-squares line over the numbers of its volumes, which may have gaps."""
    if len(volumes) < 3:  # a line goes through any two values
        return np.zeros_like(series)
    # About their means, slope and offset are found apart: slope = <series, time> / <time, time>.
    time = volumes - volumes.mean()
    series = series - series.mean(axis=1, keepdims=True)
    return series - np.outer(series @ time / (time @ time), time)


@dataclass
class RunPolicy:
    """Which runs are used.

    Attributes:
        min_volumes: kept volumes that a run needs.
        min_seconds: least duration of kept volumes.
        max_missing: share of regions that a run may lack; the regions themselves are then left out of all runs.
    """

    min_volumes: int = 0
    min_seconds: int | float = 0.0
    max_missing: float = 0.1


def select_runs(runs: Iterable[SensorRecording | Rejected], policy: RunPolicy) -> Iterator[SensorRecording | Rejected]:
    """Pass on runs and matrices, and say of each that is not used why: too short, too many regions missing, or a copy.

    A copy may lack volumes or regions, at the ends or inside.

    Raises:
        DataError: if two subjects have the same values: one person under two names would be on both sides of a split.
    """
    passed = Copies()
    for run in runs:
        if isinstance(run, Rejected):
            yield run
            continue
        if reason := None if is_matrix(run) else _why_not(run, policy):
            yield Rejected(run.id, reason)
            continue
        twin, person = passed.of(run)
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
        return (
            f"{missing:.0%} of its regions are constant or missing, or a mere line over time, more than {policy.max_missing:.0%}"
        )
    return ""


def common_regions(runs: Sequence[SensorRecording]) -> tuple[list[str], list[str]]:
    """Regions that every run has, in the order of the first, and those that are left out because some run lacks them."""
    usable = np.logical_and.reduce([covered(run) for run in runs])
    names = runs[0].channels
    kept = [name for name, is_usable in zip(names, usable, strict=True) if is_usable]
    if not kept:
        raise DataError(f"no region has values in all of {len(runs)} runs")
    return kept, [name for name, is_usable in zip(names, usable, strict=True) if not is_usable]

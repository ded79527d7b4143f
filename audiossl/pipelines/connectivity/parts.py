"""Parts of BOLD runs that keep enough volumes, by one rule for every use, and the runs that have none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.fmri.fingerprint import draw_segments
from audiossl.pipelines.connectivity.data import Runs, Stretch
from audiossl.pipelines.connectivity.design import Design, Windows
from audiossl.signals.sensors.recording import Rejected


@dataclass(frozen=True)
class Part:
    """A stretch of a run that can be used.

    Attributes:
        stretch: where it is.
        series: of it, standardised by itself.
        starts: first volumes of all segments that can be used, counted from its own first.
    """

    stretch: Stretch
    series: Float[Tensor, "N T"]
    starts: list[int]

    def cut(self, start: int, length: int) -> Float[Tensor, "N L"]:
        """The segment that begins at `start`."""
        return self.series[:, start : start + length]


def usable_starts(kept: Bool[Tensor, "T"], length: int, windows: Windows = ()) -> list[int]:
    """First volumes of segments that can be used: half of their volumes are kept, and half of those of windows of every encoder.

    Args:
        kept: volumes that are not censored.
        length: of a segment.
        windows: of the encoders that read it; they lie at multiples of their strides from the segment's first volume. One that is
            longer than a segment, or needed more often than a segment holds it, is left to the check of the recipe.
    """
    if len(kept) < length:
        return []
    usable = 2 * kept.unfold(0, length, 1).sum(1) >= length
    for window, stride, fewest in windows:
        if window <= length:
            usable &= _count_windows(kept, length, window, stride) >= min(fewest, (length - window) // stride + 1)
    starts: list[int] = usable.nonzero()[:, 0].tolist()
    return starts


def _count_windows(kept: Bool[Tensor, "T"], length: int, window: int, stride: int) -> Int[Tensor, "S"]:
    """How many windows that keep half of their volumes a segment from each start on has."""
    half = 2 * kept.unfold(0, window, 1).sum(1) >= window
    count = len(kept) - length + 1
    return torch.stack([half[first : first + count] for first in range(0, length - window + 1, stride)]).sum(0)


def holds_windows(kept: Bool[Tensor, "T"], windows: Windows) -> bool:
    """Whether a whole run has a window for every encoder that keeps half of its volumes."""
    return all(
        len(kept) >= size and int(_count_windows(kept, len(kept), size, stride)) >= fewest for size, stride, fewest in windows
    )


def usable_part(runs: Runs, stretch: Stretch, length: int, windows: Windows, what: str) -> Part:
    """Take a stretch of a run for segments of `length` volumes.

    Raises:
        DataError: if no segment of it can be used, or a region has no values in it; the message names the run.
    """
    where = f"{runs.recordings[stretch.run].id}, volumes {stretch.first} to {stretch.last}"
    size = stretch.last - stretch.first
    if size < length:
        raise DataError(f"{where}: expected at least {length} volumes, {what}, got {size}")
    kept = runs.kept(stretch)
    starts = usable_starts(kept, length, windows)
    if not starts:
        raise DataError(
            f"{where}: expected {length} volumes, {what}, of which half are not censored (and half of a window in it), got none; "
            f"{int(kept.sum())} of {size} are kept"
        )
    return Part(stretch, runs.part(stretch), starts)


def usable_parts(
    runs: Runs, stretches: Sequence[Stretch], length: int, windows: Windows, what: str
) -> tuple[list[Part], list[Rejected]]:
    """Take all stretches that can be used, and name the runs of the others.

    Raises:
        DataError: if none can be used; the message says why the first cannot.
    """
    found: list[Part] = []
    left_out: list[Rejected] = []
    for stretch in stretches:
        try:
            found.append(usable_part(runs, stretch, length, windows, what))
        except DataError as error:
            left_out.append(Rejected(runs.recordings[stretch.run].id, str(error)))
    if not found:
        raise DataError(f"none of {len(stretches)} runs can be used for {what}. {left_out[0].reason if left_out else ''}")
    return found, left_out


def training_parts(design: Design, crop: int, windows: Windows) -> tuple[list[Part], list[Rejected]]:
    """What pre-training sees of every run, standardised over that part alone, and the runs that have no crop for it.

    Args:
        design: runs.
        crop: volumes of a crop.
        windows: of the encoder that is trained, and how many a crop needs.

    Raises:
        DataError: if no run has one.
    """
    return usable_parts(design.runs, design.training, crop, windows, "a crop for pre-training (pretrain.crop)")


def training_segments(design: Design) -> tuple[list[Float[Tensor, "S N L"]], list[Rejected]]:
    """Half-overlapping segments of what pre-training sees of every run, those that can be used; and the runs that have none.

    Raises:
        DataError: if no run has one.
    """
    length, windows = design.config.fingerprint.volumes, design.config.windows
    parts, left_out = usable_parts(design.runs, design.training, length, windows, "a segment to standardise by")
    step = max(1, length // 2)
    of_parts = [[start for start in part.starts if start % step == 0] or part.starts[:1] for part in parts]
    return [torch.stack([part.cut(at, length) for at in starts]) for part, starts in zip(parts, of_parts, strict=True)], left_out


def fingerprint_parts(design: Design) -> tuple[list[Part], list[Part], list[Rejected]]:
    """Gallery part and other part of everybody who has a usable pair of them, and the runs that are not usable.

    Who has none is left out; the parts of the others stay what they are.

    Raises:
        DataError: if fewer than two people are left.
    """
    runs, length, windows = design.runs, design.config.fingerprint.volumes, design.config.windows
    gallery: list[Part] = []
    probes: list[Part] = []
    left_out: dict[Stretch, Rejected] = {}
    for name, pairs in design.choices.items():
        known: dict[Stretch, Part] = {}
        if not pairs:
            (only,) = runs.sessions[name]
            run = runs.recordings[only[0].run].id
            left_out[only[0]] = Rejected(
                run, f"{run}: {name} has no other session, and most people have two: not in the fingerprint"
            )
        for pair in pairs:
            for stretch in (one for one in pair if one not in known and one not in left_out):
                try:
                    known[stretch] = usable_part(runs, stretch, length, windows, "a segment of the fingerprint")
                except DataError as error:
                    left_out[stretch] = Rejected(runs.recordings[stretch.run].id, str(error))
            if all(stretch in known for stretch in pair):
                gallery.append(known[pair[0]])
                probes.append(known[pair[1]])
                break
    if len(gallery) < 2:
        reason = next((rejected.reason for rejected in left_out.values()), "")
        raise DataError(f"a fingerprint is of two people or more, and {len(gallery)} can be used. {reason}")
    return gallery, probes, list(left_out.values())


def segments(design: Design) -> Iterator[tuple[Float[Tensor, "P N L"], Float[Tensor, "P N L"]]]:
    """Segments of everybody's gallery part and other part, draw by draw; the same for every model and seed."""
    fingerprint = design.config.fingerprint
    length = fingerprint.volumes
    gallery, probes, _ = fingerprint_parts(design)
    first, second = ([len(part.starts) for part in parts] for parts in (gallery, probes))
    for draw in draw_segments(first, second, length, fingerprint.draws, seed=0).tolist():
        known, told = (
            torch.stack([part.cut(part.starts[place], length) for part, place in zip(*row, strict=True)])
            for row in zip((gallery, probes), draw, strict=True)
        )
        yield known, told


def whole_runs(design: Design) -> tuple[Runs, list[Rejected]]:
    """Runs of the people that tasks are about in which every encoder has a window that keeps half of its volumes, and the others.

    Runs without such a window are left out where networks or phenotypes are read from whole runs.

    Raises:
        DataError: if no run is left.
    """
    of_task, config = design.of_tasks, design.config
    if of_task.are_matrices or not (config.networks or config.phenotypes):
        return of_task, []
    left_out, places, windows = [], [], config.windows
    for place, run in enumerate(of_task.recordings):
        if holds_windows(of_task.kept(Stretch(place, 0, run.num_samples)), windows):
            places.append(place)
        else:
            long = " or ".join(str(window) for window, *_ in windows)
            reason = (
                f"{run.id}: expected a window of {long} volumes of which half are not censored, got none in its {run.num_samples}"
            )
            left_out.append(Rejected(run.id, reason))
    if not places:
        raise DataError(f"none of {len(left_out)} runs can be used for networks and phenotypes. {left_out[0].reason}")
    return (of_task.at(places) if left_out else of_task), left_out

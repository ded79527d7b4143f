"""EDF and EDF+ files: signals in 16-bit steps, and annotations in text (Kemp and others 1992; Kemp and Olivan 2003)."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32, Float64, Int16

from audiossl.errors import DataError, naming
from audiossl.signals.sensors.edf_header import ANNOTATIONS, EdfHeader, number, read_header

# Onset, perhaps a duration, then texts, each before a byte 20, and a byte 0 at the end, which full records may lack.
_TIME_STAMPED = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14((?:[^\x00\x14]*\x14)*)(?:\x00|\Z)")
_MOST_SAMPLES = 2**30  # of a signal with its gaps; damaged time stamps ask for more


@dataclass(frozen=True)
class EdfSignal:
    """One signal. `values`: (S,) in `unit`, NaN in the gaps of an interrupted file; `rate`: samples per second."""

    label: str
    unit: str
    rate: float
    values: Float32[np.ndarray, "S"]


@dataclass(frozen=True)
class EdfNote:
    """A text that holds from `onset` for `duration`, in seconds from the first sample."""

    onset: float
    duration: float
    text: str


def read_edf_signal(path: Path, label: str) -> EdfSignal:
    """Read one signal of an EDF file; the others are not held in memory.

    Records of an interrupted file (EDF+D, or EDF+C by name only) are placed by their time stamps, from that of the first one;
    what lies between them is missing (NaN).

    Raises:
        DataError: if the file is missing, damaged, cut short, its records overlap, or it has no such signal; the message names
            it.

    >>> from pathlib import Path
    >>> read_edf_signal(Path("missing.edf"), "EEG Fpz-Cz")
    Traceback (most recent call last):
    ...
    audiossl.errors.DataError: ...
    """
    with _opened(path) as file, naming(path):
        header = read_header(file)
        place = header.place(label)
        signal, count = header.signals[place], header.counts[place]
        if header.record_seconds <= 0:
            raise DataError("expected records that last longer than 0 s")
        if not count:
            raise DataError(f"expected samples of {label}, its records have none")
        low, high, bottom, top = (
            number(signal, field) for field in ("physical_min", "physical_max", "digital_min", "digital_max")
        )
        if top <= bottom or low == high:
            raise DataError(f"expected ranges of {label}, got {low:g} to {high:g} for steps {bottom:g} to {top:g}")
        rate = count / header.record_seconds
        steps = _read_steps(file, header, place)
        values = (low + (steps - np.float64(bottom)) * ((high - low) / (top - bottom))).astype(np.float32)
        if header.has_gaps or _skips_time(file, header):
            values = _on_one_line(values, _record_starts(file, header) * rate)
        return EdfSignal(label, signal["unit"], rate, values.ravel())


def read_edf_notes(path: Path) -> list[EdfNote]:
    """Read the annotations of an EDF+ file in the order of its records, without the time stamps of records.

    A file counts from its start in whole seconds, which may be a part of a second before the first record: onsets are given from
    the first sample. All annotation signals are read.

    Texts are UTF-8, as the standard says, or else Latin 1, as older devices write them. What is not written as EDF+ says cannot
    be placed in time: a warning shows it.

    Raises:
        DataError: if the file is missing, damaged, cut short, or holds no annotations; the message names it.

    >>> from pathlib import Path
    >>> read_edf_notes(Path("missing.edf"))
    Traceback (most recent call last):
    ...
    audiossl.errors.DataError: ...
    """
    with _opened(path) as file, naming(path):
        header = read_header(file)
        if not header.annotation_places:
            raise DataError(f"expected a signal '{ANNOTATIONS}', got {', '.join(header.labels)}")
        first = _first_stamp(file, header)
        parts = [_read_steps(file, header, place) for place in header.annotation_places]
        found = [
            EdfNote(round(float(onset) - first, 9), float(duration or 0), _decoded(text))
            for record in range(header.num_records)
            for part in parts
            for onset, duration, texts in _annotations(path, record, part[record].tobytes())
            for text in texts.split(b"\x14")
            if text
        ]
        if not found:
            raise DataError("expected annotations, got none")
        return found


def read_edf_start(path: Path) -> datetime:
    """The date and time of the first sample: the start that the file names, and the part of a second that EDF+ adds to it.

    Raises:
        DataError: if the file is missing, its header is damaged, or that is no date and time; the message names it.

    >>> from pathlib import Path
    >>> read_edf_start(Path("missing.edf"))
    Traceback (most recent call last):
    ...
    audiossl.errors.DataError: ...
    """
    with _opened(path) as file, naming(path):
        header = read_header(file)
        return header.begins() + timedelta(seconds=_first_stamp(file, header))


def _opened(path: Path) -> BinaryIO:
    if not path.is_file():
        raise DataError(f"{path} is not there")
    return path.open("rb")


def _read_steps(file: BinaryIO, header: EdfHeader, place: int) -> Int16[np.ndarray, "R N"]:
    """The 16-bit steps of one signal: a part of each record."""
    records = np.memmap(file, "<i2", "r", header.num_bytes, (header.num_records, sum(header.counts)))
    start = sum(header.counts[:place])
    return np.array(records[:, start : start + header.counts[place]])


def _annotations(path: Path, record: int, part: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Onset, duration and texts of each annotation in a record's part of an annotation signal."""
    if rest := _TIME_STAMPED.sub(b"", part).strip(b"\0"):
        warnings.warn(
            f"{path}: record {record} holds an annotation that is not written as EDF+ says: {rest[:60]!r}", stacklevel=3
        )
    return _TIME_STAMPED.findall(part)


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin1")


def _first_stamp(file: BinaryIO, header: EdfHeader) -> float:
    """Seconds from the start that the header names to the first record; 0 where records have no time stamps, as in plain EDF."""
    if not header.annotation_places:
        return 0.0
    stamp = _stamp(_read_steps(file, header, header.annotation_places[0])[0].tobytes())
    return 0.0 if stamp is None else stamp


def _skips_time(file: BinaryIO, header: EdfHeader) -> bool:
    """Whether time stamps leave out half a record or more somewhere, whatever the file says of itself."""
    if not header.annotation_places:
        return False
    stamps = [_stamp(record.tobytes()) for record in _read_steps(file, header, header.annotation_places[0])]
    known = [stamp for stamp in stamps if stamp is not None]
    return len(known) == len(stamps) and bool((np.diff(known) >= 1.5 * header.record_seconds).any())


def _record_starts(file: BinaryIO, header: EdfHeader) -> Float64[np.ndarray, "R"]:
    """Seconds from the first record to each one.

    Raises:
        DataError: if a record has no time stamp.
    """
    if not header.annotation_places:
        raise DataError(f"expected a signal '{ANNOTATIONS}' with the times of records in a file with gaps (EDF+D), got none")
    stamps = [_stamp(record.tobytes()) for record in _read_steps(file, header, header.annotation_places[0])]
    if None in stamps:
        raise DataError(f"expected the time of each record in a file with gaps (EDF+D), record {stamps.index(None)} has none")
    starts = np.array(stamps, np.float64)
    return starts - starts[0]


def _stamp(record: bytes) -> float | None:
    """When a record begins, which the first annotation of its first annotation signal says with an empty text."""
    found = _TIME_STAMPED.match(record)
    return float(found[1]) if found and found[3].startswith(b"\x14") else None


def _on_one_line(records: Float32[np.ndarray, "R N"], times: Float64[np.ndarray, "R"]) -> Float32[np.ndarray, "S"]:
    """Records at the samples nearest to their times, NaN between them.

    One that begins within half a sample behind the end of the one before, or within a sample before it, follows it: times are
    rounded when they are written.

    Args:
        records: samples of one signal.
        times: where each record begins, as positions among the samples.
    """
    size, starts = records.shape[1], np.zeros(len(times), np.int64)
    for place, time in enumerate(times[1:], start=1):
        behind = int(starts[place - 1]) + size
        if time < behind - 1:
            raise DataError(f"record {place} begins before the one before it ends")
        starts[place] = behind if time < behind + 0.5 else math.floor(time + 0.5)
    if (num_samples := int(starts[-1]) + size) > _MOST_SAMPLES:
        raise DataError(f"expected times of records that make at most {_MOST_SAMPLES} samples, got {num_samples}")
    line = np.full(num_samples, np.nan, np.float32)
    line[starts[:, None] + np.arange(size)] = records
    return line

"""EDF and EDF+ files: signals in 16-bit steps, and annotations in text (Kemp and others 1992; Kemp and Olivan 2003)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32

from audiossl.errors import DataError, naming

_ANNOTATIONS = "EDF Annotations"
# Widths of a signal's fields in the header, which holds each field for all signals before the next one.
_SIGNAL_FIELDS = {
    "label": 16, "transducer": 80, "unit": 8, "physical_min": 8, "physical_max": 8, "digital_min": 8, "digital_max": 8,
    "filters": 80, "samples": 8, "reserved": 32,
}  # fmt: skip
# Onset, perhaps a duration, then texts, each behind a byte 20, and a byte 0 at the end.
_TIME_STAMPED = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14((?:[^\x00\x14]*\x14)*)\x00")


@dataclass(frozen=True)
class EdfSignal:
    """One signal. `values`: (S,) in `unit`; `rate`: samples per second."""

    label: str
    unit: str
    rate: float
    values: Float32[np.ndarray, "S"]


@dataclass(frozen=True)
class EdfNote:
    """A text that holds from `onset` for `duration`, in seconds from the start of the file."""

    onset: float
    duration: float
    text: str


@dataclass(frozen=True)
class _Header:
    num_records: int
    record_seconds: float
    start: str
    signals: tuple[dict[str, str], ...]
    num_bytes: int


def read_edf_signal(path: Path, label: str) -> EdfSignal:
    """Read one signal of an EDF file; the others are not held in memory.

    Raises:
        DataError: if the file is missing, damaged, cut short, has gaps (EDF+D), or no such signal; the message names it.
    """
    with _opened(path) as file, naming(path):
        header = _read_header(file)
        labels = [signal["label"] for signal in header.signals]
        if label not in labels:
            raise DataError(f"expected a signal {label}, got {', '.join(labels)}")
        signal = header.signals[labels.index(label)]
        if header.record_seconds <= 0:
            raise DataError("expected records that last longer than 0 s")
        low, high, bottom, top = (
            _number(signal, field) for field in ("physical_min", "physical_max", "digital_min", "digital_max")
        )
        if top <= bottom or low == high:
            raise DataError(f"expected ranges of {label}, got {low:g} to {high:g} for steps {bottom:g} to {top:g}")
        steps = _read_steps(file, header, labels.index(label))
        values = low + (steps - np.float64(bottom)) * ((high - low) / (top - bottom))
        return EdfSignal(label, signal["unit"], _samples(signal) / header.record_seconds, values.astype(np.float32))


def read_edf_notes(path: Path) -> list[EdfNote]:
    """Read the annotations of an EDF+ file in the order of the file, without the time stamps of its records.

    Raises:
        DataError: if the file is missing, damaged, cut short, or holds no annotations; the message names it.
    """
    with _opened(path) as file, naming(path):
        header = _read_header(file)
        labels = [signal["label"] for signal in header.signals]
        if _ANNOTATIONS not in labels:
            raise DataError(f"expected a signal '{_ANNOTATIONS}', got {', '.join(labels)}")
        raw = _read_steps(file, header, labels.index(_ANNOTATIONS)).tobytes()
        found = [
            EdfNote(float(onset), float(duration or 0), text.decode("utf-8", errors="replace"))
            for onset, duration, texts in _TIME_STAMPED.findall(raw)
            for text in texts.split(b"\x14")
            if text
        ]
        if not found:
            raise DataError("expected annotations, got none")
        return found


def read_edf_start(path: Path) -> datetime:
    """The date and time at which a file says it starts.

    Raises:
        DataError: if the file is missing, its header is damaged, or that is no date and time; the message names it.
    """
    with _opened(path) as file, naming(path):
        text = _read_header(file).start
        try:
            return datetime.strptime(text, "%d.%m.%y%H.%M.%S")
        except ValueError as error:
            raise DataError(f"expected a start as dd.mm.yyhh.mm.ss, got {text!r}") from error


def _opened(path: Path) -> BinaryIO:
    if not path.is_file():
        raise DataError(f"{path} is not there")
    return path.open("rb")


def _read_header(file: BinaryIO) -> _Header:
    fixed = file.read(256)
    if len(fixed) < 256 or fixed[:8].strip() != b"0":
        raise DataError("expected an EDF file, whose first byte is 0")
    text = fixed.decode("latin1")
    if text[192:236].startswith("EDF+D"):
        raise DataError("expected an uninterrupted file, got one with gaps (EDF+D)")
    fields = {
        "bytes": text[184:192],
        "records": text[236:244],
        "seconds": text[244:252],
        "signals": text[252:256],
    }
    num_signals, num_records = round(_number(fields, "signals")), round(_number(fields, "records"))
    if num_signals < 1 or num_records < 1 or _number(fields, "bytes") != 256 * (num_signals + 1):
        raise DataError(f"expected signals and records in a header of whole length, got {fields}")
    signals: list[dict[str, str]] = [{} for _ in range(num_signals)]
    for name, width in _SIGNAL_FIELDS.items():
        block = file.read(width * num_signals).decode("latin1")
        for place, signal in enumerate(signals):
            signal[name] = block[width * place : width * (place + 1)].strip()
    return _Header(num_records, _number(fields, "seconds"), text[168:184].strip(), tuple(signals), 256 * (num_signals + 1))


def _read_steps(file: BinaryIO, header: _Header, place: int) -> np.ndarray:
    """The 16-bit steps of one signal: a part of each record."""
    counts = [_samples(signal) for signal in header.signals]
    expected = header.num_bytes + 2 * sum(counts) * header.num_records
    if (size := file.seek(0, 2)) < expected:
        raise DataError(f"expected {expected} bytes for {header.num_records} records, got {size}: the file is cut short")
    records = np.memmap(file, "<i2", "r", header.num_bytes, (header.num_records, sum(counts)))
    start = sum(counts[:place])
    return np.array(records[:, start : start + counts[place]]).ravel()


def _samples(signal: dict[str, str]) -> int:
    count = _number(signal, "samples")
    if count < 1 or count != int(count):
        raise DataError(f"expected whole samples a record, got {signal['samples']!r}")
    return int(count)


def _number(fields: dict[str, str], name: str) -> float:
    try:
        value = float(fields[name])
    except ValueError as error:
        raise DataError(f"expected a number for {name} in the header, got {fields[name]!r}") from error
    if not np.isfinite(value):
        raise DataError(f"expected a finite number for {name} in the header, got {fields[name]!r}")
    return value

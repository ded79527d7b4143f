"""The header of EDF and EDF+ files (Kemp and others 1992; Kemp and Olivan 2003)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import numpy as np

from audiossl.errors import DataError

ANNOTATIONS = "EDF Annotations"
# Widths of a signal's fields in the header, which holds each field for all signals before the next one.
_SIGNAL_FIELDS = {
    "label": 16, "transducer": 80, "unit": 8, "physical_min": 8, "physical_max": 8, "digital_min": 8, "digital_max": 8,
    "filters": 80, "samples": 8, "reserved": 32,
}  # fmt: skip
_PADDING = " \0"  # the standard says spaces; some devices write zero bytes


@dataclass(frozen=True)
class EdfHeader:
    """What a file says of itself.

    Attributes:
        num_records: number of records that lie in the file.
        record_seconds: length of a record; 0 in files of annotations alone.
        start: date and time in whole seconds, as they are written.
        has_gaps: records need not follow one another (EDF+D); each says when it begins.
        signals: fields of each signal as text.
        counts: samples of each signal in a record.
        num_bytes: number of bytes of the header.
    """

    num_records: int
    record_seconds: float
    start: str
    has_gaps: bool
    signals: tuple[dict[str, str], ...]
    counts: tuple[int, ...]
    num_bytes: int

    @property
    def labels(self) -> list[str]:
        """Names of the signals, in order."""
        return [signal["label"] for signal in self.signals]

    @property
    def annotation_places(self) -> list[int]:
        """Signals that hold texts; a file may have several."""
        return [place for place, label in enumerate(self.labels) if label == ANNOTATIONS]

    def begins(self) -> datetime:
        """Date and time of the start, in whole seconds.

        Raises:
            DataError: if that is no date and time.
        """
        try:
            return datetime.strptime(self.start, "%d.%m.%y%H.%M.%S")
        except ValueError as error:
            raise DataError(f"expected a start as dd.mm.yyhh.mm.ss, got {self.start!r}") from error

    def place(self, label: str) -> int:
        """Number of the signal of this name.

        Raises:
            DataError: if there is none, or several.
        """
        found = [place for place, name in enumerate(self.labels) if name == label]
        if len(found) != 1:
            names = ", ".join(self.labels)
            raise DataError(f"expected {'a' if not found else 'one'} signal {label}, got {names}")
        return found[0]


def read_header(file: BinaryIO) -> EdfHeader:
    """Read the header of an opened file.

    Of a file that was never closed (-1 records), and of one that continues after the records that it promises, as a recorder that
    stopped working leaves, the whole records are those that its size allows.

    Raises:
        DataError: if it is damaged, or the file is cut short.
    """
    fixed = file.read(256)
    if len(fixed) < 256 or fixed[:8].decode("latin1").strip(_PADDING) != "0":
        raise DataError("expected an EDF file, whose first byte is 0")
    text = fixed.decode("latin1")
    fields = {
        "bytes": text[184:192],
        "records": text[236:244],
        "seconds": text[244:252],
        "signals": text[252:256],
    }
    fields = {name: value.strip(_PADDING) for name, value in fields.items()}
    num_signals, promised = round(number(fields, "signals")), round(number(fields, "records"))
    num_bytes = 256 * (num_signals + 1)
    if num_signals < 1 or promised < -1 or number(fields, "bytes") != num_bytes:
        raise DataError(f"expected signals and records in a header of whole length, got {fields}")
    signals: list[dict[str, str]] = [{} for _ in range(num_signals)]
    for name, width in _SIGNAL_FIELDS.items():
        block = file.read(width * num_signals).decode("latin1")
        for place, signal in enumerate(signals):
            signal[name] = block[width * place : width * (place + 1)].strip(_PADDING)
    counts = tuple(_samples(signal) for signal in signals)
    return EdfHeader(
        _whole_records(file, promised, num_bytes, 2 * sum(counts)),
        number(fields, "seconds"),
        text[168:184].strip(_PADDING),
        text[192:236].startswith("EDF+D"),
        tuple(signals),
        counts,
        num_bytes,
    )


def number(fields: dict[str, str], name: str) -> float:
    """A field as a number.

    Raises:
        DataError: if it is none.
    """
    try:
        value = float(fields[name])
    except ValueError as error:
        raise DataError(f"expected a number for {name} in the header, got {fields[name]!r}") from error
    if not np.isfinite(value):
        raise DataError(f"expected a finite number for {name} in the header, got {fields[name]!r}")
    return value


def _samples(signal: dict[str, str]) -> int:
    count = number(signal, "samples")
    if count < 0 or count != int(count):
        raise DataError(f"expected whole samples a record, got {signal['samples']!r}")
    return int(count)


def _whole_records(file: BinaryIO, promised: int, num_bytes: int, record_bytes: int) -> int:
    if not record_bytes:
        raise DataError("expected samples, got signals without any")
    size = file.seek(0, 2)
    if size < num_bytes + promised * record_bytes:
        expected = num_bytes + promised * record_bytes
        raise DataError(f"expected {expected} bytes for {promised} records, got {size}: the file is cut short")
    present = (size - num_bytes) // record_bytes
    if present < 1:
        raise DataError(f"expected records, got none in {size} bytes")
    return present
